"""What the use cases ask of the GitHub gateway."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Protocol

from miyabi_coordinator.models import Findings, IssueFacts, IssueFilter, Matches, Quota, RepositoryFacts, Target


class Gateway(Protocol):
    """Reads of GitHub."""

    async def repository(self, name: str, *, branch: str) -> RepositoryFacts:
        """Return a repository with the head of a branch (empty: the default one).

        Raises:
            NotFoundError: there is no such repository.
        """
        ...

    async def issues(self, repository: str, numbers: Sequence[int]) -> list[IssueFacts]:
        """Return issues in the order asked for.

        Raises:
            NotFoundError: at least one does not exist.
        """
        ...

    async def existing(self, repository: str, numbers: Sequence[int]) -> list[IssueFacts]:
        """Return those of some issues that there are and that could be read, in the order asked for.

        Raises:
            MiyabiError: the gateway could not answer.
        """
        ...

    async def search(self, repository: str, query: IssueFilter) -> Matches:
        """Return matching issues by number, as many as are wanted."""
        ...

    async def pull_requests(self, repository: str, numbers: Sequence[int]) -> list[IssueFacts]:
        """Return pull requests in the order asked for.

        Raises:
            NotFoundError: at least one does not exist.
        """
        ...

    async def check(self, target: Target) -> Findings:
        """Say what stands in the way of work on a repository and its issues.

        Raises:
            NotFoundError: there is no such repository.
            MiyabiError: the gateway could not find out.
        """
        ...

    def watch_quotas(self, repositories: Sequence[str]) -> AsyncIterator[list[Quota]]:
        """Yield all limits whenever one changes, those of these repositories (at most 100) among them.

        Raises:
            MiyabiError: the gateway does not tell any more.
        """
        ...
