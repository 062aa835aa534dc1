"""What the gateway's use cases need of GitHub."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from miyabi_github_gateway.models import (
    ALL_KINDS,
    Credential,
    Issue,
    IssueField,
    IssueSearch,
    Kind,
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


class Invalidator(Protocol):
    """Forgets what is cached, on every replica."""

    async def invalidate(self, repository: str, *, number: int = 0, kinds: frozenset[Kind] = ALL_KINDS) -> None:
        """Forget what is cached of an issue or pull request; a read that is under way is answered, and not kept.

        Never raises: a cache that cannot be reached holds nothing for long.

        Args:
            repository: `owner/name`; case does not matter.
            number: Issue or pull request; 0: everything of the repository.
            kinds: What has changed; of a number, the repository's own entries are forgotten with it where they may
                follow from it (pull requests by head branch).
        """


class Credentials(Protocol):
    """Knows with which credential GitHub is asked."""

    async def of(self, owner: str) -> Credential:
        """Return the credential for the repositories of an owner; it is valid for some minutes at least.

        Args:
            owner: Account of the repository; empty: whatever is not of one account.

        Raises:
            RepositoryNotFoundError: the App is not installed at that owner.
            GitHubUnavailableError: GitHub did not give a credential.
            GitHubForbiddenError: GitHub does not accept the App's key.
        """

    def refused(self, credential: Credential) -> None:
        """Take note that GitHub answered 401: the next `of` gets another one where there is one."""

    async def login(self, owner: str) -> str:
        """Return the account that writes at an owner carry; empty where GitHub does not tell.

        Raises:
            RepositoryNotFoundError: the App is not installed at that owner.
        """


class Locks(Protocol):
    """Lets one replica at a time do something."""

    def hold(self, name: str) -> AbstractAsyncContextManager[None]:
        """Hold the lock of a name for the length of the block; waits for its holder.

        Raises:
            UnavailableError: the holder did not let go in time.
        """
