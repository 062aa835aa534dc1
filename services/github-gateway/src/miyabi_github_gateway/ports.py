"""What the gateway's use cases need of GitHub."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Protocol

from miyabi_github_gateway.models import (
    Issue,
    IssueField,
    IssueSearch,
    Label,
    NewPullRequest,
    PullRequest,
    Repository,
)


class GitHubReader(Protocol):
    """Reads. Every method may raise the errors of `miyabi_github_gateway.errors`."""

    async def issues(
        self, repository: str, numbers: Sequence[int], *, fields: frozenset[IssueField]
    ) -> dict[int, Issue | None]:
        """Read up to 25 issues with one query; None where there is none."""

    def search(self, repository: str, wanted: IssueSearch) -> AsyncIterator[list[Issue]]:
        """List issues page by page."""

    async def repository(self, name: str, *, branch: str = "") -> Repository:
        """Read a repository with the head of a branch."""

    async def pull_request(self, repository: str, number: int) -> PullRequest:
        """Read a pull request by number."""

    async def pull_request_of(self, repository: str, head_branch: str) -> PullRequest | None:
        """Read the open pull request of a head branch, or None."""


class GitHubWriter(Protocol):
    """Writes; each is idempotent."""

    async def set_labels(
        self, repository: str, number: int, *, add: Sequence[Label], remove: Sequence[str]
    ) -> tuple[list[str], bool]:
        """Add and remove labels; returns the labels and whether anything changed."""

    async def upsert_comment(self, repository: str, number: int, *, marker: str, body: str) -> tuple[str, bool]:
        """Write the comment of a marker; returns its page and whether it is new."""

    async def create_pull_request(self, repository: str, wanted: NewPullRequest) -> tuple[PullRequest, bool]:
        """Open or update the pull request of a head branch; returns it and whether it is new."""

    async def create_issue(
        self, repository: str, *, title: str, body: str, labels: Sequence[Label], marker: str
    ) -> tuple[Issue, bool]:
        """Open the issue of a marker; returns it and whether it is new."""
