"""A TCP relay on loopback whose connections can be cut at any moment, as a network does it."""

from __future__ import annotations

import asyncio
import contextlib
from types import TracebackType
from typing import Self

#: Bytes that are passed on at once.
_CHUNK = 64 << 10


class Relay:
    """Listens on a free port and passes bytes on to *port*, both on 127.0.0.1.

    A target that does not listen looks like a connection that breaks at once.
    """

    def __init__(self, name: str, port: int) -> None:
        self.name = name
        self.port = 0
        self._target = port
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.StreamWriter] = set()
        self._serving: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._server is not None
        self._server.close()
        self.cut()
        await asyncio.gather(*self._serving)
        await self._server.wait_closed()

    def cut(self) -> int:
        """Reset every connection, with whatever is under way in it; returns how many there were."""
        count = len(self._open) // 2
        for writer in self._open:
            writer.transport.abort()
        return count

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection to its end; whatever ends it, both sides are reset."""
        task = asyncio.current_task()
        assert task is not None
        self._serving.add(task)
        onward = None
        try:
            with contextlib.suppress(OSError):
                there, onward = await asyncio.open_connection("127.0.0.1", self._target)
                self._open |= {writer, onward}
                async with asyncio.TaskGroup() as group:
                    group.create_task(_pass_on(reader, onward))
                    group.create_task(_pass_on(there, writer))
        finally:
            self._serving.discard(task)
            for side in (writer, onward):
                if side is not None:
                    self._open.discard(side)
                    side.transport.abort()


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Pass bytes on until the connection breaks; the end of one direction is passed on as an end."""
    with contextlib.suppress(OSError):
        while data := await reader.read(_CHUNK):
            writer.write(data)
            await writer.drain()
        writer.write_eof()
