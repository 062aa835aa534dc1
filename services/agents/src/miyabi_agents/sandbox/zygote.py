"""The agent's end of the process that forks keepers: started when it is first needed, and again when it was ended."""

from __future__ import annotations

import os
import socket
import sys
import threading
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

#: Descriptor that the process finds its socket on.
_DESCRIPTOR = 3


@dataclass(frozen=True)
class _Running:
    """A process that forks keepers, of the process `owner`."""

    pid: int
    socket: socket.socket
    owner: int


class Zygote:
    """Asks for keepers; may be used by several threads and event loops."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running: _Running | None = None

    @property
    def pid(self) -> int | None:
        """Its process, where there is one: a child of this process that is nobody's stray."""
        return self._running.pid if self._running is not None else None

    def fork(self, *, control: int, output: int) -> None:
        """Start a keeper.

        Args:
            control: Descriptor of the socket that it talks on; stays the caller's to close.
            output: Descriptor of the command's output and errors, likewise.

        Raises:
            OSError: the process cannot be started.
        """
        with self._lock:
            for attempt in (1, 2):
                running = self._ensure()
                try:
                    socket.send_fds(running.socket, [b"+"], [control, output])
                    return
                except OSError:
                    self._forget(running)
                    if attempt == 2:
                        raise

    def _ensure(self) -> _Running:
        """Return the process, started where there is none of ours."""
        if self._running is None or self._running.owner != os.getpid():
            self._running = _start()
        return self._running

    def _forget(self, running: _Running) -> None:
        """Let go of a process that was ended."""
        running.socket.close()
        with suppress(ChildProcessError):
            os.waitpid(running.pid, 0)
        self._running = None


def _start() -> _Running:
    """Start the process, with an empty environment and nothing of ours open but its socket.

    Raises:
        OSError: it cannot be started.
    """
    ours, theirs = socket.socketpair()
    with theirs:
        start = str(Path(__file__).with_name("start.py"))
        nothing = [(os.POSIX_SPAWN_OPEN, number, os.devnull, os.O_RDWR, 0) for number in range(3)]
        pid = os.posix_spawn(
            sys.executable, [sys.executable, "-I", "-S", start, str(_DESCRIPTOR)], {"PATH": "/usr/bin:/bin"},
            file_actions=[*nothing, (os.POSIX_SPAWN_DUP2, theirs.fileno(), _DESCRIPTOR)],
        )  # fmt: skip
    return _Running(pid, ours, os.getpid())


#: The one of this process.
ZYGOTE = Zygote()
