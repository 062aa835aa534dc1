"""Turns a file's bytes into text for the index, which is of use with some letters of prose wrong."""

from __future__ import annotations

import codecs

#: Byte order marks of encodings in which names have a zero in every letter; that of UTF-32 begins with that of UTF-16.
_WIDE = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


def text_of(content: bytes) -> str:
    """Return the text of a file: by its byte order mark, else as UTF-8, with what is neither replaced.

    Names of code are ASCII in nearly every file, so that in an older encoding they come out right.
    """
    wide = next((name for mark, name in _WIDE if content.startswith(mark)), None)
    return content.decode(wide or "utf-8-sig", "replace")
