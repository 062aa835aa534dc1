"""Secrets that are given, or lie in a file that is read again when it is rotated."""

from __future__ import annotations

from pathlib import Path

from pydantic import SecretStr

from miyabi_core.access.secret_file import SecretFile
from miyabi_github_gateway.errors import CredentialMissingError


class RotatingSecret:
    """A secret that is given, or lies in a file; looking whether the file has changed costs one `stat`.

    Args:
        value: The secret; used where there is no file.
        path: File that holds it; None: only *value* counts.
    """

    def __init__(self, value: SecretStr | None = None, *, path: Path | None = None) -> None:
        self._value = value.get_secret_value() if value else ""
        self._path = path
        self._file = SecretFile(path) if path else None

    @property
    def is_set(self) -> bool:
        """Whether there is a secret, or should be one."""
        return bool(self._file or self._value)

    def read(self) -> str:
        """Return the secret as it is now; empty where none is configured.

        Raises:
            CredentialMissingError: its file was never there, or is empty.
        """
        if self._file is None:
            return self._value
        secret = self._file.read()
        if not secret:
            raise CredentialMissingError(str(self._path))
        return secret
