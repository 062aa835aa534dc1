"""Locks that all agents of a machine respect, taken without blocking a thread and given back by the kernel on death."""

from __future__ import annotations

import asyncio
import fcntl
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import timedelta
from pathlib import Path

#: First and longest pause between two tries; a build takes seconds, so that nobody notices the longest.
_PAUSES = (timedelta(milliseconds=5), timedelta(milliseconds=200))


def try_lock(path: Path, *, shared: bool = False) -> int | None:
    """Take a lock (flock(2)) where it is free now; returns its handle, None where somebody else has it.

    A lock's file may be removed by whoever holds the lock alone, so the file that was locked must still be the one that
    is there.

    Raises:
        OSError: the folder cannot be made, or the disk is full.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    while True:
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            fcntl.flock(handle, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
            if _is_at(handle, path):
                return handle
        except BlockingIOError:
            os.close(handle)
            return None
        except BaseException:
            os.close(handle)
            raise
        os.close(handle)


def _is_at(handle: int, path: Path) -> bool:
    """Tell whether an open file is the one at *path*."""
    try:
        found = path.stat(follow_symlinks=False)
    except FileNotFoundError:
        return False
    return os.path.samestat(os.fstat(handle), found)


@contextmanager
def lock_if_free(path: Path) -> Iterator[bool]:
    """Hold a lock alone for the block where it is free; yields whether it is."""
    handle = try_lock(path)
    try:
        yield handle is not None
    finally:
        if handle is not None:
            os.close(handle)


@asynccontextmanager
async def hold_lock(path: Path, *, shared: bool = False) -> AsyncIterator[None]:
    """Hold a lock for the block, waiting for it as long as it takes; cancelling ends the wait.

    Raises:
        OSError: the folder cannot be made, or the disk is full.
    """
    pause, longest = (span.total_seconds() for span in _PAUSES)
    while (handle := try_lock(path, shared=shared)) is None:
        await asyncio.sleep(pause)
        pause = min(2 * pause, longest)
    try:
        yield
    finally:
        os.close(handle)
