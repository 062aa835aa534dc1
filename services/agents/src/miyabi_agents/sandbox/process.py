"""Starts the launcher, keeps its limits of time, output and processes, and leaves nothing of it running."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

from miyabi_agents.errors import SandboxError
from miyabi_agents.ports import SandboxJob, SandboxLimits, SandboxResult
from miyabi_agents.sandbox.launcher import EXIT_LAUNCH_FAILED
from miyabi_agents.sandbox.probe import Layers, probe_layers

#: What every program needs to read: libraries, programs, time zones, certificates are not among it.
SYSTEM_PATHS = (
    "/usr",
    "/lib",
    "/lib64",
    "/bin",
    "/sbin",
    "/etc/ld.so.cache",
    "/etc/ld.so.conf",
    "/etc/ld.so.conf.d",
    "/etc/localtime",
    "/etc/mime.types",
    "/etc/alternatives",
    "/etc/nsswitch.conf",
    "/etc/passwd",
    "/etc/group",
    "/etc/hosts",
    "/etc/host.conf",
    "/etc/python3",
    "/dev/urandom",
    "/dev/random",
    "/dev/zero",
)
#: Devices that programs write to.
DEVICES = ("/dev/null", "/dev/full", "/dev/tty", "/dev/shm")  # noqa: S108 - shared memory of its own
#: The process limit is counted this often.
COUNT_INTERVAL = timedelta(milliseconds=250)
_CHUNK = 65536


class ProcessSandbox:
    """Implements `ports.Sandbox` with a child process.

    Args:
        unsafe: Run even where the machine has no Landlock; results then say so.
        devices: Devices and shared folders that a command may write to.
    """

    def __init__(self, *, unsafe: bool = False, devices: Sequence[str] = DEVICES) -> None:
        self._unsafe = unsafe
        self._devices = tuple(devices)
        self._layers = probe_layers()
        #: Commands that run now, by process id.
        self.running: set[int] = set()
        #: Held while a command is started, so that nobody takes its process for a stray one.
        self.starting = asyncio.Lock()

    @property
    def layers(self) -> Layers:
        """Layers of this machine."""
        return self._layers

    async def run(self, job: SandboxJob) -> SandboxResult:
        """Run a command with no secret in its environment.

        What it leaves running ends with it. A command that passes the wall time, or whose task is cancelled, is killed
        with everything that it started.

        Raises:
            SandboxError: Landlock is missing and doing without was not asked for (`LAYER_MISSING`), or the command
                could not be started (`START_FAILED`).
        """
        if "landlock" not in self._layers.active and not self._unsafe:
            raise SandboxError("this machine has no Landlock; `--unsafe-sandbox` does without", code="LAYER_MISSING")
        private = Path(await asyncio.to_thread(tempfile.mkdtemp, prefix="miyabi-sandbox-"))
        try:
            return await self._run(self._policy(job, private), job.limits)
        finally:
            await asyncio.shield(asyncio.to_thread(shutil.rmtree, private, ignore_errors=True))

    def _policy(self, job: SandboxJob, private: Path) -> dict[str, object]:
        """Describe the confinement for the launcher."""
        own = {
            "PATH": f"{Path(job.command[0]).parent}:/usr/local/bin:/usr/bin:/bin",
            "HOME": str(private),
            "TMPDIR": str(private),
            "LANG": "C.UTF-8",
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONUNBUFFERED": "1",
        }
        limits = job.limits
        return {
            "command": list(job.command),
            "cwd": str(job.cwd),
            "environment": {**own, **job.environment},
            "readable": [*SYSTEM_PATHS, *map(str, job.readable), str(job.cwd)],
            "writable": [*self._devices, str(private), *map(str, job.writable)],
            "landlock": "landlock" in self._layers.active,
            "seccomp": "seccomp" in self._layers.active,
            "limits": {
                "CPU": int(limits.cpu.total_seconds()),
                "AS": limits.memory_bytes,
                "FSIZE": limits.file_bytes,
                "CORE": 0,
                "NOFILE": 1024,
            },
        }

    async def _run(self, policy: dict[str, object], limits: SandboxLimits) -> SandboxResult:
        """Start the launcher and wait for the command's end."""
        read_end, write_end = os.pipe()
        began = time.monotonic()
        try:
            async with self.starting:
                process = await _start(read_end)
                self.running.add(process.pid)
        except OSError as error:
            os.close(write_end)
            raise SandboxError(f"the sandbox could not be started: {error}", code="START_FAILED") from error
        finally:
            os.close(read_end)
        try:
            await asyncio.to_thread(_send, write_end, policy)
            output, cut, timed_out = await _watch(process, limits)
        finally:
            await asyncio.shield(_end_all(process))
            self.running.discard(process.pid)
        code = process.returncode if process.returncode is not None else -signal.SIGKILL
        if code == EXIT_LAUNCH_FAILED and output.startswith(b"miyabi-launcher:"):
            raise SandboxError(output.decode(errors="replace").strip()[:500], code="START_FAILED")
        return SandboxResult(
            exit_code=code,
            output=output.decode("utf-8", "replace"),
            duration=timedelta(seconds=time.monotonic() - began),
            timed_out=timed_out,
            output_cut=cut,
            layers=self._layers.active if "landlock" in self._layers.active else ("none",),
            missing_layers=self._layers.missing,
        )


