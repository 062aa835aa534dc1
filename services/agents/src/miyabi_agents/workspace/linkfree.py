"""Opens files below a folder without following any link: what the sandbox wrote is hostile."""

from __future__ import annotations

import errno
import os
import secrets
import stat
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath

from miyabi_agents.errors import WorkspaceError
from miyabi_core.text import shortened

#: Larger files are no source code; reading one must not fill the memory.
MAX_FILE_BYTES = 16 << 20
#: Longest path, and most folders, that a file may have: deeper ones are made to break programs.
MAX_PATH_BYTES, MAX_DEPTH = 1024, 64
#: Control, format (bidirectional, zero-width), surrogate, private and unassigned characters; line and paragraph ends.
_REFUSED_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def parts_of(path: str) -> tuple[str, ...]:
    """Split a relative path.

    Raises:
        WorkspaceError: it is absolute, empty, too long or too deep, has `..`, a backslash, a control, bidirectional or
            zero-width character, a name that begins with `-`, or lies below what a file system takes for `.git`.
    """
    parts = PurePosixPath(path).parts
    problem = _problem(path, parts)
    if problem:
        raise WorkspaceError(
            f"{shortened(ascii(path), 300)} is not a path that may be used: {problem}", code="PATH_REFUSED"
        )
    return parts


def is_usable(path: str) -> bool:
    """Tell whether a path is one that `parts_of` takes."""
    return not _problem(path, PurePosixPath(path).parts)


def _problem(path: str, parts: tuple[str, ...]) -> str:
    """Return why a path may not be used; empty where it may."""
    if not parts or path.startswith("/") or ".." in parts:
        return "it must be relative and stay inside"
    if len(path.encode("utf-8", "surrogatepass")) > MAX_PATH_BYTES or len(parts) > MAX_DEPTH:
        return "it is too long or too deep"
    if "\\" in path or any(unicodedata.category(char) in _REFUSED_CATEGORIES for char in path):
        return "it holds a backslash, a control or an invisible character, or is no UTF-8"
    if any(part.startswith("-") for part in parts):
        return "a name that begins with `-` is taken for an option"
    return "it lies below `.git`" if any(_is_git(part) for part in parts) else ""


def _is_git(name: str) -> bool:
    """Tell whether some file system takes *name* for `.git`: by case, form, short name, or what it leaves out."""
    folded = unicodedata.normalize("NFKC", name).casefold().rstrip(". ")
    return folded.split(":")[0] in {".git", "git~1"}


def alike(path: str) -> str:
    """Return what two paths have in common that some file system takes for one: case and normal form left out."""
    return unicodedata.normalize("NFKC", path).casefold()


@contextmanager
def _parent(root: Path, parts: tuple[str, ...], *, create: bool) -> Iterator[int]:
    """Open the folder that holds the last part, one step at a time."""
    handle = os.open(root, _DIRECTORY)
    try:
        for part in parts[:-1]:
            if create:
                with suppress(FileExistsError):
                    os.mkdir(part, 0o755, dir_fd=handle)
            following = os.open(part, _DIRECTORY, dir_fd=handle)
            os.close(handle)
            handle = following
        yield handle
    finally:
        os.close(handle)


@contextmanager
def _mapped(path: str) -> Iterator[None]:
    """Turn the system's errors into ours."""
    try:
        yield
    except OSError as error:
        if error.errno in {errno.ENOSPC, errno.EDQUOT}:
            raise WorkspaceError("the disk is full", code="DISK_FULL") from error
        if error.errno == errno.ENOENT:
            raise WorkspaceError(f"there is no file {path}", code="NO_SUCH_FILE") from error
        raise WorkspaceError(f"{path!r} cannot be used: {error.strerror}", code="PATH_REFUSED") from error


def read(root: Path, path: str) -> tuple[bytes, bool]:
    """Read a regular file; returns its content and whether it is executable.

    Raises:
        WorkspaceError: the path is refused, leads through a link, or is no regular file of a sane size.
    """
    parts = parts_of(path)
    with _mapped(path), _parent(root, parts, create=False) as folder:
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        handle = os.open(parts[-1], flags, dir_fd=folder)
        with os.fdopen(handle, "rb") as file:
            status = os.fstat(handle)
            if not stat.S_ISREG(status.st_mode):
                raise WorkspaceError(f"{path!r} is no regular file", code="PATH_REFUSED")
            if status.st_size > MAX_FILE_BYTES:
                raise WorkspaceError(f"{path!r} is larger than {MAX_FILE_BYTES} bytes", code="TOO_LARGE")
            return file.read(MAX_FILE_BYTES), bool(status.st_mode & 0o100)


def write(root: Path, path: str, content: bytes, *, executable: bool = False) -> None:
    """Write a file by way of a new one, making its folders.

    Raises:
        WorkspaceError: the path is refused or leads through a link, or the disk is full.
    """
    parts = parts_of(path)
    temporary = f".miyabi-{secrets.token_hex(8)}"
    with _mapped(path), _parent(root, parts, create=True) as folder:
        mode = 0o755 if executable else 0o644
        handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode, dir_fd=folder)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(content)
            _refuse_folder(folder, parts[-1], path)
            os.rename(temporary, parts[-1], src_dir_fd=folder, dst_dir_fd=folder)
        except BaseException:
            os.unlink(temporary, dir_fd=folder)
            raise


def _refuse_folder(folder: int, name: str, path: str) -> None:
    """Refuse to put a file where a folder or a link is."""
    try:
        status = os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return
    if not stat.S_ISREG(status.st_mode):
        raise WorkspaceError(f"{path!r} is no regular file", code="PATH_REFUSED")


def remove(root: Path, path: str) -> None:
    """Remove a file, or a link itself, and the folders that hold nothing any more; one that is not there is no error.

    Raises:
        WorkspaceError: the path is refused.
    """
    parts = parts_of(path)
    try:
        with _mapped(path), _parent(root, parts, create=False) as folder:
            os.unlink(parts[-1], dir_fd=folder)
    except WorkspaceError as error:
        if error.code != "NO_SUCH_FILE":
            raise
        return
    with suppress(OSError):
        for depth in range(len(parts) - 1, 0, -1):
            with _parent(root, parts[:depth], create=False) as folder:
                os.rmdir(parts[depth - 1], dir_fd=folder)
