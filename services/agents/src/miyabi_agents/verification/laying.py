"""Lays what an environment's build generated into a checkout; both are written by strangers, so no link is followed."""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from miyabi_agents.errors import WorkspaceError
from miyabi_agents.toolchains.port import Laid, LayKind

#: Most entries that one copy may have.
MAX_ENTRIES = 500_000


def lay(laid: Sequence[Laid], *, source: Path, target: Path) -> None:
    """Lay generated paths of *source* into *target*, where nothing of that name is yet.

    Raises:
        WorkspaceError: a path leads out of the checkout or through a link.
    """
    for entry in laid:
        place = _place(target, entry.path)
        origin = source / entry.path
        if place is None or not os.path.lexists(origin):
            continue
        if entry.kind is LayKind.LINK:
            place.symlink_to(origin)
        else:
            copy_tree(origin, place)


def _place(root: Path, path: str) -> Path | None:
    """Return where a path goes, with its folders made; None where something is there already."""
    parts = PurePosixPath(path).parts
    if not parts or path.startswith("/") or ".." in parts:
        raise WorkspaceError(f"{path!a} leads out of the checkout", code="PATH_REFUSED")
    folder = root
    for part in parts[:-1]:
        folder = folder / part
        if folder.is_symlink():
            raise WorkspaceError(f"{path!a} leads through a link", code="PATH_REFUSED")
        folder.mkdir(exist_ok=True)
    place = folder / parts[-1]
    return None if os.path.lexists(place) else place


def copy_tree(source: Path, target: Path) -> None:
    """Copy a file or folder with modes and times; links stay links, whatever else is there is left out.

    It walks with a list, so that no depth ends it.

    Raises:
        WorkspaceError: there are more entries than anybody needs, or the disk is full.
    """
    waiting, seen = [(source, target)], 0
    folders: list[tuple[Path, os.stat_result]] = []
    while waiting:
        origin, place = waiting.pop()
        seen += 1
        if seen > MAX_ENTRIES:
            raise WorkspaceError(f"{source.name} has more than {MAX_ENTRIES} entries", code="DISK_FULL")
        status = origin.lstat()
        if stat.S_ISLNK(status.st_mode):
            place.symlink_to(origin.readlink())
        elif stat.S_ISDIR(status.st_mode):
            place.mkdir(mode=0o775)
            folders.append((place, status))
            with os.scandir(origin) as entries:
                waiting += [(Path(entry.path), place / entry.name) for entry in entries]
        elif stat.S_ISREG(status.st_mode):
            _copy_file(origin, place, status)
    for place, status in reversed(folders):
        os.utime(place, ns=(status.st_atime_ns, status.st_mtime_ns))


def _copy_file(origin: Path, place: Path, status: os.stat_result) -> None:
    """Copy one regular file with its times and its executable bit."""
    try:
        shutil.copyfile(origin, place, follow_symlinks=False)
    except OSError as error:
        raise WorkspaceError(f"{origin.name} cannot be copied: {error.strerror}", code="DISK_FULL") from error
    place.chmod(0o775 if status.st_mode & 0o100 else 0o664)
    os.utime(place, ns=(status.st_atime_ns, status.st_mtime_ns))
