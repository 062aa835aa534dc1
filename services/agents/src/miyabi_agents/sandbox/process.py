"""Runs commands through the keeper: its limits of time and output are kept here, and nothing of it is left running."""

from __future__ import annotations

import asyncio
import dataclasses
import os
import signal
import socket
import sys
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from miyabi_agents.errors import SandboxError
from miyabi_agents.ports import SandboxJob, SandboxLimits, SandboxResult
from miyabi_agents.sandbox.launch.say import pack_policy
from miyabi_agents.sandbox.policy import policy, resolve
from miyabi_agents.sandbox.probe import Layers, make_private, probe_layers
from miyabi_agents.sandbox.removal import remove_tree
from miyabi_agents.sandbox.report import read_report
from miyabi_agents.sandbox.zygote import ZYGOTE
from miyabi_core.text import shortened

#: A keeper that was told to end has this long, then its processes are killed from here.
END_PATIENCE = timedelta(seconds=5)
#: Without namespaces only the keeper knows what is left, and a machine full of it is slow: it gets this much longer.
PLAIN_PATIENCE = timedelta(seconds=25)
#: Output is read in pieces of so many bytes.
_CHUNK = 65536


class ProcessSandbox:
    """Implements `ports.Sandbox` with a child process.

    Args:
        unsafe: Run even where the machine has no Landlock; results then say so.
        own_uid: This process has a user that nothing else has, as in a container of its own: results say so.
        layers: What must hold; unset: what this machine has.
    """

    def __init__(self, *, unsafe: bool = False, own_uid: bool = False, layers: Layers | None = None) -> None:
        self._unsafe = unsafe
        self._layers = layers or probe_layers()
        self._mode = self._layers.mode
        if own_uid and "own-uid" in self._layers.missing:
            missing = tuple(name for name in self._layers.missing if name != "own-uid")
            self._layers = dataclasses.replace(self._layers, active=("own-uid", *self._layers.active), missing=missing)

    @property
    def layers(self) -> Layers:
        """Layers of this machine."""
        return self._layers

    async def run(self, job: SandboxJob) -> SandboxResult:
        """Run a command with no secret in its environment.

        What it leaves running ends with it. A command that passes a limit, or whose task is cancelled, is killed with
        everything that it started.

        Raises:
            SandboxError: Landlock is missing and doing without was not asked for (`LAYER_MISSING`), a path is not the
                command's to have (`REFUSED`), or the command could not be started (`START_FAILED`).
        """
        if "landlock" not in self._layers.active and not self._unsafe:
            raise SandboxError("this machine has no Landlock; `--unsafe-sandbox` does without", code="LAYER_MISSING")
        paths = await asyncio.to_thread(resolve, job)
        folder = Path(await asyncio.to_thread(tempfile.mkdtemp, prefix="miyabi-sandbox-"))
        try:
            private = await asyncio.to_thread(make_private, folder)
            wanted = policy(job, paths, private, mode=self._mode, active=self._layers.active)
            result = await self._run(wanted, job.limits)
            report, cut = await asyncio.to_thread(read_report, private / "report")
            return dataclasses.replace(result, report=report, report_cut=cut)
        finally:
            await asyncio.shield(asyncio.to_thread(remove_tree, folder))

    async def _run(self, wanted: dict[str, object], limits: SandboxLimits) -> SandboxResult:
        """Start the keeper and wait for the command's end.

        Raises:
            SandboxError: it could not be started (`START_FAILED`).
        """
        began = time.monotonic()
        command = await _attempt(wanted, limits)
        if not command.here and not command.timed_out:
            # What forks keepers was just being ended; nothing ran yet.
            command = await _attempt(wanted, limits)
        if command.failed or (not command.started and not command.timed_out):
            raise SandboxError(shortened(command.failed, 500) or "the launcher ended early", code="START_FAILED")
        return self._result(command, timedelta(seconds=time.monotonic() - began))

    def _result(self, command: _Command, duration: timedelta) -> SandboxResult:
        """Return how a command ended."""
        layers = self._layers
        if self._mode == "own-uid" and not command.own_uid:
            active = tuple(name for name in layers.active if name != "own-uid")
            layers = Layers(active, ("own-uid", *layers.missing))
        return SandboxResult(
            exit_code=command.code,
            output=command.output.decode("utf-8", "replace"),
            duration=duration,
            timed_out=command.timed_out,
            output_cut=command.output_cut,
            limit_hit=command.limit,
            layers=layers.active if "landlock" in layers.active else ("none",),
            missing_layers=layers.missing,
        )


