"""An answer of GraphQL by its paths: what stands at each, and what is wrong there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from graphql import ExecutionResult, GraphQLError

from miyabi_core.errors import MiyabiError
from miyabi_github_gateway.adapters.graphql import values
from miyabi_github_gateway.errors import GitHubRefusedError, GitHubUnavailableError, RepositoryNotFoundError
from miyabi_github_gateway.models import Read


@dataclass(frozen=True)
class Reply:
    """An answer by its paths."""

    data: Mapping[str, Any]
    errors: Mapping[tuple[str | int, ...], GraphQLError]
    incomplete: bool  #: something was left out, GitHub does not say what
    seconds: float  #: that GitHub took
    size_bytes: int  #: of the answer

    def at(self, *path: str | int) -> Any:
        """Return what stands at a path; None where nothing does."""
        here: Any = self.data
        for step in path:
            here = here[step] if here is not None else None
        return here

    def error(self, *path: str | int) -> GraphQLError | None:
        """Return the error at a path or below it: a thing of which a part is missing is not the thing."""
        size = len(path)
        return next((error for place, error in self.errors.items() if place[:size] == path), None)


def reply_of(result: ExecutionResult) -> Reply:
    """Sort an answer's errors by their paths.

    Raises:
        GitHubUnavailableError: GitHub found the query too much and answered nothing.
        GitHubRefusedError: GitHub does not take the query.
    """
    errors = result.errors or []
    loose = [error for error in errors if not error.path]
    if result.data is None or not any(value is not None for value in result.data.values()):
        if any(map(values.is_too_much, errors)):
            raise GitHubUnavailableError(errors[0].message, too_much=True)
        if loose or result.data is None:
            raise GitHubRefusedError("; ".join(error.message for error in errors) or "no data")
    said = result.extensions or {}
    placed = {tuple(error.path): error for error in errors if error.path}
    return Reply(result.data or {}, placed, bool(loose), said["seconds"], said["bytes"])


def problem_at(reply: Reply, path: tuple[str | int, ...], read: Read) -> MiyabiError | None:
    """Return what is wrong at a path; None: nothing, or there is no such thing."""
    if path[0] != "known" and reply.at(path[0]) is None:
        error = reply.error(path[0])
        problem = values.meaning(error, read.repository) if error else None
        return problem or _left_out(reply) or RepositoryNotFoundError(read.repository)
    if error := reply.error(*path):
        return values.meaning(error, read.repository)
    return _left_out(reply) if reply.at(*path) is None else None


def _left_out(reply: Reply) -> MiyabiError | None:
    """Return the error for what is missing without a word, where GitHub says that it left something out."""
    return GitHubUnavailableError("a part of the answer is missing", too_much=True) if reply.incomplete else None
