"""Writes the one comment that carries a marker."""

from __future__ import annotations

from typing import Any

from miyabi_github_gateway.adapters.credentials.accounts import Accounts
from miyabi_github_gateway.adapters.sending.answers import json_of
from miyabi_github_gateway.adapters.sending.http import GitHubHttp
from miyabi_github_gateway.adapters.writing.markers import is_marked, marked
from miyabi_github_gateway.adapters.writing.once import once
from miyabi_github_gateway.adapters.writing.written import Written
from miyabi_github_gateway.errors import GitHubUnavailableError, IssueNotFoundError
from miyabi_github_gateway.service.governor import Cost

#: GitHub's largest page.
PAGE = 100

_Comment = dict[str, Any]


class CommentWriter:
    """Makes a marker's comment, or edits it; a comment of someone else with the same marker is not ours."""

    def __init__(self, http: GitHubHttp, accounts: Accounts, written: Written) -> None:
        self._http = http
        self._accounts = accounts
        self._written = written

    async def upsert(self, repository: str, number: int, *, marker: str, body: str) -> tuple[str, bool]:
        """Write the comment of a marker; returns its page and whether it is new.

        Raises:
            IssueNotFoundError: there is no such issue, or the credential may not write to it.
        """
        text = marked(marker, body)
        name = f"comment:{repository}:{number}:{marker}"
        author = await self._accounts.login(repository.partition("/")[0])

        async def look() -> _Comment | None:
            noted = await self._noted(repository, await self._written.where(name))
            if noted is not None and is_marked(noted, marker, author=author):
                return noted
            return await self._found(repository, number, marker, author=author)

        async def write() -> _Comment:
            path = f"/repos/{repository}/issues/{number}/comments"
            answer = await self._http.rest("POST", path, cost=Cost.NOTIFY, json={"body": text})
            if answer.status_code == 404:
                raise IssueNotFoundError(repository, [number])
            made: _Comment = json_of(answer)
            return made

        comment, is_new = await once(look, write)
        await self._written.note(name, str(comment["id"]))
        if comment["body"] != text:
            path = f"/repos/{repository}/issues/comments/{comment['id']}"
            answer = await self._http.rest("PATCH", path, cost=Cost.WRITE, json={"body": text})
            if answer.status_code == 404:
                raise GitHubUnavailableError("the comment was removed meanwhile; repeat")
        return str(comment["html_url"]), is_new

    async def _noted(self, repository: str, noted: str) -> _Comment | None:
        """Read the comment that was noted, if it is still there."""
        if not noted.isdecimal():
            return None
        answer = await self._http.rest("GET", f"/repos/{repository}/issues/comments/{noted}")
        return None if answer.status_code == 404 else dict(json_of(answer))

    async def _found(self, repository: str, number: int, marker: str, *, author: str) -> _Comment | None:
        """Find the comment of a marker, on any page."""
        page = 1
        while True:
            path = f"/repos/{repository}/issues/{number}/comments"
            answer = await self._http.rest("GET", path, params={"per_page": PAGE, "page": page})
            if answer.status_code == 404:
                raise IssueNotFoundError(repository, [number])
            comments = json_of(answer)
            for comment in comments:
                if is_marked(comment, marker, author=author):
                    return dict(comment)
            if len(comments) < PAGE:
                return None
            page += 1
