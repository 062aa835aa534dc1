"""The REST routes of repositories, branches, labels, issues and comments."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from aiohttp import web

from miyabi_sim.github import gitrepo
from miyabi_sim.github.errors import GitHubError, MovedError, archived, not_found, validation_failed
from miyabi_sim.github.kept.forge import Forge, check_texts
from miyabi_sim.github.kept.models import Issue, PullRequest, Repository, node_id
from miyabi_sim.github.kept.store import Store
from miyabi_sim.github.routes.wire import READ_METHODS, number_in_path, page_response, read_json, text_of, texts_of
from miyabi_sim.github.rules.branches import rules_of, shape_of
from miyabi_sim.github.strictness.limits import RateLimiter

#: The account that the one credential stands for.
VIEWER = "miyabi-bot"

#: Operations that GitHub counts as creating content.
CONTENT_OPERATIONS = frozenset(
    {"issues.create", "comments.create", "pulls.create", "pulls.request_reviewers", "reviews.create"}
)

_REPO = "/repos/{owner}/{repo}"


#: Who a request writes as, where it is not the one account.
VIEWER_KEY = web.RequestKey("viewer", str)


def viewer_of(request: web.Request) -> str:
    """Return the account that a request writes as: an App's own where it came with its token."""
    return str(request.get(VIEWER_KEY, VIEWER))


def repository_of(request: web.Request, store: Store) -> Repository:
    """Return the repository that a request names.

    Raises:
        GitHubError: 404 there is none; 403 it is archived and the request would change something.
    """
    repository = store.repository(request.match_info["owner"], request.match_info["repo"])
    if repository.archived and request.method not in READ_METHODS:
        raise archived()
    return repository


