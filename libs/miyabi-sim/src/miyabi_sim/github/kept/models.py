"""What the simulated GitHub keeps: repositories, issues, pull requests, comments and labels."""

from __future__ import annotations

import base64
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any

#: Color that GitHub gives a label nobody colored.
DEFAULT_COLOR = "ededed"


def timestamp(seconds: float) -> str:
    """Return a moment the way GitHub writes it: UTC, whole seconds, `Z`."""
    return datetime.fromtimestamp(int(seconds), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def node_id(prefix: str, number: int) -> str:
    """Return an opaque, stable node id; the prefix names the kind as GitHub's ids do."""
    encoded = base64.urlsafe_b64encode(number.to_bytes(9, "big")).decode().rstrip("=")
    return f"{prefix}_{encoded}"


@dataclass(slots=True)
class Label:
    """A label of a repository."""

    id: int
    name: str
    color: str = DEFAULT_COLOR
    description: str = ""


def label_node_id(label: Label) -> str:
    """Return the node id of a label."""
    return node_id("LA", label.id)


@dataclass(slots=True)
class Comment:
    """A comment of an issue or pull request; `id` is unique in the whole simulated GitHub."""

    id: int
    author: str
    body: str
    created_at: str
    updated_at: str


@dataclass(slots=True)
class LineComment:
    """An inline comment of a review, on a line of the head."""

    path: str
    line: int
    body: str


@dataclass(slots=True)
class Review:
    """A review of a pull request; `id` is unique in the whole simulated GitHub."""

    id: int
    author: str
    body: str
    state: str  #: `COMMENTED`, `APPROVED` or `CHANGES_REQUESTED`
    commit_id: str
    submitted_at: str
    comments: list[LineComment] = field(default_factory=list)


@dataclass(slots=True)
class Event:
    """Something that happened to an issue or pull request; `id` is unique in the whole simulated GitHub."""

    id: int
    kind: str  #: GitHub's type of it, for example `LabeledEvent`
    actor: str
    created_at: str
    label: str = ""  #: that was set or taken off
    source: int = 0  #: what mentions it, in the same repository


@dataclass(slots=True, kw_only=True)
class Ruleset:
    """Rules for the branches whose full names match; only active ones are kept here.

    Args:
        id: Unique in the whole simulated GitHub.
        name: For people.
        include: Patterns of full names, `~ALL` or `~DEFAULT_BRANCH`; one must match.
        exclude: Patterns of which none may match.
        rules: GitHub's types of rules with their parameters, for example `{"type": "creation"}`.
        bypassed: Whether the one account may break them.
    """

    id: int
    name: str
    include: list[str] = field(default_factory=lambda: ["~ALL"])
    exclude: list[str] = field(default_factory=list)
    rules: list[dict[str, Any]] = field(default_factory=list)
    bypassed: bool = False


@dataclass(slots=True, kw_only=True)
class Issue:
    """An issue; labels are held by name and refer to the labels of the repository."""

    repository: str
    id: int
    number: int
    title: str
    body: str
    author: str
    created_at: str
    updated_at: str
    state: str = "open"
    closed_at: str | None = None
    locked: bool = False
    labels: list[str] = field(default_factory=list)
    assignees: list[str] = field(default_factory=list)
    milestone: str | None = None
    comments: list[Comment] = field(default_factory=list)
    sub_issues: list[int] = field(default_factory=list)
    blocked_by: list[int] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)


@dataclass(slots=True, kw_only=True)
class PullRequest(Issue):
    """A pull request: GitHub numbers and labels it like an issue."""

    head_ref: str
    head_sha: str
    base_ref: str
    base_sha: str
    draft: bool = False
    merged: bool = False
    head_repository: str = ""  #: `owner/name` of the fork that the head is in; empty: the same repository
    maintainer_can_modify: bool = False
    requested_reviewers: list[str] = field(default_factory=list)
    reviews: list[Review] = field(default_factory=list)


@dataclass(slots=True, kw_only=True)
class Repository:
    """A repository with everything in it; its commits live in a bare git repository beside the store."""

    id: int
    owner: str
    name: str
    default_branch: str = "main"
    private: bool = False
    created_at: str = ""
    archived: bool = False
    disabled: bool = False
    has_issues: bool = True
    fork_of: str = ""  #: `owner/name`; empty: it is no fork
    viewer_permission: str = "WRITE"  #: role of the one account: ADMIN, MAINTAIN, WRITE, TRIAGE or READ
    rulesets: list[Ruleset] = field(default_factory=list)
    moved: dict[str, str] = field(default_factory=dict)  #: number of a transferred issue → `owner/name#number`
    labels: list[Label] = field(default_factory=list)
    collaborators: dict[str, str] = field(default_factory=dict)
    items: dict[int, Issue] = field(default_factory=dict)

    @property
    def full_name(self) -> str:
        """Return `owner/name`."""
        return f"{self.owner}/{self.name}"

    def issue(self, number: int) -> Issue | None:
        """Return the issue of that number; a pull request is none."""
        found = self.items.get(number)
        return None if isinstance(found, PullRequest) else found

    def pull(self, number: int) -> PullRequest | None:
        """Return the pull request of that number."""
        found = self.items.get(number)
        return found if isinstance(found, PullRequest) else None

    def pulls(self) -> list[PullRequest]:
        """Return all pull requests, oldest first."""
        return [item for _, item in sorted(self.items.items()) if isinstance(item, PullRequest)]

    def label(self, name: str) -> Label | None:
        """Return a label by name; GitHub ignores the case."""
        wanted = name.casefold()
        return next((label for label in self.labels if label.name.casefold() == wanted), None)

    def labels_of(self, issue: Issue) -> list[Label]:
        """Return the labels of an issue in the order in which they were set."""
        return [label for label in map(self.label, issue.labels) if label is not None]

    def next_number(self) -> int:
        """Return the number of the next issue or pull request."""
        return max([*self.items, *map(int, self.moved)], default=0) + 1

    def role_of(self, login: str) -> str:
        """Return what an account may do: `admin`, `maintain`, `write`, `triage`, `read` or `none`."""
        if login.casefold() == self.owner.casefold():
            return "admin"
        return self.collaborators.get(login, "none" if self.private else "read")

    def header(self) -> dict[str, Any]:
        """Return what is stored of the repository itself, without its issues."""
        header = asdict(self)
        del header["items"]
        return header


def issue_from_json(raw: dict[str, Any]) -> Issue:
    """Return the issue or pull request that was stored.

    Raises:
        TypeError: if a field is missing or unknown, that is, the file is not one of ours.
    """
    comments = [Comment(**comment) for comment in raw.get("comments", [])]
    events = [Event(**event) for event in raw.get("events", [])]
    rebuilt: dict[str, Any] = {"comments": comments, "events": events}
    if "head_ref" not in raw:
        return Issue(**(raw | rebuilt))
    reviews = [
        Review(**(review | {"comments": [LineComment(**comment) for comment in review["comments"]]}))
        for review in raw.get("reviews", [])
    ]
    return PullRequest(**(raw | rebuilt | {"reviews": reviews}))


def repository_from_json(raw: dict[str, Any]) -> Repository:
    """Return the repository that was stored, without its issues.

    Raises:
        TypeError: if a field is missing or unknown, that is, the file is not one of ours.
    """
    labels = [Label(**label) for label in raw.get("labels", [])]
    rulesets = [Ruleset(**ruleset) for ruleset in raw.get("rulesets", [])]
    return Repository(**(raw | {"labels": labels, "rulesets": rulesets}))
