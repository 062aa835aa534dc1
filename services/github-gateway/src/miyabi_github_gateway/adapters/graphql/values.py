"""Builds what the gateway reads from GraphQL's objects, and says what an error of GraphQL means."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from graphql import GraphQLError

from miyabi_core.errors import MiyabiError
from miyabi_github_gateway.errors import (
    GitHubForbiddenError,
    GitHubRefusedError,
    GitHubUnavailableError,
    MalformedAnswerError,
    RepositoryNotFoundError,
)
from miyabi_github_gateway.models import Comment, EventKind, Issue, PullRequest, Repository, TimelineEvent

#: Types of errors that say that the credential may not see something.
FORBIDDEN = frozenset({"FORBIDDEN", "INSUFFICIENT_SCOPES"})
#: What GitHub says when a query took too long or asked for too much (docs.github.com, "Resource limitations").
TOO_MUCH = ("something went wrong while executing your query", "timeout", "timed out", "timedout", "resource limits")


def kind_of(error: GraphQLError) -> str:
    """Return GitHub's type of an error."""
    return str((error.extensions or {}).get("type") or "")


def is_too_much(error: GraphQLError) -> bool:
    """Return whether a smaller query may succeed."""
    text = error.message.casefold()
    return kind_of(error) == "RESOURCE_LIMITS_EXCEEDED" or any(words in text for words in TOO_MUCH)


def meaning(error: GraphQLError, repository: str) -> MiyabiError | None:
    """Return what an error says of the thing at its path; None: there is no such thing."""
    kind = kind_of(error)
    if kind == "NOT_FOUND":
        return None
    if kind in FORBIDDEN:
        return GitHubForbiddenError(repository, error.message)
    if is_too_much(error):
        return GitHubUnavailableError(error.message, too_much=True)
    return GitHubRefusedError(error.message)


def moment(text: str) -> datetime:
    """Read GitHub's time."""
    return datetime.fromisoformat(text)


def _login(author: Mapping[str, Any] | None) -> str:
    """Return a login; empty where the account is gone."""
    return str(author["login"]) if author else ""


def _nodes(raw: Mapping[str, Any], name: str) -> list[Any]:
    """Return the entries of a connection; none where it was not asked for."""
    return [node for node in (raw.get(name) or {}).get("nodes") or () if node]


#: GitHub's types of what happened.
_EVENTS = {
    "ClosedEvent": EventKind.CLOSED,
    "ReopenedEvent": EventKind.REOPENED,
    "LabeledEvent": EventKind.LABELED,
    "UnlabeledEvent": EventKind.UNLABELED,
    "CrossReferencedEvent": EventKind.REFERENCED,
}


def _event(node: Mapping[str, Any]) -> TimelineEvent:
    """Build an event; what mentions the issue may be out of sight."""
    source = node.get("source") or {}
    return TimelineEvent(
        _EVENTS[node["__typename"]],
        _login(node["actor"]),
        moment(node["createdAt"]),
        label=(node.get("label") or {}).get("name", ""),
        reference=f"{source['repository']['nameWithOwner']}#{source['number']}" if source else "",
    )


def issue(raw: Mapping[str, Any], *, blocked_by: tuple[int, ...] = ()) -> Issue:
    """Build an issue.

    Raises:
        MalformedAnswerError: a documented field is missing or of another kind.
    """
    try:
        home = raw["repository"]["nameWithOwner"]
        return Issue(
            number=raw["number"],
            id=raw["id"],
            title=raw["title"],
            state=raw["state"].lower(),
            url=raw["url"],
            author=_login(raw["author"]),
            create_time=moment(raw["createdAt"]),
            update_time=moment(raw["updatedAt"]),
            body=raw.get("body") or "",
            labels=tuple(node["name"] for node in _nodes(raw, "labels")),
            comments=tuple(
                Comment(node["id"], _login(node["author"]), node["body"], moment(node["createdAt"]))
                for node in _nodes(raw, "comments")
            ),
            assignees=tuple(node["login"] for node in _nodes(raw, "assignees")),
            milestone=(raw.get("milestone") or {}).get("title") or "",
            blocked_by=blocked_by,
            sub_issues=tuple(
                node["number"]
                for node in _nodes(raw, "subIssues")
                if node["repository"]["nameWithOwner"].casefold() == home.casefold()
            ),
            timeline=tuple(map(_event, _nodes(raw, "timelineItems"))),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise MalformedAnswerError from error


def pull_request(raw: Mapping[str, Any]) -> PullRequest:
    """Build a pull request.

    Raises:
        MalformedAnswerError: a documented field is missing or of another kind.
    """
    try:
        return PullRequest(
            number=raw["number"],
            id=raw["id"],
            title=raw["title"],
            body=raw["body"] or "",
            state="open" if raw["state"] == "OPEN" else "closed",
            draft=raw["isDraft"],
            merged=raw["merged"],
            head_branch=raw["headRefName"],
            head_sha=raw["headRefOid"],
            base_branch=raw["baseRefName"],
            url=raw["url"],
            labels=tuple(node["name"] for node in _nodes(raw, "labels")),
            base_sha=raw["baseRefOid"],
        )
    except (KeyError, TypeError) as error:
        raise MalformedAnswerError from error


def repository(raw: Mapping[str, Any], *, name: str, branch: str) -> Repository:
    """Build a repository.

    Raises:
        RepositoryNotFoundError: it has no such branch, or no commit at all.
        MalformedAnswerError: a documented field is missing or of another kind.
    """
    try:
        default = raw["defaultBranchRef"]
        head = raw.get("ref") if branch else default
        if head is None or default is None:
            raise RepositoryNotFoundError(name, branch=branch or "(default)")
        return Repository(
            name=raw["nameWithOwner"],
            id=raw["id"],
            default_branch=default["name"],
            branch=head["name"],
            head_sha=head["target"]["oid"],
            private=raw["isPrivate"],
            url=raw["url"],
        )
    except (KeyError, TypeError) as error:
        raise MalformedAnswerError from error
