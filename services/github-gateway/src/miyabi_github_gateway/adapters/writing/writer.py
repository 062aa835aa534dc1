"""Writes to GitHub: one replica at a time an object, each write looks first, and caches forget what was written."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace

from miyabi_github_gateway.adapters.credentials.accounts import Accounts
from miyabi_github_gateway.adapters.sending.http import GitHubHttp
from miyabi_github_gateway.adapters.sending.transport import GitHubTransport
from miyabi_github_gateway.adapters.writing.comments import CommentWriter
from miyabi_github_gateway.adapters.writing.issues import IssueWriter
from miyabi_github_gateway.adapters.writing.labels import LabelWriter
from miyabi_github_gateway.adapters.writing.our_branches import OurBranches, issue_of
from miyabi_github_gateway.adapters.writing.pulls import PullRequestWriter
from miyabi_github_gateway.adapters.writing.reviews import ReviewWriter
from miyabi_github_gateway.adapters.writing.written import Written
from miyabi_github_gateway.models import Issue, Label, NewPullRequest, NewReview, WrittenPullRequest, WrittenReview
from miyabi_github_gateway.ports import Credentials, Invalidator, Locks


class GitHubApiWriter:
    """Implements `ports.GitHubWriter` over GitHub's REST API, labels over GraphQL.

    Args:
        http: Sends requests.
        credentials: Tell as whom it writes.
        locks: Keep two replicas from writing the same object at once.
        written: Notes where objects are.
        invalidator: Told of every write, also of one that failed: it may have been done.
    """

    def __init__(
        self, http: GitHubHttp, *, credentials: Credentials, locks: Locks, written: Written, invalidator: Invalidator
    ) -> None:
        self._labels = LabelWriter(http, GitHubTransport(http))
        accounts = Accounts(http, credentials)
        self._comments = CommentWriter(http, accounts, written)
        self._reviews = ReviewWriter(http, accounts, written)
        self._issues = IssueWriter(http, accounts, written)
        self._pulls = PullRequestWriter(http, written, OurBranches(GitHubTransport(http)))
        self._locks = locks
        self._invalidator = invalidator

    @asynccontextmanager
    async def _writing(self, repository: str, what: str, *, number: int = 0) -> AsyncIterator[None]:
        """Hold an object's lock; afterwards what was cached of it is forgotten, however the write ended."""
        async with self._locks.hold(f"{repository.casefold()}:{what}"):
            try:
                yield
            finally:
                await self._invalidator.invalidate(repository, number=number)

    async def set_labels(
        self, repository: str, number: int, *, add: Sequence[Label], remove: Sequence[str]
    ) -> tuple[list[str], bool]:
        """Add and remove labels; sends nothing where nothing differs.

        Raises:
            IssueNotFoundError: there is no such issue.
        """
        async with self._writing(repository, f"labels:{number}", number=number):
            return await self._labels.set(repository, number, add=add, remove=remove)

    async def upsert_comment(self, repository: str, number: int, *, marker: str, body: str) -> tuple[str, bool]:
        """Write the comment of a marker; returns its page and whether it is new.

        Raises:
            IssueNotFoundError: there is no such issue.
        """
        async with self._writing(repository, f"comment:{number}:{marker}", number=number):
            return await self._comments.upsert(repository, number, marker=marker, body=body)

    async def post_review(self, repository: str, number: int, wanted: NewReview) -> WrittenReview:
        """Write the review of a marker, or edit its body.

        Raises:
            PullRequestNotFoundError: there is no such pull request.
        """
        async with self._writing(repository, f"review:{number}:{wanted.marker}", number=number):
            return await self._reviews.post(repository, number, wanted)

    async def create_pull_request(self, repository: str, wanted: NewPullRequest) -> WrittenPullRequest:
        """Open the pull request of a head branch, or bring the open one up to date.

        Raises:
            GitHubRefusedError: no such head, or nothing between head and base.
            RepositoryNotFoundError: there is no such repository.
        """
        # Of one issue by one replica at a time, so that two batches see each other's.
        async with self._writing(repository, f"pull:{issue_of(wanted.head_branch) or wanted.head_branch}"):
            written = await self._pulls.create(repository, wanted)
        found = written.pull_request
        await self._invalidator.invalidate(repository, number=found.number)
        labels = list(found.labels)
        if wanted.labels:
            labels, _ = await self.set_labels(repository, found.number, add=wanted.labels, remove=())
        return replace(written, pull_request=replace(found, labels=tuple(labels)))

    async def create_issue(
        self, repository: str, *, title: str, body: str, labels: Sequence[Label], marker: str
    ) -> tuple[Issue, bool]:
        """Open the issue of a marker, or return the one there is.

        Raises:
            RepositoryNotFoundError: there is no such repository.
        """
        async with self._writing(repository, f"issue:{marker}"):
            issue, is_new = await self._issues.create(repository, title=title, body=body, marker=marker)
        have = {name.casefold() for name in issue.labels}
        missing = [label for label in labels if label.name.casefold() not in have]
        if missing:
            names, _ = await self.set_labels(repository, issue.number, add=missing, remove=())
            issue = replace(issue, labels=tuple(names))
        return issue, is_new
