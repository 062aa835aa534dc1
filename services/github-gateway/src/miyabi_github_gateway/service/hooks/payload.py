"""What of a webhook's payload is looked at, with the types that GitHub's schema gives it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

#: Stands for a field that is not there, where its mere presence says something.
ABSENT: Final = object()
#: GitHub numbers issues from 1, and its own schema keeps them in 32 bits.
MAX_NUMBER = 2**31 - 1


@dataclass(frozen=True, slots=True)
class Account:
    """A person or a program."""

    login: str | None = None
    type: str | None = None


@dataclass(frozen=True, slots=True)
class Label:
    """A label that was set or removed."""

    name: str | None = None


@dataclass(frozen=True, slots=True)
class Comment:
    """A comment."""

    body: str | None = None
    updated_at: str | None = None


@dataclass(frozen=True, slots=True)
class RepositoryName:
    """The repository that an event is of."""

    full_name: str | None = None


@dataclass(frozen=True, slots=True)
class Numbered:
    """An issue or a pull request; `number` is 0 where the event does not say it."""

    number: int = 0
    body: str | None = None
    updated_at: str | None = None
    user: Account | None = None
    pull_request: Any = ABSENT

    def __post_init__(self) -> None:
        if not 0 <= self.number <= MAX_NUMBER:
            raise ValueError(f"number is beyond {MAX_NUMBER}")


@dataclass(frozen=True, slots=True)
class Payload:
    """An event; what it has beside this is not looked at."""

    action: str | None = None
    repository: RepositoryName | None = None
    issue: Numbered | None = None
    pull_request: Numbered | None = None
    label: Label | None = None
    comment: Comment | None = None
    sender: Account | None = None
