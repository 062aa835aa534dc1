"""What fuzzed bytes look like: seeds of a parser's own form, with pieces changed, repeated, moved and cut."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import strategies as st

#: Pieces at which parsers have stumbled: numbers, constants, halves of characters, framing, separators.
PIECES: tuple[bytes, ...] = (
    b"true", b"null", b"NaN", b"-Infinity", b"1e999", b"-1", b"0", b"2147483648", b"18446744073709551616", b"9" * 4400, b"\\ud800", b"\\u0000", b"\xff",
    b"\xed\xa0\x80", b"\xc2\xb2", b"\xe2\x80\x8b", b"[" * 1200, b'{"a":' * 1200, b"}", b'"', b"\\", b"\0", b"\n", b"\r\n", b" ", b"%", b"%ff", b"+", b"&", b"..", b"/",
    b":", b"@", b"0000", b"0001", b"0004", b"fff0", b"ffff", b"+0a5", b"*", b"[::1]", b"127.1", b"localhost", b"evil.example", b"null", b"\x91" * 1200,
)  # fmt: skip
#: Changes of one seed.
MOST_CHANGES = 6


def mutated(seeds: Sequence[bytes]) -> st.SearchStrategy[bytes]:
    """Return bytes near the seeds; arbitrary ones too, so that nothing is left out."""
    if not seeds:
        return st.binary(max_size=2000)
    changes = st.lists(_changes(), max_size=MOST_CHANGES)
    return st.builds(_changed, st.sampled_from(seeds), changes) | st.binary(max_size=300)


def _changes() -> st.SearchStrategy[tuple[str, float, float, bytes]]:
    """Return a change: what is done, from where to where (as parts of the length), and with what."""
    place = st.floats(0, 1)
    piece = st.sampled_from(PIECES) | st.binary(max_size=8)
    return st.tuples(st.sampled_from(["put", "cut", "swap", "twice"]), place, place, piece)


def _changed(seed: bytes, changes: Sequence[tuple[str, float, float, bytes]]) -> bytes:
    """Apply changes."""
    data = seed
    for kind, one, two, piece in changes:
        start, end = sorted((int(one * len(data)), int(two * len(data))))
        middle = {"put": piece + data[start:end], "cut": b"", "swap": piece, "twice": data[start:end] * 2}[kind]
        data = data[:start] + middle + data[end:]
    return data[: 1 << 16]
