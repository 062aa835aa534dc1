"""How each field of the GraphQL schema is answered from the store."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from miyabi_sim.github import gitrepo
from miyabi_sim.github.graph.context import Info, NotFoundError, connection
from miyabi_sim.github.graph.timelines import event_type, timeline_items
from miyabi_sim.github.kept.models import Issue, PullRequest, Repository, label_node_id, node_id, timestamp
from miyabi_sim.github.kept.search import search_items
from miyabi_sim.github.kept.timeline import will_close
from miyabi_sim.github.routes.issues import VIEWER
from miyabi_sim.github.routes.shapes import comment_node_id, item_node_id, repository_node_id, user_node_id

#: GitHub counts all results of a search and hands out this many.
MAX_RESULTS = 1000


def _repository(_root: object, info: Info, owner: str, name: str) -> Repository:
    found = info.context.store.find(owner, name)
    if found is None:
        raise NotFoundError(f"Could not resolve to a Repository with the name '{owner}/{name}'.")
    return found


def _search(
    _root: object, info: Info, query: str, first: int | None = None, after: str | None = None, **_: object
) -> dict[str, Any]:
    found = search_items(info.context.store, query)
    return connection(found[:MAX_RESULTS], first, after) | {"issueCount": len(found)}


def _nodes(_root: object, info: Info, ids: list[str]) -> list[object]:
    """Find nodes; an exception in a list stands for its own entry only."""
    known: dict[str, object] = {}
    for repository in info.context.store:
        known[repository_node_id(repository)] = repository
        known |= {item_node_id(item): item for item in repository.items.values()}
    return [
        known.get(wanted) or NotFoundError(f"Could not resolve to a node with the global id of '{wanted}'.")
        for wanted in ids
    ]


def _node(root: object, info: Info, id: str) -> object:  # noqa: A002 - GitHub's name
    return _nodes(root, info, [id])[0]


def _rate_limit(_root: object, info: Info) -> dict[str, Any]:
    context = info.context
    limit = context.limiter.limit("graphql")
    window = context.limiter.window("graphql")
    return {
        "cost": context.cost.points,
        "limit": limit,
        "nodeCount": context.cost.nodes,
        "remaining": max(0, limit - window.used),
        "used": window.used,
        "resetAt": timestamp(math.ceil(window.reset)),
    }


async def _ref(repository: Repository, info: Info, qualifiedName: str) -> dict[str, Any] | None:  # noqa: N803
    full = qualifiedName if qualifiedName.startswith("refs/") else f"refs/heads/{qualifiedName}"
    sha = await gitrepo.resolve_ref(info.context.store.git_dir(repository), full)
    if sha is None:
        return None
    name = full.removeprefix("refs/heads/").removeprefix("refs/tags/")
    return _ref_value(repository, full, name=name, sha=sha)


async def _refs(
    repository: Repository,
    info: Info,
    *,
    refPrefix: str,  # noqa: N803
    query: str | None = None,
    first: int | None = None,
    after: str | None = None,
) -> dict[str, Any]:
    """Find the branches below a prefix; a name is given without it, as GitHub gives it."""
    wanted = refPrefix.rstrip("/") + "/"
    found = await gitrepo.heads(info.context.store.git_dir(repository))
    chosen = [
        (full.removeprefix(wanted), full, sha)
        for full, sha in sorted((f"refs/heads/{name}", sha) for name, sha in found.items())
        if full.startswith(wanted) and (query or "").casefold() in full.casefold()
    ]
    refs = [_ref_value(repository, full, name=name, sha=sha) for name, full, sha in chosen]
    return connection(refs, first, after)


def _ref_value(repository: Repository, full: str, *, name: str, sha: str) -> dict[str, Any]:
    return {
        "id": f"{node_id('REF', repository.id)}:{full}",
        "name": name,
        "target": {"id": f"C_{sha}", "oid": sha},
        "repository": repository,
        "full": full,
    }


def _pulls_of_ref(
    ref: dict[str, Any],
    _info: Info,
    states: list[str] | None = None,
    first: int | None = None,
    after: str | None = None,
) -> dict[str, Any]:
    branch = str(ref["full"]).removeprefix("refs/heads/")
    found = [
        pull
        for pull in ref["repository"].pulls()
        if pull.head_ref == branch and not pull.head_repository and _chosen(pull, states, None)
    ]
    return connection(found, first, after)


async def _is_empty(repository: Repository, info: Info) -> bool:
    return not await gitrepo.heads(info.context.store.git_dir(repository))


def _head_repository(pull: PullRequest, info: Info) -> Repository | None:
    owner, _, name = (pull.head_repository or pull.repository).partition("/")
    return info.context.store.find(owner, name)


async def _default_ref(repository: Repository, info: Info) -> dict[str, Any] | None:
    return await _ref(repository, info, repository.default_branch)


def _issue(repository: Repository, _info: Info, number: int) -> Issue:
    found = repository.issue(number) if repository.has_issues else None
    if found is None:
        raise NotFoundError(f"Could not resolve to an Issue with the number of {number}.")
    return found


def _pull(repository: Repository, _info: Info, number: int) -> PullRequest:
    found = repository.pull(number)
    if found is None:
        raise NotFoundError(f"Could not resolve to a PullRequest with the number of {number}.")
    return found


def _issue_or_pull(repository: Repository, _info: Info, number: int) -> Issue:
    found = repository.pull(number) or (repository.issue(number) if repository.has_issues else None)
    if found is None:
        raise NotFoundError(f"Could not resolve to an issue or pull request with the number of {number}.")
    return found


def _state(item: Issue) -> str:
    return "MERGED" if isinstance(item, PullRequest) and item.merged else item.state.upper()


def _chosen(item: Issue, states: list[str] | None, labels: list[str] | None) -> bool:
    carried = {label.casefold() for label in item.labels}
    return (not states or _state(item) in states) and (
        not labels or any(label.casefold() in carried for label in labels)
    )


def _issues(
    repository: Repository,
    _info: Info,
    *,
    labels: list[str] | None = None,
    states: list[str] | None = None,
    orderBy: dict[str, str] | None = None,  # noqa: N803
    first: int | None = None,
    after: str | None = None,
) -> dict[str, Any]:
    numbers = sorted(repository.items)
    issues = [issue for issue in map(repository.issue, numbers) if issue and _chosen(issue, states, labels)]
    if orderBy is not None:
        issues.sort(key=_ISSUE_ORDERS[orderBy["field"]], reverse=orderBy["direction"] == "DESC")
    return connection(issues, first, after)


#: What each IssueOrderField sorts by.
_ISSUE_ORDERS: dict[str, Callable[[Issue], Any]] = {
    "COMMENTS": lambda issue: len(issue.comments),
    "CREATED_AT": lambda issue: issue.created_at,
    "UPDATED_AT": lambda issue: issue.updated_at,
}


def _pulls(
    repository: Repository,
    _info: Info,
    *,
    headRefName: str | None = None,  # noqa: N803
    baseRefName: str | None = None,  # noqa: N803
    states: list[str] | None = None,
    labels: list[str] | None = None,
    first: int | None = None,
    after: str | None = None,
) -> dict[str, Any]:
    found = [
        pull
        for pull in repository.pulls()
        if headRefName in (None, pull.head_ref)
        and baseRefName in (None, pull.base_ref)
        and _chosen(pull, states, labels)
    ]
    return connection(found, first, after)


def _labels(
    repository: Repository,
    _info: Info,
    *,
    query: str | None = None,
    first: int | None = None,
    after: str | None = None,
) -> dict[str, Any]:
    wanted = (query or "").casefold()
    return connection([label for label in repository.labels if wanted in label.name.casefold()], first, after)


def _sub_issues(item: Issue, info: Info) -> list[Issue]:
    repository = info.context.store.repository_of(item)
    return [issue for issue in map(repository.issue, item.sub_issues) if issue is not None]


def _parent(item: Issue, info: Info) -> Issue | None:
    items = info.context.store.repository_of(item).items.values()
    return next((parent for parent in items if item.number in parent.sub_issues), None)


def _closing(
    item: Issue,
    info: Info,
    *,
    includeClosedPrs: bool | None = None,  # noqa: N803
    first: int | None = None,
    after: str | None = None,
) -> dict[str, Any]:
    """Find the pull requests that will close an issue."""
    repository = info.context.store.repository_of(item)
    found = [
        pull
        for pull in repository.pulls()
        if (pull.state == "open" or includeClosedPrs) and will_close(repository, pull, item)
    ]
    return connection(found, first, after)


def _paged(items: Callable[[Any, Info], Sequence[Any]]) -> Callable[..., dict[str, Any]]:
    """Return a resolver that hands out pages of what `items` finds."""

    def resolve(source: object, info: Info, first: int | None = None, after: str | None = None) -> dict[str, Any]:
        return connection(items(source, info), first, after)

    return resolve


def _plain(read: Callable[[Any], Any]) -> Callable[..., Any]:
    """Return a resolver that needs nothing but its parent."""
    return lambda source, _info: read(source)


_CREATED = {
    "createdAt": _plain(lambda thing: thing.created_at),
    "updatedAt": _plain(lambda thing: thing.updated_at),
}

_ITEM = _CREATED | {
    "id": _plain(item_node_id),
    "state": _plain(_state),
    "closedAt": _plain(lambda item: item.closed_at),
    "url": lambda item, info: info.context.shapes.item_url(item),
    "repository": lambda item, info: info.context.store.repository_of(item),
    "milestone": _plain(lambda item: None if item.milestone is None else {"title": item.milestone}),
    "labels": _paged(lambda item, info: info.context.store.repository_of(item).labels_of(item)),
    "comments": _paged(lambda item, _info: [(item, comment) for comment in item.comments]),
    "assignees": _paged(lambda item, _info: item.assignees),
}

_ACCOUNT = {"id": _plain(user_node_id), "login": _plain(str)}

#: Resolvers by type and field; a field without one is an attribute or an entry of its parent.
RESOLVERS: dict[str, dict[str, Callable[..., Any]]] = {
    "Query": {
        "repository": _repository,
        "search": _search,
        "node": _node,
        "nodes": _nodes,
        "rateLimit": _rate_limit,
        "viewer": lambda _root, _info: VIEWER,
    },
    "User": _ACCOUNT,
    "Bot": _ACCOUNT,
    "Repository": {
        "id": _plain(repository_node_id),
        "nameWithOwner": _plain(lambda repository: repository.full_name),
        "owner": _plain(lambda repository: repository.owner),
        "isPrivate": _plain(lambda repository: repository.private),
        "isArchived": _plain(lambda repository: repository.archived),
        "isDisabled": _plain(lambda repository: repository.disabled),
        "isEmpty": _is_empty,
        "isFork": _plain(lambda repository: bool(repository.fork_of)),
        "isLocked": _plain(lambda _repository: False),
        "hasIssuesEnabled": _plain(lambda repository: repository.has_issues),
        "viewerPermission": _plain(lambda repository: repository.viewer_permission),
        "createdAt": _plain(lambda repository: repository.created_at),
        "url": lambda repository, info: info.context.shapes.repository_url(repository),
        "defaultBranchRef": _default_ref,
        "ref": _ref,
        "refs": _refs,
        "issue": _issue,
        "issues": _issues,
        "issueOrPullRequest": _issue_or_pull,
        "pullRequest": _pull,
        "pullRequests": _pulls,
        "label": lambda repository, _info, name: repository.label(name),
        "labels": _labels,
    },
    "Ref": {"associatedPullRequests": _pulls_of_ref},
    "Issue": _ITEM
    | {
        "subIssues": _paged(_sub_issues),
        "parent": _parent,
        "timelineItems": timeline_items,
        "closedByPullRequestsReferences": _closing,
    },
    "PullRequest": _ITEM
    | {
        "isDraft": _plain(lambda pull: pull.draft),
        "isCrossRepository": _plain(lambda pull: bool(pull.head_repository)),
        "headRepository": _head_repository,
        "maintainerCanModify": _plain(lambda pull: pull.maintainer_can_modify),
        "headRefName": _plain(lambda pull: pull.head_ref),
        "headRefOid": _plain(lambda pull: pull.head_sha),
        "baseRefName": _plain(lambda pull: pull.base_ref),
        "baseRefOid": _plain(lambda pull: pull.base_sha),
    },
    "IssueComment": {
        "id": _plain(lambda pair: comment_node_id(pair[1])),
        "databaseId": _plain(lambda pair: pair[1].id),
        "author": _plain(lambda pair: pair[1].author),
        "body": _plain(lambda pair: pair[1].body),
        "url": lambda pair, info: info.context.shapes.comment_url(*pair),
        "createdAt": _plain(lambda pair: pair[1].created_at),
        "updatedAt": _plain(lambda pair: pair[1].updated_at),
    },
    "Label": {
        "id": _plain(label_node_id),
        "description": _plain(lambda label: label.description or None),
    },
}


def _actor_type(login: str, _info: object, _kind: object) -> str:
    return "Bot" if login.endswith("[bot]") else "User"


def _node_type(node: object, _info: object, _kind: object) -> str:
    return type(node).__name__


def _item_type(item: Issue, _info: object, _kind: object) -> str:
    return "PullRequest" if isinstance(item, PullRequest) else "Issue"


#: How the concrete type behind an interface or a union is found.
TYPES: dict[str, Callable[..., str]] = {
    "Actor": _actor_type,
    "RepositoryOwner": lambda _login, _info, _kind: "User",
    "Node": _node_type,
    "GitObject": lambda _target, _info, _kind: "Commit",
    "IssueOrPullRequest": _item_type,
    "IssueTimelineItems": event_type,
    "ReferencedSubject": _item_type,
    "Labelable": _item_type,
    "SearchResultItem": _item_type,
}
