"""How many processes a command has and how much memory they hold together: proc(5)."""

# Not pathlib: read five times a second; pathlib doubles the cost.
# ruff: noqa: PTH123, PTH208

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress
from typing import NamedTuple

_PAGE = os.sysconf("SC_PAGE_SIZE")


def in_namespace() -> list[int]:
    """Return every process of this PID namespace but the first, which is us."""
    return [int(name) for name in os.listdir("/proc") if name.isdigit() and name != "1"]


def descendants() -> list[int]:
    """Return the processes that this one has started or adopted, and theirs; those that have ended are left out."""
    processes = _processes()
    inside = {os.getpid()}
    while more := {pid for pid, (_, parent) in processes.items() if parent in inside} - inside:
        inside |= more
    return [pid for pid in inside - {os.getpid()} if processes[pid][0] != "Z"]


def children() -> list[int]:
    """Return the children of this process, also those that have ended."""
    return [pid for pid, (_, parent) in _processes().items() if parent == os.getpid()]


def _processes() -> dict[int, tuple[str, int]]:
    """Return state and parent of every process."""
    found = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            with suppress(OSError, ValueError, IndexError), open(f"/proc/{name}/stat") as file:
                state, parent, *_ = file.read().rpartition(")")[2].split()
                found[int(name)] = (state, int(parent))
    return found


class Memory(NamedTuple):
    """Measures a tree of processes.

    Args:
        folders: File systems in memory that the command has to itself; what they hold counts.
    """

    folders: Sequence[str] = ()

    def exceeds(self, most: int, pids: Sequence[int]) -> bool:
        """Return whether these processes hold more than *most* bytes; what they share counts once."""
        held = sum(map(_held, self.folders))
        # The sum of what each has is cheap and never too small; only where it is too much is the truth looked for.
        if sum(map(_resident, pids)) + held <= most:
            return False
        shares = [_share(pid) for pid in pids]
        # What is mapped from those file systems would count twice.
        mapped = min(held, sum(shared for _, shared in shares))
        return sum(whole for whole, _ in shares) + held - mapped > most


def _held(folder: str) -> int:
    """Return what a file system holds, in bytes."""
    status = os.statvfs(folder)
    return (status.f_blocks - status.f_bfree) * status.f_frsize


def _resident(pid: int) -> int:
    """Return a process's resident memory in bytes; 0 where it has ended."""
    try:
        with open(f"/proc/{pid}/statm") as file:
            return int(file.read().split()[1]) * _PAGE
    except (OSError, ValueError, IndexError):
        return 0


def _share(pid: int) -> tuple[int, int]:
    """Return a process's proportional share (PSS), and what of it is in shared memory, in bytes.

    Where the process hides them: all that is resident.
    """
    try:
        with open(f"/proc/{pid}/smaps_rollup") as file:
            fields = dict(line.split()[:2] for line in file if line.startswith("Pss"))
        return int(fields["Pss:"]) * 1024, int(fields["Pss_Shmem:"]) * 1024
    except (OSError, ValueError, KeyError):
        return _resident(pid), 0
