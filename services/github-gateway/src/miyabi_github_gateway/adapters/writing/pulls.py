"""Opens the one pull request of a head branch, or brings it up to date."""

from __future__ import annotations

from collections.abc import Sequence

from miyabi_core.errors import MiyabiError
from miyabi_core.logging import get_logger
from miyabi_core.text import shortened
from miyabi_github_gateway.adapters.rest.values import pull_request
from miyabi_github_gateway.adapters.sending.answers import json_of
from miyabi_github_gateway.adapters.sending.http import GitHubHttp
from miyabi_github_gateway.adapters.writing.once import once
from miyabi_github_gateway.adapters.writing.our_branches import OurBranches, issue_of
from miyabi_github_gateway.adapters.writing.written import Written
from miyabi_github_gateway.errors import (
    GitHubRefusedError,
    GitHubUnavailableError,
    OtherPullRequestOpenError,
    RepositoryNotFoundError,
)
from miyabi_github_gateway.models import NewPullRequest, PullRequest, WrittenPullRequest
from miyabi_github_gateway.service.governor import Cost

_LOG = get_logger(__name__)


class PullRequestWriter:
    """Makes a head branch's pull request; the branch is the marker."""

    def __init__(self, http: GitHubHttp, written: Written, branches: OurBranches) -> None:
        self._http = http
        self._written = written
        self._branches = branches

    async def create(self, repository: str, wanted: NewPullRequest) -> WrittenPullRequest:
        """Open the pull request, or change title and body of the open one where they differ.

        Raises:
            GitHubRefusedError: no such head, or nothing between head and base.
            OtherPullRequestOpenError: there is another one of ours for the issue, and only one is wanted.
            RepositoryNotFoundError: there is no such repository, or the credential may not open pull requests there.
        """
        notes: list[str] = []

        async def write() -> PullRequest:
            notes.extend(await self._beside(repository, wanted))
            return await self._open(repository, wanted)

        found, is_new = await once(lambda: self._open_one(repository, wanted.head_branch), write)
        if not is_new:
            found = await self._update(repository, found, wanted)
        if wanted.reviewers:
            notes += await self._ask(repository, found.number, wanted.reviewers)
        return WrittenPullRequest(found, is_new, tuple(dict.fromkeys(notes)))

    async def _beside(self, repository: str, wanted: NewPullRequest) -> list[str]:
        """Say which other branches of ours have an open pull request for the same issue.

        Raises:
            OtherPullRequestOpenError: one has, and only one is wanted.
            MiyabiError: only one is wanted, and it cannot be found out.
        """
        issue = issue_of(wanted.head_branch)
        if issue is None:
            return []
        try:
            there = [(branch, pull) async for branch, _, pull in self._branches.open(repository, issue=issue)]
        except MiyabiError as error:
            if wanted.only_one:
                raise
            return [f"Whether another pull request of ours is open for #{issue} is not known: {error.message}."]
        others = [(branch, pull) for branch, pull in there if branch != wanted.head_branch]
        said = [
            f"Issue #{issue} has another open pull request of ours, #{pull.number} from {branch} ({pull.url})."
            for branch, pull in others
        ]
        if others and wanted.only_one:
            raise OtherPullRequestOpenError(repository, issue, url=others[0][1].url, said=" ".join(said))
        return said

    async def _open_one(self, repository: str, head_branch: str) -> PullRequest | None:
        """Look for the open pull request of a head branch; not through any cache."""
        parameters = {"head": f"{repository.partition('/')[0]}:{head_branch}", "state": "open"}
        answer = await self._http.rest("GET", f"/repos/{repository}/pulls", params=parameters)
        if answer.status_code == 404:
            raise RepositoryNotFoundError(repository)
        found = json_of(answer)
        return pull_request(found[0]) if found else None

    async def _open(self, repository: str, wanted: NewPullRequest) -> PullRequest:
        """Open a pull request; one that appeared meanwhile is taken as ours."""
        body = {
            "title": wanted.title,
            "body": wanted.body,
            "head": wanted.head_branch,
            "base": wanted.base_branch,
            "draft": wanted.draft,
        }
        try:
            answer = await self._http.rest("POST", f"/repos/{repository}/pulls", cost=Cost.NOTIFY, json=body)
        except GitHubRefusedError as error:
            if "already exists" not in error.message:
                raise
            existing = await self._open_one(repository, wanted.head_branch)
            if existing is None:
                raise GitHubUnavailableError("the pull request there is cannot be seen yet; repeat") from error
            return existing
        if answer.status_code == 404:
            raise RepositoryNotFoundError(repository)
        return pull_request(json_of(answer))

    async def _update(self, repository: str, existing: PullRequest, wanted: NewPullRequest) -> PullRequest:
        """Change title and body where they differ."""
        if (existing.title, existing.body) == (wanted.title, wanted.body):
            return existing
        path = f"/repos/{repository}/pulls/{existing.number}"
        body = {"title": wanted.title, "body": wanted.body}
        answer = await self._http.rest("PATCH", path, cost=Cost.WRITE, json=body)
        if answer.status_code == 404:
            raise RepositoryNotFoundError(repository)
        return pull_request(json_of(answer))

    async def _ask(self, repository: str, number: int, reviewers: Sequence[str]) -> list[str]:
        """Ask for reviews, once: whoever has answered is not asked again. Nobody's absence fails the pull request."""
        name = f"reviewers:{repository}:{number}"
        if await self._written.where(name):
            return []
        path = f"/repos/{repository}/pulls/{number}/requested_reviewers"
        notes = []
        try:
            await self._http.rest("POST", path, cost=Cost.NOTIFY, json={"reviewers": list(reviewers)})
        except GitHubRefusedError as error:
            _LOG.warning("reviewers.refused", repository=repository, number=number, error=shortened(error.message, 200))
            notes = [f"{', '.join(reviewers)} could not be asked for a review: {error.message}."]
        await self._written.note(name, "asked")
        return notes
