"""Finds the identity that a token or a client certificate stands for, in a file that may change while we serve."""

from __future__ import annotations

import hashlib
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from miyabi_core.access.identity import Identity, Role, expanded
from miyabi_core.access.watched_file import CHECK_INTERVAL, WatchedFiles
from miyabi_core.errors import FailedPreconditionError, UnauthenticatedError
from miyabi_core.logging import get_logger

#: An identity's name: it stands in logs and tables, so it has no spaces.
NAME_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9._@/-]{0,127}$"

_LOG = get_logger(__name__)


class TokenEntry(BaseModel):
    """One token of an identity: its SHA-256, never itself.

    A token is random and has at least 128 bits (`miyabi token` makes 256), so that nobody can try all of them: a slow
    hash, which passwords need, would buy nothing and cost every call.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    sha256: str = Field(pattern="^[0-9a-f]{64}$")
    expires: datetime | None = None

    @field_validator("expires")
    @classmethod
    def _aware(cls, value: datetime | None) -> datetime | None:
        """Take a time without a zone as UTC."""
        return value.replace(tzinfo=UTC) if value is not None and value.tzinfo is None else value


class IdentityEntry(BaseModel):
    """One identity as the file has it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(pattern=NAME_PATTERN)
    roles: tuple[Role, ...] = Field(min_length=1)
    tokens: tuple[TokenEntry, ...] = ()
    #: URI names of client certificates (`spiffe://…`), or `CN=…` where a certificate has none.
    certificates: tuple[str, ...] = ()
    #: Ids that its agents may carry. Default: its name, and its name with a dash and anything behind it.
    agent_ids: tuple[str, ...] | None = None

    @model_validator(mode="after")
    def _can_be_told(self) -> Self:
        """Refuse an entry that nothing stands for."""
        if not self.tokens and not self.certificates:
            raise ValueError(f"{self.name} has neither tokens nor certificates")
        return self

    def identity(self) -> Identity:
        """Return it as calls see it."""
        patterns = (self.name, f"{self.name}-*") if self.agent_ids is None else self.agent_ids
        return Identity(self.name, expanded(self.roles), patterns if Role.AGENT in self.roles else ())


class IdentitiesFile(BaseModel):
    """The file."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    identities: tuple[IdentityEntry, ...]

    @model_validator(mode="after")
    def _is_unambiguous(self) -> Self:
        """Refuse two identities that one caller could be, or that could carry one agent's id."""
        for what, values in (
            ("name", [entry.name for entry in self.identities]),
            ("token", [token.sha256 for entry in self.identities for token in entry.tokens]),
            ("certificate", [name for entry in self.identities for name in entry.certificates]),
        ):
            twice = [value for value, count in Counter(values).items() if count > 1]
            if twice:
                raise ValueError(f"the same {what} stands twice: {', '.join(sorted(twice))}")
        claims = [(entry.name, pattern) for entry in self.identities for pattern in entry.identity().agent_ids]
        for index, (name, pattern) in enumerate(claims):
            for other, second in claims[index + 1 :]:
                if other != name and _overlap(pattern, second):
                    raise ValueError(f"{name} ({pattern}) and {other} ({second}) could carry the same agent id")
        return self


def _overlap(one: str, two: str) -> bool:
    """Tell whether some agent id matches both."""
    first, second = one.removesuffix("*"), two.removesuffix("*")
    if one.endswith("*") and two.endswith("*"):
        return first.startswith(second) or second.startswith(first)
    if one.endswith("*"):
        return second.startswith(first)
    return first.startswith(second) if two.endswith("*") else first == second


@dataclass(frozen=True, slots=True)
class Recognised:
    """An identity, and until when (seconds since 1970) what was shown for it is good."""

    identity: Identity
    expires: float = float("inf")


@dataclass(frozen=True)
class _Tables:
    """What the file says, ready for look-ups."""

    tokens: Mapping[bytes, Recognised]
    certificates: Mapping[str, Recognised]


class Identities:
    """The identities of a file; a change is seen within `interval`, without a restart.

    A file that was changed to something that cannot be understood changes nothing, and is logged.

    Args:
        path: YAML, see `IdentitiesFile`.
        interval: How often the file is looked at.

    Raises:
        FailedPreconditionError: the file is missing or cannot be understood.
    """

    def __init__(self, path: Path, *, interval: timedelta = CHECK_INTERVAL) -> None:
        self._path = path
        self._files = WatchedFiles([path], interval=interval)
        self._tables = _read(path)
        #: Grows with each change: who was recognised before may not be any more.
        self.generation = 1

    def by_token(self, token: str) -> Recognised:
        """Return whom a token stands for.

        The look-up is by SHA-256: how long it takes says something of a digest that the caller cannot choose, and
        nothing of a token that it does not have.

        Raises:
            UnauthenticatedError: nobody's token, or one that has expired.
        """
        self.refresh()
        found = self._tables.tokens.get(hashlib.sha256(token.encode("utf-8", "replace")).digest())
        if found is None or found.expires <= time.time():
            raise identity_required("The token is not known, or has expired.")
        return found

    def by_certificate(self, names: Sequence[str]) -> Recognised:
        """Return whom a client certificate with these names stands for.

        Raises:
            UnauthenticatedError: none of the names is anybody's.
        """
        self.refresh()
        for name in names:
            if (found := self._tables.certificates.get(name)) is not None:
                return found
        raise identity_required("The client certificate is not known.")

    def refresh(self) -> None:
        """Read the file again where it changed."""
        if not self._files.changed():
            return
        try:
            self._tables = _read(self._path)
        except FailedPreconditionError as error:
            _LOG.error("identities.refused", path=str(self._path), problem=error.message)
            return
        self.generation += 1
        _LOG.info("identities.changed", path=str(self._path))


def identity_required(message: str) -> UnauthenticatedError:
    """Nobody that we know."""
    return UnauthenticatedError(message, reason="IDENTITY_REQUIRED")


def _read(path: Path) -> _Tables:
    """Read the file.

    Raises:
        FailedPreconditionError: it is missing or cannot be understood; the message holds none of its values.
    """
    try:
        raw: Any = yaml.safe_load(path.read_text(encoding="utf-8"))
        file = IdentitiesFile.model_validate(raw)
    except OSError as error:
        raise _bad_file(path, str(error.strerror)) from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise _bad_file(path, "it is no YAML") from error
    except ValidationError as error:
        problems = [f"{'.'.join(map(str, entry['loc']))}: {entry['msg']}" for entry in error.errors()]
        raise _bad_file(path, "; ".join(problems)) from error
    return _tables_of(file)


def _tables_of(file: IdentitiesFile) -> _Tables:
    """Return look-up tables of a file."""
    tokens = {
        bytes.fromhex(token.sha256): Recognised(
            entry.identity(), token.expires.timestamp() if token.expires else float("inf")
        )
        for entry in file.identities
        for token in entry.tokens
    }
    certificates = {name: Recognised(entry.identity()) for entry in file.identities for name in entry.certificates}
    return _Tables(tokens, certificates)


def _bad_file(path: Path, problem: str) -> FailedPreconditionError:
    """The identities file cannot be used."""
    return FailedPreconditionError(f"identities file {path}: {problem}", reason="BAD_SETTING")
