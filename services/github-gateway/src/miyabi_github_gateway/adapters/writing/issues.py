"""Opens the one issue that carries a marker."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from miyabi_github_gateway.adapters.credentials.accounts import Accounts
from miyabi_github_gateway.adapters.sending.answers import json_of
from miyabi_github_gateway.adapters.sending.http import GitHubHttp
from miyabi_github_gateway.adapters.writing.markers import is_marked, marked
from miyabi_github_gateway.adapters.writing.once import once
from miyabi_github_gateway.adapters.writing.written import Written
from miyabi_github_gateway.errors import MalformedAnswerError, RepositoryNotFoundError
from miyabi_github_gateway.models import Issue
from miyabi_github_gateway.service.governor import Cost

#: GitHub's largest page.
PAGE = 100
#: Pages of our own newest issues that are looked through for a marker that is not noted.
MOST_PAGES = 5


class IssueWriter:
    """Makes a marker's issue, or returns it."""

    def __init__(self, http: GitHubHttp, accounts: Accounts, written: Written) -> None:
        self._http = http
        self._accounts = accounts
        self._written = written

    async def create(self, repository: str, *, title: str, body: str, marker: str) -> tuple[Issue, bool]:
        """Open the issue of a marker.

        Raises:
            RepositoryNotFoundError: there is no such repository, or the credential may not open issues there.
        """
        name = f"issue:{repository}:{marker}"
        author = await self._accounts.login(repository.partition("/")[0])

        async def look() -> Issue | None:
            noted = await self._written.where(name)
            if noted.isdecimal():
                answer = await self._http.rest("GET", f"/repos/{repository}/issues/{noted}")
                if answer.status_code == 200 and is_marked(raw := json_of(answer), marker, author=author):
                    return _issue(raw)
            return await self._found(repository, marker, author=author)

        issue, is_new = await once(look, lambda: self._open(repository, title, marked(marker, body)))
        await self._written.note(name, str(issue.number))
        return issue, is_new

    async def _found(self, repository: str, marker: str, *, author: str) -> Issue | None:
        """Find the issue of a marker among our newest."""
        own = {"creator": author} if author else {}
        for page in range(1, MOST_PAGES + 1):
            parameters = {"state": "all", "per_page": PAGE, "page": page, "sort": "created", "direction": "desc", **own}
            answer = await self._http.rest("GET", f"/repos/{repository}/issues", params=parameters)
            if answer.status_code == 404:
                raise RepositoryNotFoundError(repository)
            entries = json_of(answer)
            for raw in entries:
                if "pull_request" not in raw and is_marked(raw, marker, author=author):
                    return _issue(raw)
            if len(entries) < PAGE:
                return None
        return None

    async def _open(self, repository: str, title: str, body: str) -> Issue:
        """Open an issue."""
        payload = {"title": title, "body": body}
        answer = await self._http.rest("POST", f"/repos/{repository}/issues", cost=Cost.NOTIFY, json=payload)
        if answer.status_code == 404:
            raise RepositoryNotFoundError(repository)
        return _issue(json_of(answer))


def _issue(raw: Mapping[str, Any]) -> Issue:
    """Build an issue from REST's object.

    Raises:
        MalformedAnswerError: a documented field is missing.
    """
    try:
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
    except (KeyError, TypeError, ValueError) as error:
        raise MalformedAnswerError from error
