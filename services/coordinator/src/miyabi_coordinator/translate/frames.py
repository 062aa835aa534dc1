"""Events as they lie in a log and travel: each framed as field 1 of the message that carries it.

All messages with events (SubmitBatchResponse, WatchBatchResponse, WatchEventsResponse) have them in field 1, and in
protobuf the concatenation of two serialised messages is their merger. So what the commit framed is relayed as it is.
Source: protobuf.dev/programming-guides/encoding (Last One Wins, repeated fields).
"""

from __future__ import annotations

from collections.abc import Iterator

#: Tag of field 1 as a length-delimited value.
_TAG = b"\x0a"


def frame(event: bytes) -> bytes:
    """Return a serialised event as field 1."""
    return _TAG + varint(len(event)) + event


def with_sequence(event: bytes, sequence: int) -> bytes:
    """Return a serialised BatchEvent with field 2 added: in protobuf, appending a field sets it."""
    return event + b"\x10" + varint(sequence)


def split(frames: bytes) -> Iterator[bytes]:
    """Yield the serialised events.

    Raises:
        ValueError: the bytes are not frames.
    """
    position = 0
    while position < len(frames):
        start, end = _bounds(frames, position)
        yield frames[start:end]
        position = end


def skip(frames: bytes, count: int) -> bytes:
    """Return the frames behind the first *count*."""
    position = 0
    for _ in range(count):
        _, position = _bounds(frames, position)
    return frames[position:]


def varint(value: int) -> bytes:
    """Return protobuf's variable-length form of a number that is not negative."""
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def _bounds(frames: bytes, position: int) -> tuple[int, int]:
    """Return where the event that begins at *position* starts behind its length, and ends."""
    if frames[position : position + 1] != _TAG:
        raise ValueError(f"no frame at byte {position}")
    size = shift = 0
    position += 1
    while frames[position] & 0x80:
        size |= (frames[position] & 0x7F) << shift
        shift += 7
        position += 1
    size |= frames[position] << shift
    return position + 1, position + 1 + size
