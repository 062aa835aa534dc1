"""Removes folders that strangers filled: of any depth, without following a link, in a time linear in their size."""

from __future__ import annotations

import os
import secrets
from contextlib import suppress
from pathlib import Path

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def remove_tree(folder: Path) -> bool:
    """Remove a folder with all that is in it; returns whether nothing of it is left.

    Folders are taken out of the one that is looked at and put beside it, so that neither the depth of the tree nor the
    length of its paths matters. What another user owns may stay.
    """
    try:
        root = os.open(folder, _FOLDER)
    except FileNotFoundError:
        return True
    except OSError:
        with suppress(OSError):
            folder.unlink()
        return not folder.is_symlink() and not folder.exists()
    try:
        pending: list[str] = []
        _empty(root, root, pending)
        while pending:
            _remove_one(root, pending.pop(), pending)
    finally:
        os.close(root)
    with suppress(OSError):
        folder.rmdir()
    return not folder.exists()


def _remove_one(root: int, name: str, pending: list[str]) -> None:
    """Remove one folder that lies in *root*; the folders in it are put into *root* and *pending*."""
    with suppress(OSError):
        _make_usable(name, root)
        handle = os.open(name, _FOLDER, dir_fd=root)
        try:
            _empty(handle, root, pending)
        finally:
            os.close(handle)
        os.rmdir(name, dir_fd=root)


def _empty(handle: int, root: int, pending: list[str]) -> None:
    """Remove the files of a folder, and take its folders out of it."""
    with os.scandir(handle) as entries:
        found = [(entry.name, entry.is_dir(follow_symlinks=False)) for entry in entries]
    for name, is_folder in found:
        with suppress(OSError):
            if not is_folder:
                os.unlink(name, dir_fd=handle)
            elif handle == root:
                pending.append(name)
            else:
                _make_usable(name, handle)
                moved = f".removed-{secrets.token_hex(8)}"
                os.rename(name, moved, src_dir_fd=handle, dst_dir_fd=root)
                pending.append(moved)


def _make_usable(name: str, parent: int) -> None:
    """Give ourselves back what was taken away from us on a folder of ours; nobody else runs there any more."""
    if os.stat(name, dir_fd=parent, follow_symlinks=False).st_mode & 0o700 != 0o700:
        os.chmod(name, 0o700, dir_fd=parent)


def measure(folder: Path, *, most: int) -> int:
    """Return what the files below a folder take on disk, in bytes; at most *most* entries are looked at.

    Paths that are too long to be opened count as nothing: they hold little, and removing them needs no path.
    """
    size, left, pending = 0, most, [str(folder)]
    while pending and left > 0:
        with suppress(OSError), os.scandir(pending.pop()) as entries:
            for entry in entries:
                left -= 1
                if entry.is_dir(follow_symlinks=False):
                    pending.append(entry.path)
                size += entry.stat(follow_symlinks=False).st_blocks * 512
    return size
