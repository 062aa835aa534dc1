"""The REST routes of pull requests."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from aiohttp import web

from miyabi_sim.github import gitrepo
from miyabi_sim.github.errors import GitHubError, not_found, validation_failed
from miyabi_sim.github.kept.forge import IDS_PER_REPOSITORY, Forge, check_texts
from miyabi_sim.github.kept.models import PullRequest, Repository
from miyabi_sim.github.routes.issues import repository_of, viewer_of
from miyabi_sim.github.routes.wire import number_in_path, page_response, read_json, text_of, texts_of

_PULLS = "/repos/{owner}/{repo}/pulls"


class PullsApi:
    """Handlers of pull requests; a head is a branch of the same repository or of a fork of it."""

    def __init__(self, forge: Forge) -> None:
        self._forge = forge
        self._shapes = forge.shapes

    def routes(self) -> Iterable[web.RouteDef]:
        """Return the routes; their names are the operations of the request records."""
        one = f"{_PULLS}/{{number}}"
        return [
            web.route("GET", _PULLS, self.pulls, name="pulls.list"),
            web.route("POST", _PULLS, self.create, name="pulls.create"),
            web.route("GET", one, self.pull, name="pulls.get"),
            web.route("PATCH", one, self.update, name="pulls.update"),
            web.route("POST", f"{one}/requested_reviewers", self.request, name="pulls.request_reviewers"),
        ]

    async def pulls(self, request: web.Request) -> web.Response:
        """Answer the pull requests of a repository, newest first."""
        repository = self._repository(request)
        query = request.query
        head = query.get("head", "")
        found = [
            pull
            for pull in repository.pulls()
            if query.get("state", "open") in ("all", pull.state)
            and query.get("base", pull.base_ref) == pull.base_ref
            and head in ("", f"{_head_owner(pull)}:{pull.head_ref}")
        ]
        if query.get("direction", "desc") != "asc":
            found.reverse()
        return page_response(request, found, lambda pull: self._shapes.pull_simple(repository, pull))

    async def pull(self, request: web.Request) -> web.Response:
        """Answer one pull request."""
        return web.json_response(self._shapes.pull(*self._pull(request)))

    async def create(self, request: web.Request) -> web.Response:
        """Open a pull request for a branch that was pushed."""
        repository = self._repository(request)
        body = await read_json(request)
        title = text_of(body, "title", resource="PullRequest")
        text = text_of(body, "body", resource="PullRequest", default="")
        check_texts("PullRequest", title, body=text)
        source, head = self._head(repository, text_of(body, "head", resource="PullRequest"))
        base = text_of(body, "base", resource="PullRequest")
        async with self._forge.pull_lock(repository):
            number = repository.next_number()
            head_sha, base_sha = await self._ends(repository, source, head=head, base=base)
            await self._forge.keep_head(repository, number, head_sha, source=source)
            now = self._forge.now()
            pull = PullRequest(
                repository=repository.full_name,
                id=repository.id * IDS_PER_REPOSITORY + number,
                number=number,
                title=title,
                body=text,
                author=viewer_of(request),
                created_at=now,
                updated_at=now,
                head_ref=head,
                head_sha=head_sha,
                base_ref=base,
                base_sha=base_sha,
                draft=body.get("draft") is True,
                head_repository="" if source is repository else source.full_name,
                maintainer_can_modify=source is not repository and body.get("maintainer_can_modify", True) is True,
            )
            self._forge.add_pull(repository, pull)
        shape = self._shapes.pull(repository, pull)
        return web.json_response(shape, status=201, headers={"Location": shape["url"]})

    async def update(self, request: web.Request) -> web.Response:
        """Change the text, the state or the base of a pull request."""
        repository, pull = self._pull(request)
        body = await read_json(request)
        changes: dict[str, Any] = {
            name: text_of(body, name, resource="PullRequest", default="")
            for name in ("title", "body", "state")
            if name in body
        }
        if changes.get("state", "open") not in ("open", "closed"):
            raise validation_failed("PullRequest", "invalid", field="state")
        check_texts("PullRequest", changes.get("title", pull.title), body=changes.get("body", pull.body))
        if "base" in body:
            base = text_of(body, "base", resource="PullRequest")
            sha = await self._branch(repository, base)
            if sha is None:
                raise validation_failed("PullRequest", "invalid", field="base")
            changes |= {"base_ref": base, "base_sha": sha}
        if changes:
            action = {"closed": "closed", "open": "reopened"}.get(changes.get("state", ""), "edited")
            self._forge.update_item(repository, pull, changes=changes, action=action)
        return web.json_response(self._shapes.pull(repository, pull))

    async def request(self, request: web.Request) -> web.Response:
        """Ask people for a review; the author of the pull request cannot be asked."""
        repository, pull = self._pull(request)
        reviewers = texts_of(await read_json(request), "reviewers", resource="PullRequest")
        if pull.author in reviewers:
            raise GitHubError(422, "Review cannot be requested from pull request author.")
        together = list(dict.fromkeys([*pull.requested_reviewers, *reviewers]))
        changes = {"requested_reviewers": together}
        self._forge.update_item(repository, pull, changes=changes, action="review_requested")
        return web.json_response(self._shapes.pull_simple(repository, pull), status=201)

    def _head(self, repository: Repository, given: str) -> tuple[Repository, str]:
        """Return the repository and the branch of a head; `OWNER:BRANCH` is of a fork there.

        Raises:
            GitHubError: 422 if that account has no fork.
        """
        owner, colon, branch = given.partition(":")
        if not colon or owner.casefold() == repository.owner.casefold():
            return repository, branch if colon else given
        forks = [one for one in self._forge.store if one.fork_of.casefold() == repository.full_name.casefold()]
        source = next((fork for fork in forks if fork.owner.casefold() == owner.casefold()), None)
        if source is None:
            raise validation_failed("PullRequest", "invalid", field="head")
        return source, branch

    async def _ends(self, repository: Repository, source: Repository, *, head: str, base: str) -> tuple[str, str]:
        """Return the commits of head and base after GitHub's checks, in GitHub's order."""
        base_sha = await self._branch(repository, base)
        if base_sha is None:
            raise validation_failed("PullRequest", "invalid", field="base")
        head_sha = await self._branch(source, head)
        if head_sha is None:
            raise validation_failed("PullRequest", "invalid", field="head")
        for pull in repository.pulls():
            theirs = (pull.head_repository or repository.full_name, pull.head_ref, pull.base_ref)
            if pull.state == "open" and theirs == (source.full_name, head, base):
                message = f"A pull request already exists for {source.owner}:{head}."
                raise validation_failed("PullRequest", "custom", message=message)
        git_dir = self._forge.store.git_dir(repository)
        await gitrepo.bring(git_dir, head_sha, source=self._forge.store.git_dir(source))
        if not await gitrepo.has_common_history(git_dir, base_sha, head_sha):
            message = f"The {head} branch has no history in common with {base}"
            raise validation_failed("PullRequest", "custom", message=message)
        if await gitrepo.commits_between(git_dir, base_sha, head_sha) == 0:
            message = f"No commits between {base} and {head}"
            raise validation_failed("PullRequest", "custom", message=message)
        return head_sha, base_sha

    async def _branch(self, repository: Repository, branch: str) -> str | None:
        return await gitrepo.resolve_ref(self._forge.store.git_dir(repository), f"refs/heads/{branch}")

    def _repository(self, request: web.Request) -> Repository:
        return repository_of(request, self._forge.store)

    def _pull(self, request: web.Request) -> tuple[Repository, PullRequest]:
        repository = self._repository(request)
        pull = repository.pull(number_in_path(request))
        if pull is None:
            raise not_found()
        return repository, pull


def _head_owner(pull: PullRequest) -> str:
    """Return the account whose branch a pull request brings."""
    return (pull.head_repository or pull.repository).partition("/")[0]
