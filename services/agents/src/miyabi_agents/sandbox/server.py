"""The sandbox as a container of its own: serves one user over a Unix socket, and cleans up after every command."""

from __future__ import annotations

import asyncio
import os
import socket
import stat
import struct
from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

from miyabi_agents.errors import SandboxError
from miyabi_agents.ports import SandboxJob, SandboxResult
from miyabi_agents.sandbox.process import ProcessSandbox
from miyabi_agents.sandbox.protocol import MAX_REQUEST_BYTES, decode_request, encode_error, encode_result
from miyabi_agents.sandbox.removal import remove_tree
from miyabi_agents.settings import SandboxSettings
from miyabi_core.logging import get_logger

#: Folders of the workspace whose own folders a command may be given.
_FOLDERS = ("worktrees", "environments", "caches")
#: struct ucred of unix(7): pid, uid, gid.
_CREDENTIALS = struct.Struct("3i")

#: How long a refused peer has to send its request, before it is told so.
REFUSED_PATIENCE = timedelta(seconds=1)

_LOG = get_logger(__name__)


class SandboxServer:
    """Runs what the agent asks for, one connection a command.

    Who connects is told by the kernel (`SO_PEERCRED`, unix(7)): a command of the sandbox can reach the socket too, and
    has another uid.

    Args:
        settings: Where to listen, whom to serve, and the workspace.
        sandbox: What runs the commands; unset: with every layer that is to be had here.
    """

    def __init__(self, settings: SandboxSettings, sandbox: ProcessSandbox | None = None) -> None:
        self._settings = settings
        self._workspace = settings.workspace.resolve()
        self._sandbox = sandbox or ProcessSandbox(own_uid=settings.agent_uid != os.getuid())
        self._server: asyncio.Server | None = None

    async def serve(self, stop: asyncio.Event) -> None:
        """Listen until *stop* is set; running commands are ended then."""
        path = self._settings.socket
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        server = await asyncio.start_unix_server(self._connected, str(path), limit=MAX_REQUEST_BYTES)
        # The agent is in our group; whoever else is, is refused by uid.
        path.chmod(0o660)
        layers = self._sandbox.layers
        _LOG.info("sandbox.started", socket=str(path), layers=layers.active, missing=layers.missing)
        async with server:
            await stop.wait()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection."""
        try:
            await self._admit(_peer_uid(writer), reader)
            job = decode_request(await reader.readline())
            result = await _unless_hung_up(reader, self._run(job))
            if result is not None:
                writer.write(encode_result(result))
        except SandboxError as error:
            writer.write(encode_error(error))
        except ValueError:
            writer.write(encode_error(SandboxError("the request is too long", code="BAD_REQUEST")))
        finally:
            with suppress(OSError):
                await writer.drain()
            writer.close()

    async def _admit(self, uid: int, reader: asyncio.StreamReader) -> None:
        """Let the agent pass.

        Raises:
            SandboxError: it is somebody else.
        """
        if uid != self._settings.agent_uid:
            await _take_unread(reader)
            _LOG.warning("sandbox.peer_refused", uid=uid)
            raise SandboxError(f"uid {uid} is not served here", code="REFUSED")

    async def _run(self, job: SandboxJob) -> SandboxResult:
        """Run one command, then end what it left running and remove what it left behind.

        Raises:
            SandboxError: it was refused or could not be started.
        """
        await asyncio.to_thread(self._check, job)
        keep = {path.resolve() for path in job.keep}
        cleaned = [path.resolve() for path in job.writable if path.resolve() not in keep]
        try:
            return await self._sandbox.run(job)
        finally:
            await asyncio.shield(self._clean(cleaned))

    def _check(self, job: SandboxJob) -> None:
        """Look at the paths of a job.

        Raises:
            SandboxError: one that it may write to or runs in is none of the workspace's (`REFUSED`).
        """
        tops = [self._workspace / name for name in _FOLDERS]
        for path in (job.cwd, *job.writable, *job.keep):
            if not path.is_absolute() or not any(top in path.resolve().parents for top in tops):
                raise SandboxError(f"{path} is not in the workspace", code="REFUSED")
        for path in job.readable:
            real = path.resolve()
            near = real == self._workspace or self._workspace in real.parents or real in self._workspace.parents
            if near and not any(top in real.parents for top in tops):
                raise SandboxError(f"{path} is more of the workspace than a command may read", code="REFUSED")

    async def _clean(self, folders: Sequence[Path]) -> None:
        """Leave nothing of a command."""
        await asyncio.to_thread(_remove_own, folders)


def _peer_uid(writer: asyncio.StreamWriter) -> int:
    """Return the uid of who connected, as the kernel knows it."""
    connection: socket.socket = writer.get_extra_info("socket")
    _, uid, _ = _CREDENTIALS.unpack(connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size))
    return int(uid)


async def _take_unread(reader: asyncio.StreamReader) -> None:
    """Read a request that is refused: a socket that is closed over unread bytes is reset, and the answer with it."""
    with suppress(TimeoutError, OSError, ValueError):
        async with asyncio.timeout(REFUSED_PATIENCE.total_seconds()):
            await reader.readline()


async def _unless_hung_up(reader: asyncio.StreamReader, work: object) -> SandboxResult | None:
    """Return what *work* returns; None where the peer hung up first, which cancels it."""
    running = asyncio.ensure_future(work)  # type: ignore[call-overload]
    hung_up = asyncio.ensure_future(reader.read(1))
    try:
        await asyncio.wait({running, hung_up}, return_when=asyncio.FIRST_COMPLETED)
        if running.done():
            result: SandboxResult = running.result()
            return result
        return None
    finally:
        for task in (hung_up, running):
            task.cancel()
        await asyncio.gather(hung_up, running, return_exceptions=True)


def _remove_own(folders: Sequence[Path]) -> None:
    """Remove what this uid owns below *folders*: the agent could not, and need not, look into it."""
    for folder in folders:
        for path in list(_owned(folder)):
            remove_tree(path)


def _owned(folder: Path) -> Iterator[Path]:
    """Yield the topmost entries below *folder* that this uid owns; links are not followed."""
    own = os.getuid()
    waiting = [folder]
    while waiting:
        with suppress(OSError), os.scandir(waiting.pop()) as entries:
            for entry in list(entries):
                status = entry.stat(follow_symlinks=False)
                if status.st_uid == own:
                    yield Path(entry.path)
                elif stat.S_ISDIR(status.st_mode):
                    waiting.append(Path(entry.path))
