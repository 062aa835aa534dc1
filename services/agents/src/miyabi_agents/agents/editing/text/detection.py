"""Tells a legacy encoding by a file's bytes, and only where one text stands out from all others that they could be."""

from __future__ import annotations

import charset_normalizer

#: Encodings that source code was written in before UTF-8; those that hold the others' characters too come first.
CANDIDATES = ("cp1252", "cp1250", "iso8859_2", "cp1251", "koi8_r", "cp932", "euc_jp", "cp949", "gb18030", "big5")
#: Bytes outside ASCII below which chance decides.
MIN_BYTES = 8
#: Bytes that are looked at; what more there is changes nothing.
MAX_BYTES = 64 << 10
#: By how much less messy, or more like a language, a text must be than the next: values between 0 and 1 of the library,
#: chosen so that all of the tests' texts in ten encodings are told rightly or not at all.
CHAOS_MARGIN, COHERENCE_MARGIN = 0.05, 0.15


def detected(content: bytes) -> str:
    """Return Python's name of the encoding; empty where it cannot be told.

    Args:
        content: Bytes that are no UTF-8.
    """
    if sum(byte > 127 for byte in content[:MAX_BYTES]) < MIN_BYTES:
        return ""
    # Cut at a line's end, which no character of these encodings holds.
    head = content if len(content) <= MAX_BYTES else content[: content.rfind(b"\n", 0, MAX_BYTES) + 1]
    matches = list(charset_normalizer.from_bytes(head, cp_isolation=list(CANDIDATES), enable_fallback=False))
    if not matches:
        return ""
    best, text = matches[0], str(matches[0])
    for other in matches[1:]:
        worse = other.chaos >= best.chaos + CHAOS_MARGIN or other.coherence <= best.coherence - COHERENCE_MARGIN
        if str(other) != text and not worse:
            return ""
    return next((name for name in CANDIDATES if _text(content, name, head) == text), "")


def _text(content: bytes, name: str, head: bytes) -> str | None:
    """Return the text of the begin, where the whole is in an encoding."""
    try:
        content.decode(name)
        return head.decode(name)
    except UnicodeError:
        return None
