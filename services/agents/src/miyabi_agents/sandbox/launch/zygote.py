"""Forks a keeper for each command, so that none waits for an interpreter to start; ends what a dead keeper leaves.

One for each agent process. It is the parent (PR_SET_CHILD_SUBREAPER) of whatever loses its keeper, and ends when the
agent's end of its socket closes, which is whenever the agent ends.
"""

from __future__ import annotations

import os
import select
import signal
import socket
import sys
from contextlib import suppress

from miyabi_agents.sandbox.launch import keeper, linux, measure

#: A message is one byte, with the descriptors of a command: where to talk about it, and its output.
_DESCRIPTORS = 2


class Zygote:
    """Serves one agent.

    Args:
        agent: Where the agent asks for keepers.
    """

    def __init__(self, agent: socket.socket) -> None:
        self._agent = agent
        self._keepers: set[int] = set()
        self._woken, self._wake = os.pipe()
        for descriptor in (self._woken, self._wake):
            os.set_blocking(descriptor, False)
        self._waits()

    def run(self) -> None:
        """Serve until the agent is gone; keepers end with this process."""
        poll = select.poll()
        poll.register(self._woken, select.POLLIN)
        poll.register(self._agent, select.POLLIN | select.POLLHUP)
        while True:
            ready = {descriptor for descriptor, _ in poll.poll()}
            with suppress(BlockingIOError):
                os.read(self._woken, 4096)
            self._reap()
            if self._agent.fileno() in ready and not self._fork():
                return

    def _waits(self) -> None:
        """Wake up when a child ends."""
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(self._wake, warn_on_full_buffer=False)

    def _fork(self) -> bool:
        """Start a keeper; returns False where the agent is gone."""
        message, descriptors, _, _ = socket.recv_fds(self._agent, 1, _DESCRIPTORS)
        if not message:
            return False
        parent = os.getpid()
        child = os.fork()
        if child == 0:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            for descriptor in (self._woken, self._wake, self._agent.fileno()):
                os.close(descriptor)
            keeper.main(*descriptors, parent=parent)
        self._keepers.add(child)
        for descriptor in descriptors:
            os.close(descriptor)
        return True

    def _reap(self) -> None:
        """Reap keepers; where one did not end well, end what it left."""
        died = False
        with suppress(ChildProcessError):
            while True:
                pid, status = os.waitpid(-1, os.WNOHANG)
                if pid == 0:
                    break
                died = died or status != 0
                self._keepers.discard(pid)
        if died:
            self._end_strays()

    def _end_strays(self) -> None:
        """Kill every child that is no keeper, with what it leaves behind in turn, until there is none."""
        while strays := [pid for pid in measure.children() if pid not in self._keepers]:
            for pid in strays:
                with suppress(ProcessLookupError, PermissionError):
                    os.kill(pid, signal.SIGKILL)
                with suppress(ChildProcessError):
                    os.waitpid(pid, 0)


def main(descriptor: int) -> None:
    """Serve the agent at the other end of a socket."""
    with suppress(OSError):
        os.setsid()
    # Python's handler would let a command's SIGINT end the first process of its namespaces with an error.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    if sys.platform == "linux":
        linux.prctl(linux.PR_SET_CHILD_SUBREAPER, 1)
    try:
        Zygote(socket.socket(fileno=descriptor)).run()
    finally:
        os._exit(0)
