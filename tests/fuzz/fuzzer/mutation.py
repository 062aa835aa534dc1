"""What fuzzed bytes look like: seeds of a parser's own form, with pieces changed, repeated, moved and cut."""

from __future__ import annotations

import random
from collections.abc import Sequence

#: Pieces at which parsers have stumbled: numbers, constants, halves of characters, framing, separators.
PIECES: tuple[bytes, ...] = (
    b"true", b"null", b"NaN", b"-Infinity", b"1e999", b"-1", b"0", b"2147483648", b"18446744073709551616", b"9" * 4400, b"\\ud800", b"\\u0000", b"\xff",
    b"\xed\xa0\x80", b"\xc2\xb2", b"\xe2\x80\x8b", b"[" * 1200, b'{"a":' * 1200, b"}", b'"', b"\\", b"\0", b"\n", b"\r\n", b" ", b"%", b"%ff", b"+", b"&", b"..", b"/",
    b":", b"@", b"0000", b"0001", b"0004", b"fff0", b"ffff", b"+0a5", b"*", b"**/", b"[::1]", b"127.1", b"localhost", b"evil.example", b"\x91" * 1200, b"- ", b"(", b"((", b")",
    b"#", b"'", b"`", b"```", b"<!--", b"-->", b"a::ba::b", b"... ok", b"{}", b"[]", b"\xe2\x80\xa8", b"\x0c", b"\x1b[", b"&a *a", b"? ", b"|", b">", b"!!python/object", b"-r ",
)  # fmt: skip
#: Changes of one seed.
MOST_CHANGES = 6


def mutated(sources: Sequence[bytes], chance: random.Random) -> bytes:
    """Return bytes near one of the sources."""
    data = chance.choice(sources) if sources else b""
    for _ in range(chance.randint(1, MOST_CHANGES)):
        kind = chance.choice(("put", "cut", "swap", "twice", "splice", "flip"))
        piece = chance.choice(PIECES) if chance.random() < 0.7 else chance.randbytes(chance.randint(1, 8))
        if kind == "splice" and sources:
            piece = chance.choice(sources)[chance.randrange(64) :]
        data = changed(data, kind, (chance.random(), chance.random()), piece)
    return data


def changed(data: bytes, kind: str, places: tuple[float, float], piece: bytes) -> bytes:
    """Apply one change between two places, given as parts of the length."""
    start, end = sorted(int(place * len(data)) for place in places)
    if kind == "flip":
        return data[:start] + bytes(255 - byte for byte in data[start : start + 1]) + data[start + 1 :]
    middle = {"put": piece + data[start:end], "cut": b"", "twice": data[start:end] * 2}.get(kind, piece)
    return (data[:start] + middle + data[end:])[: 1 << 16]
