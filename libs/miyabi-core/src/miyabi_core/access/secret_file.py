"""Reads secrets and certificates from files; a secret again whenever its file changes: rotation needs no restart."""

from __future__ import annotations

from pathlib import Path

from miyabi_core.errors import FailedPreconditionError

#: What tells two contents of a file apart: device, inode, time of change, size.
_Stamp = tuple[int, int, int, int]


class SecretFile:
    """One secret in one file; white space around it is left out.

    Args:
        path: The file; links are followed, since Kubernetes mounts secrets as links.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._stamp: _Stamp | None = None
        self._value = ""

    def read(self) -> str:
        """Return the secret as the file holds it now; the last one known while the file is away, "" before that."""
        try:
            status = self._path.stat()
            stamp = (status.st_dev, status.st_ino, status.st_mtime_ns, status.st_size)
            if stamp != self._stamp:
                self._value = self._path.read_text(encoding="utf-8").strip()
                self._stamp = stamp
        except OSError:
            # Between two contents, or not mounted yet.
            self._stamp = None
        return self._value

    def __repr__(self) -> str:
        """Name the file, never the secret."""
        return f"SecretFile({str(self._path)!r})"


def read_file(path: Path) -> bytes:
    """Return a file's content.

    Raises:
        FailedPreconditionError: it cannot be read.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise bad_file(path, error) from error


def bad_file(path: Path, error: OSError) -> FailedPreconditionError:
    """A file cannot be used."""
    return FailedPreconditionError(f"{path}: {error.strerror or error}", reason="BAD_SETTING")
