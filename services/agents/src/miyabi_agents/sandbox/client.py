"""Runs commands in the sandbox that stands in a container of its own, over its Unix socket."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

from miyabi_agents.errors import SandboxError
from miyabi_agents.ports import SandboxJob, SandboxResult
from miyabi_agents.sandbox.protocol import MAX_ANSWER_BYTES, decode_answer, encode_request

#: The sandbox keeps a command's wall time itself; its answer must come within this time after that.
ANSWER_GRACE = timedelta(seconds=30)
#: How long a sandbox that is not there yet, or is being started again, is waited for.
CONNECT_PATIENCE = timedelta(seconds=20)
#: How often it is tried.
CONNECT_INTERVAL = timedelta(milliseconds=200)


class ContainerSandbox:
    """Implements `ports.Sandbox` with the server of `python -m miyabi_agents.sandbox`.

    Args:
        socket: Where it listens.
    """

    def __init__(self, socket: Path) -> None:
        self._socket = socket

    async def run(self, job: SandboxJob) -> SandboxResult:
        """Run a command there; hanging up, as when the task is cancelled, ends it.

        Raises:
            SandboxError: the sandbox cannot be reached or went away (`AWAY`), refuses what it is asked
                (`REFUSED`), or lacks a layer (`LAYER_MISSING`).
        """
        reader, writer = await self._connect()
        try:
            writer.write(encode_request(job))
            await writer.drain()
            async with asyncio.timeout((job.limits.wall + ANSWER_GRACE).total_seconds()):
                return decode_answer(await reader.readline())
        except (OSError, TimeoutError, ValueError) as error:
            raise SandboxError(f"the sandbox went away: {error}", code="AWAY") from error
        finally:
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Connect, waiting for a sandbox that is just being started.

        Raises:
            SandboxError: it did not come (`AWAY`).
        """
        deadline = asyncio.get_running_loop().time() + CONNECT_PATIENCE.total_seconds()
        while True:
            try:
                return await asyncio.open_unix_connection(str(self._socket), limit=MAX_ANSWER_BYTES)
            except OSError as error:
                if asyncio.get_running_loop().time() >= deadline:
                    raise SandboxError(f"no sandbox at {self._socket}: {error}", code="AWAY") from error
            await asyncio.sleep(CONNECT_INTERVAL.total_seconds())
