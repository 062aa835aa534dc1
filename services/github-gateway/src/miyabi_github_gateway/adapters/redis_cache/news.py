"""What replicas tell each other through the shared cache; whoever may write there may write anything."""

from __future__ import annotations

import re
from dataclasses import dataclass

import msgspec

from miyabi_github_gateway.models import Change, IssueField, Kind, Shape
from miyabi_github_gateway.service.hooks.payload import MAX_NUMBER

#: Longer than any news of ours, which name one repository and a handful of kinds.
MAX_BYTES = 4096
_REPOSITORY = re.compile(r"[A-Za-z0-9._-]{1,100}/[A-Za-z0-9._-]{1,100}")


class UnreadableError(ValueError):
    """The bytes are nothing that a replica writes."""


@dataclass(frozen=True)
class News:
    """A change, and the replica that heard of it first."""

    origin: str
    change: Change


class _Wire(msgspec.Struct, array_like=True):
    """How it travels."""

    origin: str
    repository: str
    number: int
    kinds: list[str]


def written(news: News) -> bytes:
    """Return news as they travel."""
    change = news.change
    kinds = sorted(kind.value for kind in change.kinds)
    return msgspec.msgpack.encode(_Wire(news.origin, change.repository, change.number, kinds))


def read(data: object) -> News:
    """Read news.

    Raises:
        UnreadableError: they are none.
    """
    if not isinstance(data, bytes) or len(data) > MAX_BYTES:
        raise UnreadableError("too long, or no bytes")
    try:
        wire = msgspec.msgpack.decode(data, type=_Wire)
        kinds = frozenset(map(Kind, wire.kinds))
    except (ValueError, RecursionError) as error:
        raise UnreadableError("no news of a replica") from error
    if not 0 <= wire.number <= MAX_NUMBER or _REPOSITORY.fullmatch(wire.repository) is None:
        raise UnreadableError("news of no repository")
    return News(wire.origin, Change(wire.repository, wire.number, kinds))


def used(member: bytes) -> tuple[str, Shape]:
    """Read a repository and a shape that were in use.

    Raises:
        UnreadableError: it is nothing of that kind.
    """
    try:
        repository, _, code = member.decode().partition(" ")
        kind, _, letters = code.partition(".")
        shape = Shape(Kind(kind), frozenset(field for field in IssueField if field.value[0] in letters))
    except ValueError as error:
        raise UnreadableError("no repository in use") from error
    if len(member) > MAX_BYTES or _REPOSITORY.fullmatch(repository) is None:
        raise UnreadableError("no repository in use")
    return repository, shape
