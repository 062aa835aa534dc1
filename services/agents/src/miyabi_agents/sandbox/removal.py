"""Removes folders that hostile code has filled: without following links, however deep they are nested."""

# Not pathlib: names below a descriptor, which pathlib does not know.
# ruff: noqa: PTH208

from __future__ import annotations

import os
import secrets
import stat
from contextlib import suppress
from pathlib import Path

#: Permissions that let a folder be emptied.
_OURS = 0o700


def remove_tree(path: Path) -> None:
    """Remove a folder and all that is in it; what cannot be removed stays, and nothing is raised for it.

    Folders in folders are first moved up into *path*, so that neither the stack nor the number of open files grows
    with their depth; time is linear in the number of entries.
    """
    with suppress(OSError):
        if not stat.S_ISDIR(os.lstat(path).st_mode):
            path.unlink()
            return
        path.chmod(_OURS)
        empty_folder(path)
        path.rmdir()


def empty_folder(path: Path) -> None:
    """Remove all that is in a folder, not the folder itself.

    Raises:
        OSError: it cannot be opened.
    """
    top = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        moved, mark = 0, secrets.token_hex(8)
        waiting = [name for name in os.listdir(top) if not _unlink(top, name)]
        while waiting:
            name = waiting.pop()
            for below in _empty(top, name):
                moved += 1
                new = f".removed-{mark}-{moved}"
                with suppress(OSError):
                    os.rename(f"{name}/{below}", new, src_dir_fd=top, dst_dir_fd=top)
                    waiting.append(new)
            with suppress(OSError):
                os.rmdir(name, dir_fd=top)
    finally:
        os.close(top)


def _unlink(folder: int, name: str) -> bool:
    """Remove an entry that is no folder; returns False where it is one."""
    try:
        if stat.S_ISDIR(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode):
            return False
        os.unlink(name, dir_fd=folder)
    except OSError:
        pass
    return True


def _empty(parent: int, name: str) -> list[str]:
    """Remove the files of a folder; returns the folders in it."""
    with suppress(OSError):
        os.chmod(name, _OURS, dir_fd=parent)
        handle = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=parent)
        try:
            below = [entry for entry in os.listdir(handle) if not _unlink(handle, entry)]
            for entry in below:
                with suppress(OSError):
                    os.chmod(entry, _OURS, dir_fd=handle)
            return below
        finally:
            os.close(handle)
    return []
