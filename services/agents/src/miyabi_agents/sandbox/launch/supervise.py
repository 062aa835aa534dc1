"""Stays with a command until it ends, passes a limit, or is not wanted any more."""

from __future__ import annotations

import os
import select
import signal
import socket
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, NamedTuple

from miyabi_agents.sandbox.launch.disk import DiskWatch
from miyabi_agents.sandbox.launch.measure import Memory

#: Processes and memory are measured this often; a limit is kept within a second of being passed.
LOOK_SECONDS = 0.2
#: Where measuring takes long, it is done less often, but not less than this.
LONGEST_LOOK_SECONDS = 0.6


class Ended(NamedTuple):
    """How a command ended."""

    status: int = -signal.SIGKILL  #: exit code, or negative signal
    limit: str = ""  #: limit that it passed
    wanted: bool = True  #: False where whoever asked for it is gone


class Supervisor:
    """Watches one command.

    Args:
        policy: Its limits, and the folders that it may write to.
        control: Closed at the other end when the command is not wanted any more.
        pids: Returns its processes.
        memory: Measures them.
    """

    def __init__(
        self, policy: dict[str, Any], control: socket.socket, *, pids: Callable[[], Sequence[int]], memory: Memory
    ) -> None:
        self._policy = policy
        self._pids, self._memory = pids, memory
        self._woken, wake = os.pipe()
        os.set_blocking(wake, False)
        os.set_blocking(self._woken, False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
        self._poll = select.poll()
        self._poll.register(self._woken, select.POLLIN)
        self._poll.register(control, select.POLLIN | select.POLLHUP)
        self._control = control.fileno()
        self._disk = DiskWatch(
            [*policy["writable"], policy["report"], *policy["private"]],
            most_bytes=policy["disk_bytes"], most_entries=policy["disk_entries"], pids=pids,
        )  # fmt: skip

    def wait(self, command: int) -> Ended:
        """Wait for the command's end, reaping whatever else ends meanwhile."""
        self._disk.start()
        look_at = 0.0
        while True:
            now = time.monotonic()
            if now >= look_at:
                limit = self._passed()
                if limit:
                    return Ended(limit=limit)
                took = time.monotonic() - now
                look_at = time.monotonic() + min(max(LOOK_SECONDS, 2 * took), LONGEST_LOOK_SECONDS)
            events = self._poll.poll(max(0.0, look_at - time.monotonic()) * 1000)
            with suppress(BlockingIOError):
                os.read(self._woken, 4096)
            status = reap(command)
            if status is not None:
                return Ended(status, limit="disk" if self._disk.exceeded.is_set() else "")
            if any(descriptor == self._control for descriptor, _ in events):
                return Ended(wanted=False)

    def _passed(self) -> str:
        """Return the limit that was passed."""
        pids = self._pids()
        if len(pids) > self._policy["processes"]:
            return "processes"
        if self._memory.exceeds(self._policy["memory_bytes"], pids):
            return "memory"
        return "disk" if self._disk.exceeded.is_set() else ""


def reap(command: int) -> int | None:
    """Reap what has ended; returns the command's exit code (or negative signal) where it is among it."""
    ended = None
    with suppress(ChildProcessError):
        while True:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                break
            if pid == command:
                ended = os.waitstatus_to_exitcode(status)
    return ended
