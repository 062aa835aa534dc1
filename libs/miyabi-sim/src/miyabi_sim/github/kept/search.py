"""GitHub's issue search syntax: qualifiers, their negations and words."""

from __future__ import annotations

import re
from collections.abc import Iterable

from miyabi_sim.github.kept.models import Issue, PullRequest, Repository

_TERM = re.compile(r'(-?)(?:([A-Za-z]+):)?(?:"([^"]*)"|(\S+))')


def search_items(repositories: Iterable[Repository], query: str) -> list[Issue]:
    """Return the issues and pull requests that match every term; newest first unless `sort:` says otherwise."""
    terms = [
        (bool(minus), qualifier.lower(), (quoted or plain).casefold())
        for minus, qualifier, quoted, plain in _TERM.findall(query)
    ]
    order = next((value for _, qualifier, value in terms if qualifier == "sort"), "created-desc")
    tests = [term for term in terms if term[1] not in ("sort", "in")]
    found = [
        item
        for repository in repositories
        for item in repository.items.values()
        if all(_matches(repository, item, qualifier=name, value=value) != minus for minus, name, value in tests)
    ]
    found.sort(
        key=lambda item: (item.updated_at if order.startswith("updated") else item.created_at, item.number),
        reverse=not order.endswith("-asc"),
    )
    return found


def _matches(repository: Repository, item: Issue, *, qualifier: str, value: str) -> bool:  # noqa: PLR0911
    match qualifier:
        case "repo":
            return repository.full_name.casefold() == value
        case "user" | "org":
            return repository.owner.casefold() == value
        case "is" | "type" | "state":
            return _is(repository, item, value=value)
        case "label":
            wanted = {name.strip('"') for name in value.split(",")}
            return bool(wanted & {label.casefold() for label in item.labels})
        case "milestone":
            return (item.milestone or "").casefold() == value
        case "assignee" | "author":
            return value in {
                login.casefold() for login in (item.assignees if qualifier == "assignee" else [item.author])
            }
        case "created":
            return value.startswith(">=") and item.created_at.casefold() >= value.removeprefix(">=")
        case "no":
            return not {"label": item.labels, "assignee": item.assignees, "milestone": item.milestone}.get(value)
        case "head":
            return isinstance(item, PullRequest) and item.head_ref.casefold() == value
        case _:
            return value in f"{item.title}\n{item.body}".casefold()


def _is(repository: Repository, item: Issue, *, value: str) -> bool:
    match value:
        case "issue":
            return not isinstance(item, PullRequest)
        case "pr" | "pull-request":
            return isinstance(item, PullRequest)
        case "merged" | "unmerged":
            return isinstance(item, PullRequest) and item.merged == (value == "merged")
        case "draft":
            return isinstance(item, PullRequest) and item.draft
        case "private" | "public":
            return repository.private == (value == "private")
        case _:
            return item.state == value
