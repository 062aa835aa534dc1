"""Carries bytes between two connections until one is silent for too long or a build has used up what it may fetch."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta

from miyabi_agents.environments.proxy.dialling import Streams

#: Bytes that are read at once.
_CHUNK = 64 * 1024

#: Counts bytes that came or went; False where that was more than may be.
Count = Callable[[int], bool]


async def relay(client: Streams, server: Streams, *, idle: timedelta, count: Count) -> bool:
    """Carry bytes both ways until the server has said all; returns False where it broke off.

    Raises:
        TimeoutError: for *idle* nobody said anything.
    """
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(idle.total_seconds()) as deadline, asyncio.TaskGroup() as group:

        def noted(size: int) -> bool:
            deadline.reschedule(loop.time() + idle.total_seconds())
            return count(size)

        upward = group.create_task(_copy(client[0], server[1], noted))
        whole = await _copy(server[0], client[1], noted)
        upward.cancel()
    return whole


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, noted: Count) -> bool:
    """Carry bytes one way, and the end of them; returns False only where the reading side broke off."""
    while True:
        try:
            chunk = await reader.read(_CHUNK)
        except OSError:
            return False
        try:
            if not chunk:
                if writer.can_write_eof():
                    writer.write_eof()
                return True
            if not noted(len(chunk)):
                return True
            writer.write(chunk)
            await writer.drain()
        except OSError:
            # Nobody wants the rest.
            return True


async def finish(writer: asyncio.StreamWriter, *, patience: timedelta) -> None:
    """Close a connection once what was written is out; one that takes longer than *patience* is cut."""
    ended = False
    try:
        async with asyncio.timeout(patience.total_seconds()):
            writer.close()
            await writer.wait_closed()
        ended = True
    except TimeoutError:
        pass
    except OSError:
        ended = True
    finally:
        # A transport whose last bytes went out after `close` has no event loop any more, and takes no abort.
        if not ended:
            writer.transport.abort()
