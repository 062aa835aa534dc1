"""Finds and ends processes that left their session and lost their parent, by making them children of this process."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

#: prctl(2): processes whose parent ends become ours.
_PR_SET_CHILD_SUBREAPER = 36
#: Ending a process shows its children; a chain that forks on is ended link by link, at most so many.
_ROUNDS = 50


def adopt() -> None:
    """Become the parent of every descendant whose own parent ends (as the first process of a container is anyway)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def end(*, keep: frozenset[int]) -> int:
    """Kill every child of this process but *keep*, with what they leave behind in turn; returns how many.

    Source: prctl(2), PR_SET_CHILD_SUBREAPER; proc(5), stat.
    """
    ended = 0
    for _ in range(_ROUNDS):
        strays = [pid for pid in _children(os.getpid()) if pid not in keep]
        if not strays:
            break
        for pid in strays:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        for pid in strays:
            with suppress(ChildProcessError):
                os.waitpid(pid, 0)
                ended += 1
    return ended


def _children(parent: int) -> Iterator[int]:
    """Yield the children of a process."""
    for entry in Path("/proc").iterdir() if sys.platform == "linux" else ():
        if not entry.name.isdigit():
            continue
        with suppress(OSError, ValueError, IndexError):
            if int((entry / "stat").read_text().rpartition(")")[2].split()[1]) == parent:
                yield int(entry.name)
