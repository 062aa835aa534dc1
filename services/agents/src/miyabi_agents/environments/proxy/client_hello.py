"""Reads the server's name from the first bytes of a TLS connection, before anything of it is passed on.

Source: RFC 8446 (sections 4.1.2 and 5.1), RFC 6066 (section 3), RFC 9849 (encrypted ClientHello).
"""

from __future__ import annotations

from dataclasses import dataclass

#: Longest ClientHello that is read; those with keys that withstand quantum computers take about 2 KiB.
MAX_HELLO_BYTES = 16 * 1024
#: Length of a record's header: type, version, length.
_RECORD_HEADER = 5
#: Record type of a handshake.
_HANDSHAKE = 22
#: Handshake type of a ClientHello.
_CLIENT_HELLO = 1
#: Longest plain record.
_MAX_RECORD = 1 << 14
#: Extension that names the server.
_SERVER_NAME = 0
#: Extension that hides the real name (encrypted ClientHello).
_ENCRYPTED_HELLO = 0xFE0D


class HelloRefusedError(Exception):
    """What a client sends is no ClientHello that names a server in the open."""


@dataclass(frozen=True)
class ClientHello:
    """What was found."""

    name: str  #: the server's name, lower case; empty where none is named


class _Reader:
    """Takes pieces off bytes; what is not there is a refusal, never an exception of another kind."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    @property
    def left(self) -> int:
        """How many bytes are left."""
        return len(self._data) - self._at

    def take(self, count: int) -> bytes:
        """Take *count* bytes."""
        if count > self.left:
            raise HelloRefusedError("the ClientHello is cut short")
        self._at += count
        return self._data[self._at - count : self._at]

    def number(self, count: int) -> int:
        """Take a number of *count* bytes."""
        return int.from_bytes(self.take(count), "big")

    def vector(self, count: int) -> bytes:
        """Take bytes that come behind their length, which itself takes *count* bytes."""
        return self.take(self.number(count))


def parse_hello(data: bytes) -> ClientHello | None:
    """Read the ClientHello that *data* begins with; None where more bytes are needed.

    Linear in the length of *data*.

    Raises:
        HelloRefusedError: it is no ClientHello, too long, malformed, names a server twice or hides its real name.
    """
    message = _message(data)
    if message is None:
        return None
    hello = _Reader(message)
    hello.take(2 + 32)  # version, random
    hello.vector(1)  # session
    hello.vector(2)  # cipher suites
    hello.vector(1)  # compression
    return ClientHello(_name_among(hello.vector(2) if hello.left else b""))


def _message(data: bytes) -> bytes | None:
    """Return the handshake's body, put together from its records; None where it is not all there.

    Raises:
        HelloRefusedError: a record is of another kind, empty or too long, or the message is.
    """
    body = bytearray()
    at = 0
    while len(data) - at >= _RECORD_HEADER:
        length = int.from_bytes(data[at + 3 : at + 5], "big")
        if data[at] != _HANDSHAKE or data[at + 1] != 3 or not 0 < length <= _MAX_RECORD:
            raise HelloRefusedError("this is no TLS")
        body += data[at + _RECORD_HEADER : at + _RECORD_HEADER + length]
        at += _RECORD_HEADER + length
        if len(body) >= 4:
            if body[0] != _CLIENT_HELLO:
                raise HelloRefusedError("this is no ClientHello")
            end = 4 + int.from_bytes(body[1:4], "big")
            if end > MAX_HELLO_BYTES:
                raise HelloRefusedError("the ClientHello is too long")
            if len(body) >= end:
                return bytes(body[4:end])
    if data and data[0] != _HANDSHAKE:
        raise HelloRefusedError("this is no TLS")
    return None


def _name_among(extensions: bytes) -> str:
    """Return the name that the extensions hold.

    Raises:
        HelloRefusedError: they are malformed, name it twice or hide it.
    """
    reader, seen, name = _Reader(extensions), set[int](), ""
    while reader.left:
        kind, content = reader.number(2), reader.vector(2)
        if kind in seen:
            raise HelloRefusedError("an extension comes twice")
        seen.add(kind)
        if kind == _ENCRYPTED_HELLO:
            raise HelloRefusedError("the server's real name is hidden")
        if kind == _SERVER_NAME:
            name = _server_name(content)
    return name


def _server_name(content: bytes) -> str:
    """Return the one host name of the extension.

    Raises:
        HelloRefusedError: there is not exactly one, or it is not ASCII.
    """
    outer = _Reader(content)
    entries = _Reader(outer.vector(2))
    if outer.left or entries.number(1) != 0:
        raise HelloRefusedError("the server's name is malformed")
    name = entries.vector(2)
    if entries.left or not name.isascii():
        raise HelloRefusedError("the server's name is malformed")
    return name.decode("ascii").lower()