@dataclass
class _Command:
    """A command that runs, and what is known of it."""

    written: asyncio.StreamReader  #: what it prints
    pipe: asyncio.BaseTransport  #: where that comes from
    reader: asyncio.StreamReader  #: what its keeper says
    writer: asyncio.StreamWriter
    output: bytearray = field(default_factory=bytearray)
    output_cut: bool = False
    timed_out: bool = False
    here: bool = False  #: its keeper has its policy
    started: bool = False
    own_uid: bool = False
    gone: bool = False
    code: int = -signal.SIGKILL
    limit: str = ""
    failed: str = ""
    first: int | None = None  #: descriptor of the first process in its namespaces

    def hear(self, line: bytes) -> None:
        """Note what the keeper says."""
        name, _, value = line.decode(errors="replace").strip().partition(" ")
        match name:
            case "here":
                self.here = True
            case "first" if sys.platform == "linux":
                with suppress(ProcessLookupError):
                    self.first = os.pidfd_open(int(value))
            case "started":
                self.started, self.own_uid = True, value == "own-uid"
            case "ended":
                self.code = int(value)
            case "limit":
                self.limit = value
            case "failed":
                self.failed = value
            case "gone":
                self.gone = True


async def _attempt(wanted: dict[str, object], limits: SandboxLimits) -> _Command:
    """Run a command to its end, and see to it that nothing of it is left.

    Raises:
        SandboxError: it could not be started (`START_FAILED`).
    """
    command = await _start(wanted)
    try:
        await _watch(command, limits)
    finally:
        await asyncio.shield(_end(command))
    return command


async def _start(wanted: dict[str, object]) -> _Command:
    """Start a keeper and give it its policy.

    Raises:
        SandboxError: it cannot be started (`START_FAILED`).
    """
    ours, theirs = socket.socketpair()
    read_end, write_end = os.pipe()
    try:
        ZYGOTE.fork(control=theirs.fileno(), output=write_end)
    except OSError as error:
        ours.close()
        os.close(read_end)
        raise SandboxError(f"the sandbox could not be started: {error}", code="START_FAILED") from error
    finally:
        theirs.close()
        os.close(write_end)
    reader, writer = await asyncio.open_connection(sock=ours)
    written = asyncio.StreamReader()
    pipe, _ = await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(written), os.fdopen(read_end, "rb", buffering=0)
    )
    writer.write(pack_policy(wanted))
    return _Command(written, pipe, reader, writer)


async def _watch(command: _Command, limits: SandboxLimits) -> None:
    """Read output and news to the end, or to the end of its time."""
    try:
        async with asyncio.timeout(limits.wall.total_seconds()), asyncio.TaskGroup() as group:
            group.create_task(_read_output(command, limits.output_bytes))
            group.create_task(_listen(command))
    except TimeoutError:
        command.timed_out = True


async def _read_output(command: _Command, most: int) -> None:
    """Keep output up to the limit, and read on."""
    while chunk := await command.written.read(_CHUNK):
        room = most - len(command.output)
        command.output += chunk[:room]
        command.output_cut = command.output_cut or len(chunk) > room


async def _listen(command: _Command) -> None:
    """Hear the keeper until it is gone."""
    with suppress(ConnectionError):
        while not command.gone and (line := await command.reader.readline()):
            command.hear(line)


async def _end(command: _Command) -> None:
    """Tell the keeper to end what is left; a keeper that is gone, or does not, is done without."""
    try:
        with suppress(OSError):
            command.writer.write_eof()
        with suppress(TimeoutError):
            async with asyncio.timeout(END_PATIENCE.total_seconds()):
                await _listen(command)
        if not command.gone:
            await _kill(command)
    finally:
        command.writer.close()
        command.pipe.close()
        if command.first is not None:
            os.close(command.first)


async def _kill(command: _Command) -> None:
    """Kill the first process of the namespaces, and with it all; without namespaces, the keeper's parent does it."""
    if command.first is not None:
        with suppress(ProcessLookupError):
            signal.pidfd_send_signal(command.first, signal.SIGKILL)
        await _readable(command.first)
        return
    with suppress(TimeoutError):
        async with asyncio.timeout(PLAIN_PATIENCE.total_seconds()):
            await _listen(command)


async def _readable(descriptor: int) -> None:
    """Wait until a process has ended, by its descriptor."""
    ended, loop = asyncio.Event(), asyncio.get_running_loop()
    loop.add_reader(descriptor, ended.set)
    try:
        await ended.wait()
    finally:
        loop.remove_reader(descriptor)
