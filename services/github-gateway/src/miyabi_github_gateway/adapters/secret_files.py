"""Secrets that may come from a file, which is read again when it is rotated."""

from __future__ import annotations

from pathlib import Path

from pydantic import SecretStr

from miyabi_core.errors import FailedPreconditionError


class CredentialMissingError(FailedPreconditionError):
    """A file that should hold a secret cannot be read, or is empty."""

    def __init__(self, path: Path) -> None:
        super().__init__(f"no secret can be read from {path}", reason="GITHUB_FORBIDDEN", metadata={"repository": ""})


class RotatingSecret:
    """A secret that is given, or lies in a file.

    Kubernetes rotates a mounted secret by swapping a symbolic link, so that the file behind the path is another one:
    its inode or its time differs. Looking costs one `stat`.

    Args:
        value: The secret; used where there is no file.
        path: File that holds it, with or without a newline at its end; None: only *value* counts.
    """

    def __init__(self, value: SecretStr | None = None, *, path: Path | None = None) -> None:
        self._value = value.get_secret_value() if value else ""
        self._path = path
        self._seen: tuple[int, int, int] | None = None

    def read(self) -> str:
        """Return the secret as it is now; empty where none is configured.

        Raises:
            CredentialMissingError: the file is not there, or empty, and was never read before.
        """
        if self._path is None:
            return self._value
        try:
            about = self._path.stat()
            seen = (about.st_ino, about.st_mtime_ns, about.st_size)
            if seen != self._seen:
                # While a file is replaced it may be empty or away for a moment: what was read last still counts.
                text = self._path.read_text("utf-8").strip()
                if text:
                    self._value, self._seen = text, seen
        except OSError as error:
            if not self._value:
                raise CredentialMissingError(self._path) from error
        if not self._value:
            raise CredentialMissingError(self._path)
        return self._value
