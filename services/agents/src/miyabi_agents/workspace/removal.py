"""Removes folders whatever is in them: thousands of folders inside one another, locked ones, links, a full disk.

`shutil.rmtree` calls itself for each level, so that a folder 3,000 deep ends it; this walks with a list.
"""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from pathlib import Path

#: Longest chain of names that is given to the system at once (limits.h, PATH_MAX is 4096).
_CHAIN = 32


def remove(*paths: Path) -> list[str]:
    """Remove files and folders; links are removed, not followed.

    Returns:
        What could not be removed, with why; empty where everything is gone. It never raises.
    """
    problems: list[str] = []
    for path in paths:
        try:
            _remove(path)
        except OSError as error:
            problems.append(f"{path}: {error.strerror}")
    return problems


def _remove(root: Path) -> None:
    """Remove one path."""
    try:
        status = root.lstat()
    except FileNotFoundError:
        return
    if not stat.S_ISDIR(status.st_mode):
        root.unlink(missing_ok=True)
        return
    _empty(root)
    root.rmdir()


def _empty(root: Path) -> None:
    """Remove what is below a folder; what lies deep is moved to its top first, so that no path grows too long."""
    moved = 0
    while deep := _sweep(root):
        for chain in deep:
            (root / chain).rename(root / f".removing-{moved}")
            moved += 1


def _sweep(root: Path) -> list[str]:
    """Remove what is within reach below *root*; returns the folders that lie deeper, relative to it."""
    deep: list[str] = []
    left: list[str] = []
    waiting = _unlink_files(root, "")
    while waiting:
        chain = waiting.pop()
        if chain.count("/") >= _CHAIN:
            deep.append(chain)
            continue
        left.append(chain)
        waiting += _unlink_files(root / chain, chain)
    # A folder comes after the one that holds it, so that they are empty from the end on.
    for chain in reversed(left):
        with suppress(OSError):
            (root / chain).rmdir()
    return deep


def _unlink_files(folder: Path, chain: str) -> list[str]:
    """Remove the files of one folder; returns its folders, relative to the top."""
    with suppress(OSError):
        folder.chmod(0o700)
    folders = []
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                folders.append(f"{chain}/{entry.name}" if chain else entry.name)
            else:
                Path(entry.path).unlink()
    return folders