class RestApi:
    """Handlers that read the request, let the forge act, and write the answer."""

    def __init__(self, forge: Forge, limiter: RateLimiter) -> None:
        self._forge = forge
        self._shapes = forge.shapes
        self._limiter = limiter

    def routes(self) -> Iterable[web.RouteDef]:
        """Return the routes; their names are the operations of the request records."""
        issue = f"{_REPO}/issues/{{number}}"
        table = [
            ("GET", "/rate_limit", self.rate_limit, "rate_limit.get"),
            ("GET", "/user", self.user, "users.get_authenticated"),
            ("GET", _REPO, self.repository, "repos.get"),
            (
                "GET",
                f"{_REPO}/collaborators/{{login}}/permission",
                self.permission,
                "repos.get_collaborator_permission",
            ),
            ("GET", f"{_REPO}/branches/{{branch:.+}}", self.branch, "repos.get_branch"),
            ("GET", f"{_REPO}/rules/branches/{{branch:.+}}", self.branch_rules, "repos.get_branch_rules"),
            ("GET", f"{_REPO}/rulesets/{{number}}", self.ruleset, "repos.get_repo_ruleset"),
            ("GET", f"{_REPO}/git/ref/heads/{{branch:.+}}", self.git_ref, "git.get_ref"),
            ("GET", f"{_REPO}/labels", self.labels, "labels.list_for_repo"),
            ("POST", f"{_REPO}/labels", self.create_label, "labels.create"),
            ("GET", f"{_REPO}/labels/{{name:.+}}", self.label, "labels.get"),
            ("GET", f"{_REPO}/issues", self.issues, "issues.list_for_repo"),
            ("POST", f"{_REPO}/issues", self.create_issue, "issues.create"),
            ("GET", f"{_REPO}/issues/comments/{{comment}}", self.comment, "comments.get"),
            ("PATCH", f"{_REPO}/issues/comments/{{comment}}", self.edit_comment, "comments.update"),
            ("GET", "/repositories/{id}/issues/{number}", self.issue_by_id, "issues.get_by_id"),
            ("GET", issue, self.issue, "issues.get"),
            ("PATCH", issue, self.update_issue, "issues.update"),
            ("GET", f"{issue}/labels", self.issue_labels, "labels.list_on_issue"),
            ("POST", f"{issue}/labels", self.add_labels, "labels.add"),
            ("PUT", f"{issue}/labels", self.add_labels, "labels.replace"),
            ("DELETE", f"{issue}/labels/{{name:.+}}", self.remove_label, "labels.remove"),
            ("GET", f"{issue}/comments", self.comments, "comments.list"),
            ("POST", f"{issue}/comments", self.create_comment, "comments.create"),
            ("GET", f"{issue}/sub_issues", self.related, "issues.list_sub_issues"),
            ("GET", f"{issue}/dependencies/blocked_by", self.related, "issues.list_blocked_by"),
        ]
        return [web.route(method, path, handler, name=name) for method, path, handler, name in table]

    async def rate_limit(self, _request: web.Request) -> web.Response:
        """Answer what is left of the hourly limits; asking costs nothing."""
        resources = {
            name: self._limiter.window(name).as_json(self._limiter.limit(name)) for name in ("core", "graphql")
        }
        return web.json_response({"resources": resources, "rate": resources["core"]})

    async def user(self, request: web.Request) -> web.Response:
        """Answer who the credential stands for; an App's token stands for nobody."""
        if VIEWER_KEY in request:
            raise GitHubError(403, "Resource not accessible by integration")
        return web.json_response(self._shapes.user(VIEWER))

    async def permission(self, request: web.Request) -> web.Response:
        """Answer what an account may do in a repository."""
        repository, login = self._repository(request), request.match_info["login"]
        role = repository.role_of(login)
        # `maintain` and `triage` are roles; as a permission GitHub names the older one that they include.
        permission = {"maintain": "write", "triage": "read"}.get(role, role)
        shape = {"permission": permission, "role_name": role, "user": self._shapes.user(login)}
        return web.json_response(shape)

    async def repository(self, request: web.Request) -> web.Response:
        """Answer a repository."""
        return web.json_response(self._shapes.repository(self._repository(request)))

    async def branch(self, request: web.Request) -> web.Response:
        """Answer a branch with its head."""
        repository, name = self._repository(request), request.match_info["branch"]
        sha = await self._head(repository, name)
        if sha is None:
            raise GitHubError(404, "Branch not found")
        commit = {"sha": sha, "url": f"{request.url.origin()}/repos/{repository.full_name}/commits/{sha}"}
        return web.json_response({"name": name, "commit": commit, "protected": False})

    async def branch_rules(self, request: web.Request) -> web.Response:
        """Answer the rules that hold for a branch of that name, whether or not it is there."""
        rules = list(rules_of(self._repository(request), request.match_info["branch"]))
        return page_response(request, rules, lambda rule: rule)

    async def ruleset(self, request: web.Request) -> web.Response:
        """Answer one ruleset of a repository."""
        repository, number = self._repository(request), number_in_path(request)
        found = next((ruleset for ruleset in repository.rulesets if ruleset.id == number), None)
        if found is None:
            raise not_found()
        return web.json_response(shape_of(repository, found))

    async def git_ref(self, request: web.Request) -> web.Response:
        """Answer a branch as a git reference."""
        repository, name = self._repository(request), request.match_info["branch"]
        sha = await self._head(repository, name)
        if sha is None:
            raise not_found()
        api = f"{request.url.origin()}/repos/{repository.full_name}/git"
        return web.json_response(
            {
                "ref": f"refs/heads/{name}",
                "node_id": node_id("REF", repository.id),
                "url": f"{api}/refs/heads/{name}",
                "object": {"sha": sha, "type": "commit", "url": f"{api}/commits/{sha}"},
            }
        )

    async def labels(self, request: web.Request) -> web.Response:
        """Answer the labels of a repository."""
        repository = self._repository(request)
        return page_response(request, repository.labels, lambda label: self._shapes.label(repository, label))

    async def label(self, request: web.Request) -> web.Response:
        """Answer one label of a repository."""
        repository = self._repository(request)
        label = repository.label(request.match_info["name"])
        if label is None:
            raise not_found()
        return web.json_response(self._shapes.label(repository, label))

    async def create_label(self, request: web.Request) -> web.Response:
        """Create a label; a name that is taken is refused."""
        repository = self._repository(request)
        body = await read_json(request)
        label = self._forge.create_label(
            repository,
            text_of(body, "name", resource="Label"),
            color=text_of(body, "color", resource="Label", default="").removeprefix("#"),
            description=text_of(body, "description", resource="Label", default=""),
        )
        return web.json_response(self._shapes.label(repository, label), status=201)

    async def issues(self, request: web.Request) -> web.Response:
        """Answer the issues of a repository, pull requests among them, newest first."""
        repository = self._repository(request)
        query = request.query
        found = [item for item in repository.items.values() if _listed(item, query)]
        found.sort(
            key=lambda item: (item.updated_at if query.get("sort") == "updated" else item.created_at, item.number),
            reverse=query.get("direction", "desc") != "asc",
        )
        return page_response(request, found, lambda item: self._shapes.issue(repository, item))

    async def create_issue(self, request: web.Request) -> web.Response:
        """Open an issue."""
        repository = self._repository(request)
        body = await read_json(request)
        issue = self._forge.create_issue(
            repository,
            text_of(body, "title", resource="Issue"),
            body=text_of(body, "body", resource="Issue", default=""),
            labels=texts_of(body, "labels", resource="Issue"),
            assignees=texts_of(body, "assignees", resource="Issue"),
            author=viewer_of(request),
        )
        return self._issue_response(repository, issue, status=201)

    async def issue(self, request: web.Request) -> web.Response:
        """Answer an issue or pull request."""
        return self._issue_response(*self._item(request))

    async def update_issue(self, request: web.Request) -> web.Response:
        """Change the text, the state, the labels or the assignees of an issue."""
        repository, item = self._item(request)
        body = await read_json(request)
        changes: dict[str, Any] = {
            name: text_of(body, name, resource="Issue", default="")
            for name in ("title", "body", "state")
            if name in body
        }
        if changes.get("state", "open") not in ("open", "closed"):
            raise validation_failed("Issue", "invalid", field="state")
        check_texts("Issue", changes.get("title", item.title), body=changes.get("body", item.body))
        if "assignees" in body:
            changes["assignees"] = texts_of(body, "assignees", resource="Issue")
        if "labels" in body:
            labels = texts_of(body, "labels", resource="Issue")
            self._forge.set_labels(repository, item, names=labels, replace=True)
        if changes:
            actions = {"closed": "closed", "open": "reopened"}
            action = actions.get(changes.get("state", ""), "edited")
            self._forge.update_item(repository, item, changes=changes, action=action)
        return self._issue_response(repository, item)

    async def issue_labels(self, request: web.Request) -> web.Response:
        """Answer the labels of an issue."""
        repository, item = self._item(request)
        labels = repository.labels_of(item)
        return page_response(request, labels, lambda label: self._shapes.label(repository, label))

    async def add_labels(self, request: web.Request) -> web.Response:
        """Add labels to an issue, or with PUT replace those that it has."""
        repository, item = self._item(request)
        names = texts_of(await read_json(request), "labels", resource="Label")
        self._forge.set_labels(repository, item, names=names, replace=request.method == "PUT")
        return self._labels_response(repository, item)

    async def remove_label(self, request: web.Request) -> web.Response:
        """Take a label off an issue."""
        repository, item = self._item(request)
        self._forge.remove_label(repository, item, name=request.match_info["name"])
        return self._labels_response(repository, item)

    async def comments(self, request: web.Request) -> web.Response:
        """Answer the comments of an issue, oldest first."""
        repository, item = self._item(request)
        return page_response(
            request, item.comments, lambda comment: self._shapes.comment(repository, item, comment=comment)
        )

    async def create_comment(self, request: web.Request) -> web.Response:
        """Comment on an issue."""
        repository, item = self._item(request)
        text = text_of(await read_json(request), "body", resource="IssueComment")
        comment = self._forge.add_comment(repository, item, body=text, author=viewer_of(request))
        return web.json_response(self._shapes.comment(repository, item, comment=comment), status=201)

    async def comment(self, request: web.Request) -> web.Response:
        """Answer one comment."""
        repository = self._repository(request)
        item, comment = self._forge.store.find_comment(repository, number_in_path(request, "comment"))
        return web.json_response(self._shapes.comment(repository, item, comment=comment))

    async def edit_comment(self, request: web.Request) -> web.Response:
        """Replace the text of a comment."""
        repository = self._repository(request)
        item, comment = self._forge.store.find_comment(repository, number_in_path(request, "comment"))
        text = text_of(await read_json(request), "body", resource="IssueComment")
        self._forge.edit_comment(repository, item, comment=comment, body=text)
        return web.json_response(self._shapes.comment(repository, item, comment=comment))

    async def related(self, request: web.Request) -> web.Response:
        """Answer the sub-issues of an issue, or the issues that block it."""
        repository, item = self._item(request)
        numbers = item.sub_issues if request.path.endswith("/sub_issues") else item.blocked_by
        found = [issue for issue in map(repository.issue, numbers) if issue is not None]
        return page_response(request, found, lambda issue: self._shapes.issue(repository, issue))

    async def issue_by_id(self, request: web.Request) -> web.Response:
        """Answer an issue by the id of its repository, where a transferred one leads."""
        repository = self._forge.store.of_id(number_in_path(request, "id"))
        issue = repository.issue(number_in_path(request))
        if issue is None:
            raise not_found()
        return self._issue_response(repository, issue)

    def _repository(self, request: web.Request) -> Repository:
        return repository_of(request, self._forge.store)

    def _item(self, request: web.Request) -> tuple[Repository, Issue]:
        """Return an issue or pull request.

        Raises:
            GitHubError: 404 there is none; 410 issues are switched off.
            MovedError: it was transferred; what lies below its address is not to be found there.
        """
        repository = self._repository(request)
        number = number_in_path(request)
        item = repository.items.get(number)
        if item is None:
            raise self._gone(request, repository, number)
        if not repository.has_issues and not isinstance(item, PullRequest):
            raise GitHubError(410, "Issues are disabled for this repo")
        return repository, item

    def _gone(self, request: web.Request, repository: Repository, number: int) -> GitHubError:
        there = repository.moved.get(str(number), "")
        if not there or not request.path.endswith(f"/issues/{number}"):
            return not_found()
        name, _, new = there.partition("#")
        target = self._forge.store.repository(*name.split("/"))
        return MovedError(f"{request.url.origin()}/repositories/{target.id}/issues/{new}")

    async def _head(self, repository: Repository, branch: str) -> str | None:
        return await gitrepo.resolve_ref(self._forge.store.git_dir(repository), f"refs/heads/{branch}")

    def _issue_response(self, repository: Repository, item: Issue, *, status: int = 200) -> web.Response:
        shape = self._shapes.issue(repository, item)
        headers = {"Location": shape["url"]} if status == 201 else {}
        return web.json_response(shape, status=status, headers=headers)

    def _labels_response(self, repository: Repository, item: Issue) -> web.Response:
        return web.json_response([self._shapes.label(repository, label) for label in repository.labels_of(item)])


def _listed(item: Issue, query: Any) -> bool:
    wanted = [name.casefold() for name in query.get("labels", "").split(",") if name]
    state = query.get("state", "open")
    return (
        state in ("all", item.state)
        and set(wanted) <= {label.casefold() for label in item.labels}
        and query.get("assignee", "*") in ("*", *item.assignees)
        and query.get("creator", item.author) == item.author
        and item.updated_at >= query.get("since", "")
    )
