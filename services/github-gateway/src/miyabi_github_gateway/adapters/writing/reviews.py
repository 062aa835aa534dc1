"""Writes the one review that carries a marker: made with its inline comments, edited in its body only."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from miyabi_core.text import shortened
from miyabi_github_gateway.adapters.credentials.accounts import Accounts
from miyabi_github_gateway.adapters.sending.answers import json_of
from miyabi_github_gateway.adapters.sending.http import GitHubHttp
from miyabi_github_gateway.adapters.writing.diff_lines import shown_lines
from miyabi_github_gateway.adapters.writing.markers import is_marked, marked
from miyabi_github_gateway.adapters.writing.once import once
from miyabi_github_gateway.adapters.writing.written import Written
from miyabi_github_gateway.errors import GitHubRefusedError, GitHubUnavailableError, PullRequestNotFoundError
from miyabi_github_gateway.models import LineComment, NewReview, WrittenReview
from miyabi_github_gateway.service.governor import Cost

#: GitHub's largest page.
PAGE = 100

#: Begins what a body says of comments that are not on their lines.
BESIDE = "<!-- miyabi:beside-the-diff -->\nNot in the diff, so not shown on their lines:"
#: Characters of such a comment: fifty of them fit behind the longest body.
MOST_NAMED = 80

_Review = dict[str, Any]


class ReviewWriter:
    """Makes a marker's review, or edits its body; a review of someone else with the same marker is not ours.

    Source: docs.github.com, REST API, "Pull request reviews". A review is submitted at once (`event`
    COMMENT, which approves nothing and asks for nothing), so that no pending one is left behind.
    """

    def __init__(self, http: GitHubHttp, accounts: Accounts, written: Written) -> None:
        self._http = http
        self._accounts = accounts
        self._written = written

    async def post(self, repository: str, number: int, wanted: NewReview) -> WrittenReview:
        """Write the review of a marker; inline comments are written with the first call only.

        Raises:
            PullRequestNotFoundError: there is no such pull request, or the credential may not write to it.
            GitHubRefusedError: GitHub does not take it, whatever its comments.
        """
        text = marked(wanted.marker, wanted.body)
        name = f"review:{repository}:{number}:{wanted.marker}"
        path = f"/repos/{repository}/pulls/{number}/reviews"
        author = await self._accounts.login(repository.partition("/")[0])
        notes: list[str] = []

        async def look() -> _Review | None:
            noted = await self._noted(path, await self._written.where(name))
            if noted is not None and is_marked(noted, wanted.marker, author=author):
                return noted
            return await self._found(path, repository, number, marker=wanted.marker, author=author)

        async def write() -> _Review:
            notes.clear()
            answer = await self._made(repository, number, text, wanted, notes)
            if answer is None:
                raise PullRequestNotFoundError(repository, f"#{number}")
            return answer

        review, is_new = await once(look, write)
        await self._written.note(name, str(review["id"]))
        text += beside_of(review["body"])
        if review["body"] != text:
            answer = await self._http.rest("PUT", f"{path}/{review['id']}", cost=Cost.WRITE, json={"body": text})
            if answer.status_code == 404:
                raise GitHubUnavailableError("the review was removed meanwhile; repeat")
        return WrittenReview(str(review["html_url"]), is_new, tuple(notes))

    async def _made(
        self, repository: str, number: int, text: str, wanted: NewReview, notes: list[str]
    ) -> _Review | None:
        """Make it; comments on lines that GitHub does not take are named in its body, and *notes* say why."""
        path = f"/repos/{repository}/pulls/{number}/reviews"
        try:
            return await self._sent(path, text, wanted, wanted.comments)
        except GitHubRefusedError as refusal:
            error = refusal
        fitting = await self._fitting(repository, number, wanted.comments)
        if fitting:
            left = [comment for comment in wanted.comments if comment not in fitting]
            try:
                made = await self._sent(path, text + beside(left), wanted, fitting)
            except GitHubRefusedError as refusal:
                error = refusal
            else:
                notes.append(f"{len(left)} inline comments were not written: {error.message}.")
                return made
        made = await self._sent(path, text + beside(wanted.comments), None, ())
        if wanted.comments:
            notes.append(f"{len(wanted.comments)} inline comments were not written: {error.message}.")
        return made

    async def _fitting(self, repository: str, number: int, comments: Sequence[LineComment]) -> list[LineComment]:
        """Return the comments on lines that the diff shows; none where all are, so that something else was refused."""
        shown = await shown_lines(self._http, repository, number) if len(comments) > 1 else {}
        fitting = [comment for comment in comments if comment.line in shown.get(comment.path, ())]
        return fitting if len(fitting) < len(comments) else []

    async def _sent(
        self, path: str, text: str, wanted: NewReview | None, comments: Sequence[LineComment]
    ) -> _Review | None:
        """Send a new review, of its body alone without *wanted*; None: there is no such pull request."""
        whole = {} if wanted is None else {"commit_id": wanted.commit_sha, "comments": _lines(comments)}
        body = {"event": "COMMENT", "body": text, **whole}
        answer = await self._http.rest("POST", path, cost=Cost.NOTIFY, json=body)
        return None if answer.status_code == 404 else dict(json_of(answer))

    async def _noted(self, path: str, noted: str) -> _Review | None:
        """Read the review that was noted, if it is still there."""
        if not noted.isdecimal():
            return None
        answer = await self._http.rest("GET", f"{path}/{noted}")
        return None if answer.status_code == 404 else dict(json_of(answer))

    async def _found(self, path: str, repository: str, number: int, *, marker: str, author: str) -> _Review | None:
        """Find the review of a marker, on any page."""
        page = 1
        while True:
            answer = await self._http.rest("GET", path, params={"per_page": PAGE, "page": page})
            if answer.status_code == 404:
                raise PullRequestNotFoundError(repository, f"#{number}")
            reviews = json_of(answer)
            for review in reviews:
                if is_marked(review, marker, author=author):
                    return dict(review)
            if len(reviews) < PAGE:
                return None
            page += 1


def beside(comments: Sequence[LineComment]) -> str:
    """Return what a review's body says of comments that are not on their lines; empty without any."""
    entries = [f"- `{one.path}:{one.line}`: {shortened(one.body, MOST_NAMED)}" for one in comments]
    return "\n\n".join(["", BESIDE, "\n".join(entries)]) if entries else ""


def beside_of(body: str) -> str:
    """Return what a written body says of comments that are not on their lines: an edit keeps it."""
    _, mark, entries = body.partition(f"\n\n{BESIDE}")
    return f"{mark}{entries}"


def _lines(comments: Sequence[LineComment]) -> list[dict[str, Any]]:
    """Return inline comments as REST takes them: on lines of the head."""
    return [{"path": one.path, "line": one.line, "side": "RIGHT", "body": one.body} for one in comments]
