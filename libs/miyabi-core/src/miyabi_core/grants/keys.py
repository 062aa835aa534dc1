"""The secret that coordinator and gateway share, and how it is exchanged for another while both serve."""

from __future__ import annotations

from pathlib import Path
from typing import Self

from pydantic import SecretStr

from miyabi_core.access.secret_file import SecretFile
from miyabi_core.configuration.environment import EnvironmentSettings
from miyabi_core.errors import FailedPreconditionError
from miyabi_core.logging import get_logger

#: Fewest bytes of a key: as many as the digest has, below which the key is what is attacked (RFC 7518, 3.2).
MIN_KEY_BYTES = 32
#: Most keys: the one that signs, and those of rotations that are under way.
MAX_KEYS = 4

_LOG = get_logger(__name__)


class GrantKeySettings(EnvironmentSettings):
    """Where the key is; subclasses set `env_prefix`. The agents, for whom grants are made, never have it."""

    #: Key of grants: random, at least 32 bytes; several are separated by white space, the first one signs.
    grant_key: SecretStr | None = None
    #: File with the key instead; read again when it is replaced.
    grant_key_file: Path | None = None


class GrantKeys:
    """Keys of grants: the first one signs, each of them verifies.

    A rotation takes three steps: the new key behind the old one, then the new one before it, then the new one alone;
    between two steps goes as much time as the file needs to reach every process, and before the last the longest task.

    Args:
        text: The keys, separated by white space; used where there is no file.
        path: File that holds them; one that is unreadable or holds no good key later on changes nothing.

    Raises:
        FailedPreconditionError: there is no key, there are too many, or one is too short.
    """

    def __init__(self, text: str = "", *, path: Path | None = None) -> None:
        self._file = SecretFile(path) if path is not None else None
        self._text = self._file.read() if self._file is not None else text
        self._keys = _parsed(self._text)

    @classmethod
    def of(cls, settings: GrantKeySettings) -> Self | None:
        """Return the keys that settings name; None where they name none.

        Raises:
            FailedPreconditionError: as for the class, or both settings are there.
        """
        if settings.grant_key is not None and settings.grant_key_file is not None:
            raise _bad("GRANT_KEY and GRANT_KEY_FILE exclude each other")
        if settings.grant_key_file is not None:
            return cls(path=settings.grant_key_file)
        return cls(settings.grant_key.get_secret_value()) if settings.grant_key is not None else None

    def all(self) -> tuple[bytes, ...]:
        """Return every key that verifies, the one that signs first."""
        text = self._file.read() if self._file is not None else self._text
        if text != self._text:
            self._text = text
            try:
                self._keys = _parsed(text)
            except FailedPreconditionError as error:
                _LOG.warning("grant_keys.not_taken", error=error.message)
            else:
                _LOG.info("grant_keys.replaced", count=len(self._keys))
        return self._keys

    def __repr__(self) -> str:
        """Say how many there are, never which."""
        return f"GrantKeys({len(self._keys)} keys)"


def _parsed(text: str) -> tuple[bytes, ...]:
    """Return the keys of a text."""
    keys = tuple(part.encode() for part in text.split())
    if not keys:
        raise _bad("the key of grants is not there, or empty")
    if len(keys) > MAX_KEYS:
        raise _bad(f"there are {len(keys)} keys of grants; {MAX_KEYS} are the most")
    if any(len(key) < MIN_KEY_BYTES for key in keys):
        raise _bad(f"a key of grants has fewer than {MIN_KEY_BYTES} bytes; `miyabi token` makes a good one")
    return keys


def _bad(message: str) -> FailedPreconditionError:
    """A setting is missing or contradicts another one."""
    return FailedPreconditionError(message, reason="BAD_SETTING")
