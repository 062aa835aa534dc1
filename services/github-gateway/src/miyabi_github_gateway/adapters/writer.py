"""Writes to GitHub over REST; each write looks first and changes only what differs."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import Any, TypeVar
from urllib.parse import quote

from miyabi_github_gateway.adapters.http import GitHubHttp, json_of
from miyabi_github_gateway.adapters.reader import GitHubApiReader
from miyabi_github_gateway.adapters.rest_values import pull_request
from miyabi_github_gateway.errors import (
    GitHubRefusedError,
    GitHubUnavailableError,
    IssueNotFoundError,
    RepositoryNotFoundError,
)
from miyabi_github_gateway.models import Issue, Label, NewPullRequest, PullRequest
from miyabi_github_gateway.service.governor import Cost

#: GitHub's largest page.
PAGE = 100
#: A write that is in doubt is looked for and tried again this often.
WRITE_TRIES = 3
#: Pause before the second try; GitHub's reads may lag behind its writes for a moment.
WRITE_BACKOFF_SECONDS = 0.5

T = TypeVar("T")


def marked(marker: str, body: str) -> str:
    """Return *body* with its marker, which readers do not see."""
    return f"<!-- miyabi:{marker} -->\n{body}"


class GitHubApiWriter:
    """Implements `ports.GitHubWriter` over GitHub's REST API."""

    def __init__(self, http: GitHubHttp, reader: GitHubApiReader) -> None:
        self._http = http
        self._reader = reader

    async def set_labels(
        self, repository: str, number: int, *, add: Sequence[Label], remove: Sequence[str]
    ) -> tuple[list[str], bool]:
        """Add and remove labels; sends nothing where nothing differs.

        Raises:
            IssueNotFoundError: there is no such issue.
        """
        path = f"/repos/{repository}/issues/{number}/labels"
        current = await self._labels(path, repository, number)
        have = {name.casefold() for name in current}
        missing = [label for label in add if label.name.casefold() not in have]
        added = {label.name.casefold() for label in add}
        surplus = [name for name in remove if name.casefold() in have and name.casefold() not in added]
        if missing:
            await self._create_labels(repository, missing)
            names = [label.name for label in missing]
            answer = await self._http.rest("POST", path, cost=Cost.WRITE, json={"labels": names})
            current = [label["name"] for label in json_of(answer)]
        for name in surplus:
            # 404: someone else removed it meanwhile, which is what was wanted.
            await self._http.rest("DELETE", f"{path}/{quote(name, safe='')}", cost=Cost.WRITE)
        left = {name.casefold() for name in surplus}
        return sorted(name for name in current if name.casefold() not in left), bool(missing or surplus)

    async def _labels(self, path: str, repository: str, number: int) -> list[str]:
        """Read an issue's labels."""
        answer = await self._http.rest("GET", path, params={"per_page": PAGE})
        if answer.status_code == 404:
            raise IssueNotFoundError(repository, [number])
        return [label["name"] for label in json_of(answer)]

    async def _create_labels(self, repository: str, labels: Sequence[Label]) -> None:
        """Create the labels that the repository does not have."""
        for label in labels:
            body = {"name": label.name, "color": label.color or "ededed", "description": label.description}
            known = await self._http.rest("GET", f"/repos/{repository}/labels/{quote(label.name, safe='')}")
            if known.status_code == 404:
                try:
                    await self._http.rest("POST", f"/repos/{repository}/labels", cost=Cost.WRITE, json=body)
                except GitHubRefusedError as error:
                    if "already_exists" not in error.message:
                        raise

    async def upsert_comment(self, repository: str, number: int, *, marker: str, body: str) -> tuple[str, bool]:
        """Write the comment of a marker.

        Raises:
            IssueNotFoundError: there is no such issue.
        """
        text = marked(marker, body)

        async def write() -> dict[str, Any]:
            path = f"/repos/{repository}/issues/{number}/comments"
            created: dict[str, Any] = json_of(
                await self._http.rest("POST", path, cost=Cost.NOTIFY, json={"body": text})
            )
            return created

        found, is_new = await _once(lambda: self._comment_of(repository, number, marker), write)
        if found["body"] != text:
            path = f"/repos/{repository}/issues/comments/{found['id']}"
            await self._http.rest("PATCH", path, cost=Cost.WRITE, json={"body": text})
        return str(found["html_url"]), is_new

    async def _comment_of(self, repository: str, number: int, marker: str) -> dict[str, Any] | None:
        """Find the comment of a marker, on any page."""
        prefix, page = f"<!-- miyabi:{marker} -->", 1
        while True:
            path = f"/repos/{repository}/issues/{number}/comments"
            answer = await self._http.rest("GET", path, params={"per_page": PAGE, "page": page})
            if answer.status_code == 404:
                raise IssueNotFoundError(repository, [number])
            comments = json_of(answer)
            for comment in comments:
                if str(comment.get("body", "")).startswith(prefix):
                    return dict(comment)
            if len(comments) < PAGE:
                return None
            page += 1

    async def create_pull_request(self, repository: str, wanted: NewPullRequest) -> tuple[PullRequest, bool]:
        """Open the pull request of a head branch, or bring the open one up to date.

        Raises:
            GitHubRefusedError: no such head, or nothing between head and base.
            RepositoryNotFoundError: there is no such repository.
        """
        result, is_new = await _once(
            lambda: self._reader.pull_request_of(repository, wanted.head_branch),
            lambda: self._open(repository, wanted),
        )
        if not is_new:
            result = await self._update(repository, result, wanted)
        labels = list(result.labels)
        if wanted.labels:
            labels, _ = await self.set_labels(repository, result.number, add=wanted.labels, remove=())
        if wanted.reviewers and is_new:
            path = f"/repos/{repository}/pulls/{result.number}/requested_reviewers"
            await self._http.rest("POST", path, cost=Cost.NOTIFY, json={"reviewers": list(wanted.reviewers)})
        return PullRequest(**{**vars(result), "labels": tuple(labels)}), is_new

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
            existing = await self._reader.pull_request_of(repository, wanted.head_branch)
            if existing is None or "already exists" not in error.message:
                raise
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
        return pull_request(json_of(await self._http.rest("PATCH", path, cost=Cost.WRITE, json=body)))

    async def create_issue(
        self, repository: str, *, title: str, body: str, labels: Sequence[Label], marker: str
    ) -> tuple[Issue, bool]:
        """Open the issue of a marker; the newest hundred of our own are looked through for it.

        Raises:
            RepositoryNotFoundError: there is no such repository.
        """
        issue, is_new = await _once(
            lambda: self._issue_of(repository, marker),
            lambda: self._open_issue(repository, {"title": title, "body": marked(marker, body)}),
        )
        if labels and is_new:
            await self.set_labels(repository, issue.number, add=labels, remove=())
        return issue, is_new

    async def _issue_of(self, repository: str, marker: str) -> Issue | None:
        """Find the issue of a marker among the newest hundred."""
        parameters = {"state": "all", "per_page": PAGE, "sort": "created", "direction": "desc"}
        answer = await self._http.rest("GET", f"/repos/{repository}/issues", params=parameters)
        if answer.status_code == 404:
            raise RepositoryNotFoundError(repository)
        prefix = f"<!-- miyabi:{marker} -->"
        found = (raw for raw in json_of(answer) if str(raw.get("body") or "").startswith(prefix))
        return next(map(_issue, found), None)

    async def _open_issue(self, repository: str, payload: dict[str, str]) -> Issue:
        """Open an issue."""
        answer = await self._http.rest("POST", f"/repos/{repository}/issues", cost=Cost.NOTIFY, json=payload)
        return _issue(json_of(answer))


async def _once(look: Callable[[], Awaitable[T | None]], write: Callable[[], Awaitable[T]]) -> tuple[T, bool]:
    """Create something that must be there once: look, write, and after a failure that leaves doubt look again.

    Raises:
        GitHubUnavailableError: the write failed, or is in doubt, after all tries.
    """
    for attempt in range(1, WRITE_TRIES + 1):
        found = await look()
        if found is not None:
            return found, attempt > 1
        try:
            return await write(), True
        except GitHubUnavailableError:
            if attempt == WRITE_TRIES:
                raise
            await asyncio.sleep(WRITE_BACKOFF_SECONDS * attempt)
    raise AssertionError


def _issue(raw: dict[str, Any]) -> Issue:
    """Build an issue from REST's object."""
    return Issue(
        raw["number"],
        raw["node_id"],
        raw["title"],
        raw["state"],
        raw["html_url"],
        (raw.get("user") or {}).get("login", ""),
        datetime.fromisoformat(raw["created_at"]),
        datetime.fromisoformat(raw["updated_at"]),
        body=raw.get("body") or "",
        labels=tuple(label["name"] for label in raw.get("labels", ())),
    )
