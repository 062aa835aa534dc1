"""The REST routes of reviews of pull requests, with GitHub's checks: a comment stands on a line of the diff."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

from aiohttp import web

from miyabi_sim.github import gitrepo
from miyabi_sim.github.errors import GitHubError, not_found, validation_failed
from miyabi_sim.github.kept.forge import Forge, check_texts
from miyabi_sim.github.kept.models import LineComment, PullRequest, Repository, Review
from miyabi_sim.github.routes.issues import repository_of, viewer_of
from miyabi_sim.github.routes.wire import number_in_path, page_response, read_json, text_of

#: What each event makes of a review.
_STATES = {"COMMENT": "COMMENTED", "APPROVE": "APPROVED", "REQUEST_CHANGES": "CHANGES_REQUESTED"}
#: How a diff begins a hunk: lines of the old side, then of the new one.
_HUNK = re.compile(r"^@@ -\d+(?:,(?P<old>\d+))? \+(?P<begin>\d+)(?:,(?P<new>\d+))? @@")


class ReviewsApi:
    """Handlers of reviews; pending ones and the left side of a diff are not simulated, and are refused."""

    def __init__(self, forge: Forge) -> None:
        self._forge = forge
        self._shapes = forge.shapes

    def routes(self) -> Iterable[web.RouteDef]:
        """Return the routes; their names are the operations of the request records."""
        every = "/repos/{owner}/{repo}/pulls/{number}/reviews"
        one = f"{every}/{{review}}"
        return [
            web.route("GET", every, self.reviews, name="reviews.list"),
            web.route("POST", every, self.create, name="reviews.create"),
            web.route("GET", one, self.review, name="reviews.get"),
            web.route("PUT", one, self.update, name="reviews.update"),
        ]

    async def reviews(self, request: web.Request) -> web.Response:
        """Answer the reviews of a pull request, oldest first."""
        repository, pull = self._pull(request)
        return page_response(request, pull.reviews, lambda review: self._shapes.review(repository, pull, review=review))

    async def review(self, request: web.Request) -> web.Response:
        """Answer one review."""
        repository, pull = self._pull(request)
        found = _found(request, pull)
        return web.json_response(self._shapes.review(repository, pull, review=found))

    async def create(self, request: web.Request) -> web.Response:
        """Submit a review with its comments; one comment that cannot stand refuses all of it."""
        repository, pull = self._pull(request)
        _refuse_locked(pull)
        body = await read_json(request)
        event, text = body.get("event"), text_of(body, "body", resource="PullRequestReview", default="")
        if event not in _STATES:
            raise validation_failed("PullRequestReview", "invalid", field="event")
        check_texts("PullRequestReview", "-", body=text, required=event != "APPROVE")
        if pull.author == viewer_of(request) and event != "COMMENT":
            raise GitHubError(422, "Unprocessable Entity", errors=["Can not approve your own pull request"])
        commit = text_of(body, "commit_id", resource="PullRequestReview", default=pull.head_sha)
        comments = await self._comments(repository, pull, commit, body.get("comments") or [])
        review = Review(
            id=self._forge.store.next_comment_id(),
            author=viewer_of(request),
            body=text,
            state=_STATES[event],
            commit_id=commit,
            submitted_at=self._forge.now(),
            comments=comments,
        )
        pull.reviews.append(review)
        self._kept(pull)
        return web.json_response(self._shapes.review(repository, pull, review=review))

    async def update(self, request: web.Request) -> web.Response:
        """Replace the body of a review; its comments stay."""
        repository, pull = self._pull(request)
        _refuse_locked(pull)
        found, text = _found(request, pull), text_of(await read_json(request), "body", resource="PullRequestReview")
        check_texts("PullRequestReview", "-", body=text, required=True)
        found.body = text
        self._kept(pull)
        return web.json_response(self._shapes.review(repository, pull, review=found))

    async def _comments(
        self, repository: Repository, pull: PullRequest, commit: str, given: list[dict[str, Any]]
    ) -> list[LineComment]:
        """Return the comments where each stands on a line that the diff shows.

        Raises:
            GitHubError: 422 as GitHub words it.
        """
        git_dir = self._forge.store.git_dir(repository)
        try:
            await gitrepo.read_git(git_dir, "merge-base", "--is-ancestor", commit, pull.head_sha)
            diff = await gitrepo.read_git(
                git_dir, "-c", "core.quotePath=false", "diff", "-M", "--no-color", f"{pull.base_sha}...{commit}"
            )
        except gitrepo.GitFailedError as error:
            raise _unprocessable("The commit is not part of the pull request") from error
        shown = dict(_shown(diff))
        made = []
        for entry in given:
            path, text = (text_of(entry, name, resource="PullRequestReviewComment") for name in ("path", "body"))
            if path not in shown:
                raise _unprocessable("Path could not be resolved")
            if entry.get("side", "RIGHT") != "RIGHT" or entry.get("line") not in shown[path]:
                raise _unprocessable("Line could not be resolved")
            check_texts("PullRequestReviewComment", "-", body=text, required=True)
            made.append(LineComment(path, entry["line"], text))
        return made

    def _kept(self, pull: PullRequest) -> None:
        """Keep a pull request whose reviews changed."""
        pull.updated_at = self._forge.now()
        self._forge.store.save_item(pull)

    def _pull(self, request: web.Request) -> tuple[Repository, PullRequest]:
        repository = repository_of(request, self._forge.store)
        pull = repository.pull(number_in_path(request))
        if pull is None:
            raise not_found()
        return repository, pull


def _found(request: web.Request, pull: PullRequest) -> Review:
    """Return the review that a path names.

    Raises:
        GitHubError: 404 if there is none.
    """
    wanted = number_in_path(request, "review")
    found = next((review for review in pull.reviews if review.id == wanted), None)
    if found is None:
        raise not_found()
    return found


def _shown(diff: str) -> Iterator[tuple[str, set[int]]]:
    """Yield each file of a diff with the lines of its new side that hunks show, context and all."""
    path, lines = "", set[int]()
    old = new = number = 0
    for line in diff.split("\n"):
        if old or new:
            if not line.startswith("\\"):
                old, new = old - (line[:1] != "+"), new - (line[:1] != "-")
            if line[:1] not in {"-", "\\"}:
                lines.add(number)
                number += 1
        elif (hunk := _HUNK.match(line)) is not None:
            old, new, number = int(hunk["old"] or 1), int(hunk["new"] or 1), int(hunk["begin"])
        elif line.startswith("+++ b/"):
            path, lines = line.removeprefix("+++ b/").rstrip("\t"), set()
            yield path, lines


def _refuse_locked(pull: PullRequest) -> None:
    """Refuse to write to a locked conversation, as for comments."""
    if pull.locked:
        raise GitHubError(403, "Unable to create comment because issue is locked.")


def _unprocessable(what: str) -> GitHubError:
    """Return GitHub's refusal of a review's comment."""
    return GitHubError(422, "Unprocessable Entity", errors=[what])
