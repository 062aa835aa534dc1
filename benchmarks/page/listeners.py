"""Clients of the WebSocket in a process of their own: `python -m benchmarks.page.listeners`.

They speak RFC 6455 themselves, since what a client library costs is not what is measured, check that no sequence is
missing, and say at the end how late each event came.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import json
import os
import struct
import sys
import time
from array import array
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import urlsplit

import orjson

#: Opcodes of RFC 6455 section 5.2 that a server sends here.
_TEXT, _PING, _PONG = 1, 9, 10
#: Connections that are opened at once: more would overflow the server's backlog.
_AT_ONCE = 50


@dataclass
class Message:
    """A message that was heard, parsed once: all clients get the same bytes."""

    payload: bytes
    told: dict[str, Any]
    first: int
    last: int
    sent: list[int]

    @classmethod
    def of(cls, payload: bytes) -> Message:
        """Parse a message."""
        told = orjson.loads(payload)
        sequences = [entry["sequence"] for entry in told.get("events", [])]
        sent = [entry["event"]["sentNs"] for entry in told.get("events", []) if "sentNs" in entry["event"]]
        return cls(payload, told, sequences[0] if sequences else 0, sequences[-1] if sequences else 0, sent)


@dataclass
class Heard:
    """What all clients of this process heard."""

    delays: array[float] = field(default_factory=lambda: array("d"))
    lost: int = 0
    resynchronised: int = 0
    closed: int = 0
    #: The newest frame with its message.
    newest: tuple[bytes, Message] | None = None


class Listener(asyncio.Protocol):
    """One client."""

    def __init__(self, heard: Heard, request: bytes) -> None:
        self._heard = heard
        self._request = request
        self._buffer = bytearray()
        self._transport: asyncio.Transport | None = None
        self._open = False
        self._sequence = -1
        self.ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask for the WebSocket."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        transport.write(self._request)

    def connection_lost(self, exc: Exception | None) -> None:
        """Count what was cut off."""
        del exc
        self._heard.closed += 1
        if not self.ready.done():
            self.ready.set_exception(ConnectionError("cut off"))

    def data_received(self, data: bytes) -> None:
        """Read frames; one that another client has just had is not read again."""
        if self._open and not self._buffer and (newest := self._heard.newest) is not None and data == newest[0]:
            self._take(newest[1])
            return
        self._buffer += data
        if not self._open:
            head = self._buffer.find(b"\r\n\r\n")
            if head < 0:
                return
            assert b" 101 " in self._buffer[:head]
            del self._buffer[: head + 4]
            self._open = True
        while (frame := self._frame()) is not None:
            opcode, payload, whole = frame
            if opcode == _PING:
                self._pong(payload)
            elif opcode == _TEXT:
                message = Message.of(payload)
                self._heard.newest = (whole, message)
                self._take(message)

    def _frame(self) -> tuple[int, bytes, bytes] | None:
        """Return the next frame's opcode, payload, and all of it; None where it is not there yet."""
        buffer = self._buffer
        if len(buffer) < 2:
            return None
        length, start = buffer[1] & 127, 2
        if length == 126:
            length, start = struct.unpack_from("!H", buffer, 2)[0] if len(buffer) >= 4 else 1 << 62, 4
        elif length == 127:
            length, start = struct.unpack_from("!Q", buffer, 2)[0] if len(buffer) >= 10 else 1 << 62, 10
        if len(buffer) < start + length:
            return None
        whole = bytes(buffer[: start + length])
        del buffer[: start + length]
        return whole[0] & 15, whole[start:], whole

    def _pong(self, payload: bytes) -> None:
        """Answer a ping; a client masks what it sends, and a mask of zeros changes nothing."""
        assert self._transport is not None
        self._transport.write(bytes((0x80 | _PONG, 0x80 | len(payload))) + b"\0\0\0\0" + payload)

    def _take(self, message: Message) -> None:
        """Note how late a message is, and what is missing before it."""
        now, heard = time.monotonic_ns(), self._heard
        if message.told["type"] == "snapshot":
            heard.resynchronised += self._sequence >= 0
            self._sequence = message.told["sequence"]
            if not self.ready.done():
                self.ready.set_result(None)
        elif message.last > self._sequence:
            # A message behind a snapshot may begin before it.
            heard.lost += max(0, message.first - self._sequence - 1)
            self._sequence = message.last
            heard.delays.extend([(now - sent) / 1e9 for sent in message.sent])


async def listen(url: str, clients: int) -> Heard:
    """Open clients, say so, and listen until a line comes on standard input."""
    parts = urlsplit(url)
    key = base64.b64encode(os.urandom(16)).decode()
    request = (
        f"GET /ws HTTP/1.1\r\nHost: {parts.netloc}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n"
    ).encode()
    heard, loop = Heard(), asyncio.get_running_loop()
    slots = asyncio.Semaphore(_AT_ONCE)

    async def one() -> asyncio.Transport:
        async with slots:
            transport, protocol = await loop.create_connection(
                lambda: Listener(heard, request), parts.hostname or "", parts.port or 80
            )
            await protocol.ready
            return transport

    transports = await asyncio.gather(*(one() for _ in range(clients)))
    print(json.dumps({"clients": clients}), flush=True)
    await loop.run_in_executor(None, sys.stdin.readline)
    told = replace(heard)
    for transport in transports:
        transport.close()
    return told


def main() -> None:
    """Listen; the last line says what was heard."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.page.listeners", description=__doc__)
    parser.add_argument("--url", required=True)
    parser.add_argument("--clients", type=int, required=True)
    options = parser.parse_args()
    heard = asyncio.run(listen(options.url, options.clients))
    ordered = sorted(heard.delays)
    told = {
        "events": len(ordered), "lost": heard.lost, "resynchronised": heard.resynchronised, "closed": heard.closed,
        "quantiles": [ordered[len(ordered) * share // 1000] for share in range(1000)] if ordered else [],
        "max": ordered[-1] if ordered else 0.0,
    }  # fmt: skip
    print(json.dumps(told), flush=True)


if __name__ == "__main__":
    main()
