"""Remembers how a checkout was laid, and puts it back: whatever a run left there, no other run sees it."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from posixpath import dirname

from miyabi_agents.sandbox.removal import remove_tree

#: Permissions of folders; a run may have taken some away.
FOLDER_MODE = 0o775

#: What tells an entry from any other: inode, kind and permissions, size, and when its content, or anything of it, last
#: changed. The last is the kernel's own and cannot be set (stat(2), st_ctime).
Mark = tuple[int, int, int, int, int]


@dataclass
class Snapshot:
    """How each file of a checkout was when it was laid."""

    files: dict[str, Mark] = field(default_factory=dict)
    folders: set[str] = field(default_factory=set)

    def note(self, root: Path, paths: Iterable[str]) -> None:
        """Remember files as they are now."""
        for path in paths:
            with suppress(FileNotFoundError):
                self.files[path] = mark_of(os.lstat(root / path))
                folder = dirname(path)
                while folder and folder not in self.folders:
                    self.folders.add(folder)
                    folder = dirname(folder)

    def forget(self, paths: Iterable[str]) -> None:
        """Forget files that are gone on purpose; folders that hold nothing any more go with the next clean-up."""
        for path in paths:
            self.files.pop(path, None)
        self.folders = {folder for path in self.files for folder in _above(path)}

    def clean(self, root: Path) -> list[str]:
        """Remove what was not laid; returns the files that are missing or are not as they were laid, sorted."""
        seen: set[str] = set()
        changed: list[str] = []
        waiting = [""]
        while waiting:
            folder = waiting.pop()
            for name, status in _entries(root, folder):
                path = f"{folder}/{name}" if folder else name
                if path in self.folders and stat.S_ISDIR(status.st_mode):
                    waiting.append(path)
                elif path not in self.files:
                    remove_tree(root / path)
                elif mark_of(status) == self.files[path]:
                    seen.add(path)
                else:
                    remove_tree(root / path)
                    changed.append(path)
        return sorted({*changed, *(self.files.keys() - seen)})


def _above(path: str) -> list[str]:
    """Return the folders that a path lies in."""
    found = []
    while path := dirname(path):
        found.append(path)
    return found


def mark_of(status: os.stat_result) -> Mark:
    """Return what tells an entry from any other."""
    return (status.st_ino, status.st_mode, status.st_size, status.st_mtime_ns, status.st_ctime_ns)


def _entries(root: Path, folder: str) -> list[tuple[str, os.stat_result]]:
    """List a folder, made readable first; links are not followed."""
    place = root / folder
    if stat.S_IMODE(os.lstat(place).st_mode) != FOLDER_MODE:
        place.chmod(FOLDER_MODE)
    with os.scandir(place) as entries:
        return [(entry.name, entry.stat(follow_symlinks=False)) for entry in entries]
