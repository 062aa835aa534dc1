"""Pkt-lines, the framing of git's protocol (gitprotocol-common), read and written."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

#: Ends a section of a conversation.
FLUSH = b"0000"
#: Separates sections in protocol version 2.
DELIMITER = b"0001"
#: Length of the hexadecimal size before each line.
_HEAD = 4
#: Largest line (gitprotocol-common): 65,520 bytes with its size.
_LARGEST = 65520
#: Data of one side-band line: the largest line without its size and the band's number.
_BAND_DATA = _LARGEST - _HEAD - 1
#: A size as git reads it; Python would take signs, spaces and underscores too.
_SIZE = re.compile(rb"[0-9a-fA-F]{4}")


class MalformedPktLineError(ValueError):
    """The bytes are no pkt-lines."""


@dataclass(frozen=True)
class PktLine:
    """A line; `data` is None for a flush or a delimiter, which `raw` tells apart."""

    data: bytes | None
    raw: bytes


def encode(data: bytes) -> bytes:
    """Return *data* as one pkt-line.

    Raises:
        MalformedPktLineError: it is too long for one.
    """
    if len(data) + _HEAD > _LARGEST:
        raise MalformedPktLineError("too long for a pkt-line")
    return b"%04x" % (len(data) + _HEAD) + data


def band(number: int, data: bytes) -> bytes:
    """Return *data* on a side band, in as many lines as it takes: 1 is data, 2 is for the person, 3 is fatal."""
    parts = (data[start : start + _BAND_DATA] for start in range(0, len(data), _BAND_DATA))
    return b"".join(encode(bytes([number]) + part) for part in parts)


def lines(data: bytes) -> Iterator[PktLine]:
    """Yield the whole lines at the head of *data*; what is left over is a line that has not ended yet.

    Raises:
        MalformedPktLineError: a size is no number, or one that is not used.
    """
    position = 0
    while (line := line_at(data, position)) is not None:
        yield line
        position += len(line.raw)


def line_at(data: bytes | bytearray, position: int) -> PktLine | None:
    """Return the line that begins at a position; None where it has not ended yet.

    Raises:
        MalformedPktLineError: its size is no number, or one that is not used.
    """
    head = bytes(data[position : position + _HEAD])
    if len(head) < _HEAD:
        return None
    if _SIZE.fullmatch(head) is None:
        raise MalformedPktLineError("a size is not hexadecimal")
    size = int(head, 16)
    if size in (0, 1, 2):
        return PktLine(None, head)
    if size < _HEAD or size > _LARGEST:
        raise MalformedPktLineError("a size is out of range")
    if position + size > len(data):
        return None
    raw = bytes(data[position : position + size])
    return PktLine(raw[_HEAD:], raw)


def joined_band(data: bytes, number: int) -> bytes:
    """Return what a side band carries in *data*; lines of other bands are left out.

    Raises:
        MalformedPktLineError: *data* is no pkt-lines.
    """
    wanted = bytes([number])
    return b"".join(line.data[1:] for line in lines(data) if line.data and line.data[:1] == wanted)


def request(command: str, *, capabilities: Iterable[str] = (), arguments: Iterable[str] = ()) -> bytes:
    """Return a request of protocol version 2 (gitprotocol-v2)."""
    head = b"".join(encode(f"{text}\n".encode()) for text in (f"command={command}", *capabilities))
    return head + DELIMITER + b"".join(encode(f"{text}\n".encode()) for text in arguments) + FLUSH
