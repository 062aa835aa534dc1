"""How a cached value travels: msgpack, and compressed where that pays."""

from __future__ import annotations

import zlib

import msgspec

from miyabi_github_gateway.models import Entry, Issue, PullRequest, Repository, Value

#: Larger values are compressed; below, the few bytes saved cost more than they bring.
COMPRESS_ABOVE_BYTES = 1024
#: zlib's quickest level: half of what the best one saves, at a quarter of its time.
LEVEL = 1
#: Larger than any issue with its comments; whoever may write to the cache may write what grows without end.
MOST_BYTES = 64 << 20
#: First byte of a value: as it is, or compressed.
_PLAIN, _ZLIB = b"\x00", b"\x01"

_KINDS: dict[str, type[Value]] = {"i": Issue, "p": PullRequest, "r": Repository}
_NAMES = {kind: name for name, kind in _KINDS.items()}
_ENCODER = msgspec.msgpack.Encoder()
_ENVELOPE = msgspec.msgpack.Decoder(tuple[str, float, str, msgspec.Raw])
_DECODERS = {name: msgspec.msgpack.Decoder(kind) for name, kind in _KINDS.items()}


def encode(entry: Entry, *, stamp: str) -> bytes:
    """Return the bytes of an entry; *stamp* tells the state of its repository when it was read."""
    body = _ENCODER.encode((stamp, entry.read_at, _NAMES[type(entry.value)], entry.value))
    if len(body) <= COMPRESS_ABOVE_BYTES:
        return _PLAIN + body
    return _ZLIB + zlib.compress(body, LEVEL)


def decode(data: bytes, *, stamp: str) -> Entry | None:
    """Return the entry; None where it cannot be read or is of another stamp."""
    try:
        body = _inflated(data[1:]) if data[:1] == _ZLIB else data[1:]
        known, read_at, name, raw = _ENVELOPE.decode(body)
        return Entry(_DECODERS[name].decode(raw), read_at) if known == stamp else None
    except (zlib.error, ValueError, KeyError, RecursionError):
        # What is no UTF-8 is a ValueError that is none of msgspec's own.
        return None


def _inflated(data: bytes) -> bytes:
    """Decompress, so far as a value of ours can go.

    Raises:
        ValueError: it is larger.
        zlib.error: it is not compressed.
    """
    unzip = zlib.decompressobj()
    body = unzip.decompress(data, MOST_BYTES)
    if not unzip.eof:
        raise ValueError("larger than any value, or cut off")
    return body
