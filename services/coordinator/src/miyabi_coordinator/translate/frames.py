"""Events as they lie in a log and travel: each framed as field 1 of the message that carries it.

All messages with events (SubmitBatchResponse, WatchBatchResponse, WatchEventsResponse) have them in field 1, and in
protobuf the concatenation of two serialised messages is their merger. So what the commit framed is relayed as it is.
Source: protobuf.dev/programming-guides/encoding (Last One Wins, repeated fields).
"""

from __future__ import annotations

from collections.abc import Iterator

#: Tag of field 1 as a length-delimited value.
_TAG = b"\x0a"
#: Most bytes of a length: more than 2 GiB is no message (protobuf.dev/programming-guides/proto-limits).
_LENGTH_BYTES = 5


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


def count(frames: bytes) -> int:
    """Return how many events there are.

    Raises:
        ValueError: the bytes are not frames.
    """
    found = position = 0
    while position < len(frames):
        _, position = _bounds(frames, position)
        found += 1
    if position != len(frames):
        raise ValueError("the last frame is cut")
    return found


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
    for byte in frames[position : position + _LENGTH_BYTES]:
        position += 1
        size |= (byte & 0x7F) << shift
        shift += 7
        if not byte & 0x80:
            return position, position + size
    raise ValueError(f"no length before byte {position}")
