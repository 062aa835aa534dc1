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
from miyabi_agents.ports import SandboxLimits, SandboxResult
from miyabi_agents.sandbox.launcher import EXIT_LAUNCH_FAILED, POLICY_FD
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

    async def run(
        self,
        command: Sequence[str],
        *,
        cwd: Path,
        writable: Sequence[Path] = (),
        readable: Sequence[Path] = (),
        environment: dict[str, str] | None = None,
        limits: SandboxLimits | None = None,
    ) -> SandboxResult:
        """Run *command* (never through a shell) with no secret in its environment.

        A command that passes the wall time, or whose task is cancelled, is killed with everything that it started.

        Raises:
            SandboxError: Landlock is missing and doing without was not asked for (`LAYER_MISSING`), or the command
                could not be started (`START_FAILED`).
        """
        if "landlock" not in self._layers.active and not self._unsafe:
            raise SandboxError("this machine has no Landlock; `--unsafe-sandbox` does without", code="LAYER_MISSING")
        chosen = limits or SandboxLimits()
        private = Path(await asyncio.to_thread(tempfile.mkdtemp, prefix="miyabi-sandbox-"))
        try:
            policy = self._policy(
                command,
                cwd,
                writable=writable,
                readable=readable,
                environment=environment or {},
                limits=chosen,
                private=private,
            )
            return await self._run(policy, chosen)
        finally:
            await asyncio.shield(asyncio.to_thread(shutil.rmtree, private, ignore_errors=True))

    def _policy(
        self,
        command: Sequence[str],
        cwd: Path,
        *,
        writable: Sequence[Path],
        readable: Sequence[Path],
        environment: dict[str, str],
        limits: SandboxLimits,
        private: Path,
    ) -> dict[str, object]:
        """Describe the confinement for the launcher."""
        own = {
            "PATH": f"{Path(command[0]).parent}:/usr/local/bin:/usr/bin:/bin",
            "HOME": str(private),
            "TMPDIR": str(private),
            "LANG": "C.UTF-8",
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONUNBUFFERED": "1",
        }
        return {
            "command": list(command),
            "cwd": str(cwd),
            "environment": {**own, **environment},
            "readable": [*SYSTEM_PATHS, *map(str, readable), str(cwd)],
            "writable": [*self._devices, str(private), *map(str, writable)],
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
    """Start the launcher in a session of its own, with the policy's pipe as descriptor 3 and an empty environment."""
    launcher = Path(__file__).with_name("launcher.py")
    shell_free = [sys.executable, "-I", "-S", "-c", _TRAMPOLINE, str(policy_end), str(launcher)]
    return await asyncio.create_subprocess_exec(
        *shell_free,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env={"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8"},
        pass_fds=(policy_end,),
        start_new_session=True,
    )


#: Moves the policy to descriptor 3 and runs the launcher in the same process.
_TRAMPOLINE = (
    "import os, runpy, sys\n"
    f"source = int(sys.argv[1])\n"
    f"os.dup2(source, {POLICY_FD}) if source != {POLICY_FD} else None\n"
    f"os.close(source) if source != {POLICY_FD} else None\n"
    "sys.argv = [sys.argv[2]]\n"
    "runpy.run_path(sys.argv[0], run_name='__main__')\n"
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
    """Kill the whole session once it has too many processes (RLIMIT_NPROC does not hold for root) or has ended."""
    while process.returncode is None:
        members = await asyncio.to_thread(_session_members, process.pid)
        if len(members) > most:
            _kill(members)
        await asyncio.sleep(COUNT_INTERVAL.total_seconds())
    # What the command left behind holds its output open: without this, reading it would last to the wall time.
    _kill(await asyncio.to_thread(_session_members, process.pid))


def _session_members(session: int) -> list[int]:
    """Return the processes of a session, whatever group they moved to."""
    found = []
    for entry in Path("/proc").iterdir() if sys.platform == "linux" else ():
        if not entry.name.isdigit():
            continue
        with suppress(OSError, ValueError, IndexError):
            state, _, _, member_of, *_ = (entry / "stat").read_text().rpartition(")")[2].split()
            # A zombie runs no more; who reaps it may take its time.
            if int(member_of) == session and state != "Z":
                found.append(int(entry.name))
    return found


def _kill(members: Sequence[int]) -> None:
    """Kill processes by id."""
    for member in members:
        with suppress(ProcessLookupError, PermissionError):
            os.kill(member, signal.SIGKILL)


async def _end_all(process: asyncio.subprocess.Process) -> None:
    """Kill what is left of the session, until nothing is."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    while members := await asyncio.to_thread(_session_members, process.pid):
        _kill([member for member in members if member != process.pid])
        if members == [process.pid]:
            break
    await process.wait()
