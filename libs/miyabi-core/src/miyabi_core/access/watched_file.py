"""Notices that files were replaced, as secrets are when they are rotated."""

from __future__ import annotations

import time
from collections.abc import Iterable
from datetime import timedelta
from pathlib import Path

#: Files are looked at once in this time: a rotation is seen within it, and a call pays a microsecond at most.
CHECK_INTERVAL = timedelta(seconds=1)


class WatchedFiles:
    """Some files, and whether they changed since the last look.

    A change is another inode, size or time of modification, through symbolic links: mounted secrets are swapped by one.

    Args:
        paths: Files; one that is not there is a state like any other.
        interval: Least time between two looks.
    """

    def __init__(self, paths: Iterable[Path], *, interval: timedelta = CHECK_INTERVAL) -> None:
        self.paths = tuple(paths)
        self._interval = interval.total_seconds()
        self._seen = self._look()
        self._next = time.monotonic() + self._interval

    def changed(self) -> bool:
        """Tell whether a file is another one than at the last call that said so."""
        now = time.monotonic()
        if now < self._next:
            return False
        self._next = now + self._interval
        seen = self._look()
        if seen == self._seen:
            return False
        self._seen = seen
        return True

    def _look(self) -> tuple[tuple[int, int, int] | None, ...]:
        """Return what tells one state of the files from another."""
        return tuple(_signature(path) for path in self.paths)


def _signature(path: Path) -> tuple[int, int, int] | None:
    """Return what changes when a file is replaced; None where there is none."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_ino, status.st_size, status.st_mtime_ns
