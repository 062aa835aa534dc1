"""Watches how much the folders that a command may write to have grown, without following a link, at bounded cost."""

# Not pathlib: names below a descriptor, which pathlib does not know.
# ruff: noqa: PTH116, PTH208

from __future__ import annotations

import os
import stat
import threading
import time
from collections.abc import Callable, Sequence

#: Nothing honest is nested deeper; a walk holds one descriptor a level.
MAX_DEPTH = 500
#: Descriptors of the command's processes that are looked at in one walk, for files that have no name any more.
MAX_DESCRIPTORS = 20_000
#: How often the file systems are asked whether anything changed (one call each).
LOOK_SECONDS = 0.25
#: A walk of so many seconds is followed by ten times as many of rest.
REST = 10
#: A walk comes at once where a file system has lost this share of the allowance since the last one.
_URGENT_SHARE = 8
_BLOCK = 512


class Usage:
    """What folders hold."""

    def __init__(self) -> None:
        #: Bytes on disk.
        self.blocks = 0
        self.entries = 0
        self.too_deep = False
        #: Files with several names, counted once.
        self.seen: set[tuple[int, int]] = set()


def usage(folders: Sequence[str]) -> Usage:
    """Walk folders, depth first, each level by its descriptor: names may change below us."""
    found = Usage()
    for folder in folders:
        try:
            handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except OSError:
            continue
        _walk(handle, found)
    return found


def _walk(top: int, found: Usage) -> None:
    """Add up what lies below an open folder, and close it."""
    levels = [(top, os.listdir(top))]
    try:
        while levels:
            handle, names = levels[-1]
            if not names:
                os.close(levels.pop()[0])
                continue
            below = _count(handle, names.pop(), found)
            if below is not None:
                levels.append((below, _names(below)))
                if len(levels) > MAX_DEPTH:
                    found.too_deep = True
                    return
    finally:
        for handle, _ in levels:
            os.close(handle)


def _names(handle: int) -> list[str]:
    """Return the names in an open folder."""
    try:
        return os.listdir(handle)
    except OSError:
        return []


def _count(parent: int, name: str, found: Usage) -> int | None:
    """Count one entry; returns a descriptor where it is a folder that can be opened."""
    try:
        status = os.stat(name, dir_fd=parent, follow_symlinks=False)
        found.entries += 1
        if status.st_nlink > 1 and not stat.S_ISDIR(status.st_mode):
            if (status.st_dev, status.st_ino) in found.seen:
                return None
            found.seen.add((status.st_dev, status.st_ino))
        found.blocks += status.st_blocks * _BLOCK
        if stat.S_ISDIR(status.st_mode):
            return os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=parent)
    except OSError:
        pass
    return None


def nameless(pids: Sequence[int]) -> int:
    """Return the bytes of files that processes hold open although nobody can see them any more."""
    found: dict[tuple[int, int], int] = {}
    looked = 0
    for pid in pids:
        folder = f"/proc/{pid}/fd"
        for name in _names_of(folder):
            looked += 1
            if looked > MAX_DESCRIPTORS:
                return sum(found.values())
            try:
                status = os.stat(f"{folder}/{name}")
            except OSError:
                continue
            if status.st_nlink == 0 and stat.S_ISREG(status.st_mode):
                found[status.st_dev, status.st_ino] = status.st_blocks * _BLOCK
    return sum(found.values())


def _names_of(folder: str) -> list[str]:
    """Return the names in a folder; none where it is gone."""
    try:
        return os.listdir(folder)
    except OSError:
        return []


def _free(folder: str) -> tuple[int, int]:
    """Return free bytes and entries of a folder's file system; a folder that the command has removed has none."""
    try:
        answer = os.statvfs(folder)
    except FileNotFoundError:
        return 0, 0
    return answer.f_bfree * answer.f_frsize, answer.f_ffree


class DiskWatch(threading.Thread):
    """Says once when the folders have grown by more than they may.

    Args:
        folders: What the command may write to.
        most_bytes: By how much they may grow together.
        most_entries: By how many files and folders.
        pids: Returns the command's processes.
    """

    def __init__(
        self, folders: Sequence[str], *, most_bytes: int, most_entries: int, pids: Callable[[], Sequence[int]]
    ) -> None:
        super().__init__(daemon=True)
        self._folders = folders
        self._most_bytes, self._most_entries = most_bytes, most_entries
        self._pids = pids
        #: Set when they have, or when nobody can say any more.
        self.exceeded = threading.Event()

    def run(self) -> None:
        """Watch until the process ends; whatever goes wrong counts as exceeded, not as allowed."""
        try:
            self._watch()
        finally:
            self.exceeded.set()

    def _watch(self) -> None:
        """Walk at the beginning and whenever a file system has changed, resting in between."""
        free = self._free()
        before, rest = self._walk()
        while True:
            walked_at = time.monotonic()
            while not self._due(free, time.monotonic() - walked_at, rest):
                time.sleep(LOOK_SECONDS)
            free = self._free()
            now, rest = self._walk()
            grown = now.blocks - before.blocks + nameless(self._pids())
            if grown > self._most_bytes or now.entries - before.entries > self._most_entries or now.too_deep:
                return

    def _walk(self) -> tuple[Usage, float]:
        """Return what the folders hold, and for how many seconds to rest after that."""
        began = time.monotonic()
        found = usage(self._folders)
        return found, (time.monotonic() - began) * REST

    def _free(self) -> list[tuple[int, int]]:
        """Return free bytes and entries of each folder's file system."""
        return [_free(folder) for folder in self._folders]

    def _due(self, before: Sequence[tuple[int, int]], waited: float, rest: float) -> bool:
        """Return whether it is time to walk again."""
        now = self._free()
        if now == before:
            return False
        lost = max((then[0] - after[0] for then, after in zip(before, now, strict=True)), default=0)
        gone = max((then[1] - after[1] for then, after in zip(before, now, strict=True)), default=0)
        urgent = lost > self._most_bytes // _URGENT_SHARE or gone > self._most_entries // _URGENT_SHARE
        return waited >= rest or (urgent and waited >= rest / REST)