def _send(descriptor: int, policy: dict[str, object]) -> None:
    """Write the policy; a launcher that is gone already has said why."""
    with suppress(BrokenPipeError), os.fdopen(descriptor, "w") as file:
        json.dump(policy, file)


async def _start(policy_end: int) -> asyncio.subprocess.Process:
    """Start keeper and launcher in a session of their own, with the policy's pipe and an empty environment."""
    keeper = Path(__file__).with_name("keeper.py")
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-I", "-S", str(keeper), str(policy_end)),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env={"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8"},
        pass_fds=(policy_end,),
        start_new_session=True,
    )


async def _watch(process: asyncio.subprocess.Process, limits: SandboxLimits) -> tuple[bytes, bool, bool]:
    """Read to the end or to a limit; returns output, whether it was cut, whether time ran out."""
    kept = bytearray()
    cut = timed_out = False
    counter = asyncio.create_task(_count_processes(process, limits.processes))
    try:
        async with asyncio.timeout(limits.wall.total_seconds()):
            assert process.stdout is not None
            while chunk := await process.stdout.read(_CHUNK):
                room = limits.output_bytes - len(kept)
                kept += chunk[:room]
                cut = cut or len(chunk) > room
            await process.wait()
    except TimeoutError:
        timed_out = True
    finally:
        counter.cancel()
    return bytes(kept), cut, timed_out


async def _count_processes(process: asyncio.subprocess.Process, most: int) -> None:
    """Kill everything once there are too many processes (RLIMIT_NPROC does not hold for root)."""
    while process.returncode is None:
        members = await asyncio.to_thread(_members, process.pid)
        if len(members) > most:
            _kill(members)
        await asyncio.sleep(COUNT_INTERVAL.total_seconds())


def _members(keeper: int) -> list[int]:
    """Return the running processes that a keeper has started: its descendants, and whoever is in its session."""
    processes = _processes()
    inside = {pid for pid, (_, _, session) in processes.items() if session == keeper} | {keeper}
    while more := {pid for pid, (_, parent, _) in processes.items() if parent in inside} - inside:
        inside |= more
    # A zombie runs no more; who reaps it may take its time.
    return [pid for pid in inside - {keeper} if pid in processes and processes[pid][0] != "Z"]


def _processes() -> dict[int, tuple[str, int, int]]:
    """Return state, parent and session of every process (proc(5), stat)."""
    found = {}
    for entry in Path("/proc").iterdir() if sys.platform == "linux" else ():
        if entry.name.isdigit():
            with suppress(OSError, ValueError, IndexError):
                state, parent, _, session, *_ = (entry / "stat").read_text().rpartition(")")[2].split()
                found[int(entry.name)] = (state, int(parent), int(session))
    return found


def _kill(members: Sequence[int]) -> None:
    """Kill processes by id."""
    for member in members:
        with suppress(ProcessLookupError, PermissionError):
            os.kill(member, signal.SIGKILL)


async def _end_all(process: asyncio.subprocess.Process) -> None:
    """Kill what is left, until nothing is; then the keeper, which ends by itself where it may."""
    while members := await asyncio.to_thread(_members, process.pid):
        _kill(members)
    if process.returncode is None:
        _kill([process.pid])
    await process.wait()
