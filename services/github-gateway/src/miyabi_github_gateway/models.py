"""What the gateway reads and writes, free of any wire format."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import IntEnum, StrEnum
from functools import cached_property
from itertools import combinations

from miyabi_github_gateway.target_facts import Standing


@dataclass(frozen=True)
class Credential:
    """What GitHub is asked with.

    Its token is in no `repr`; `scope` names it without telling it: cache keys and budgets carry the scope.
    """

    token: str = field(repr=False)  #: empty: nothing is sent
    scope: str  #: for example `token:3f9a0c12` or `installation:4711`; safe in logs and keys


@dataclass(frozen=True)
class Mention:
    """What an event says that may start a batch."""

    repository: str
    number: int
    actor: str  #: who set the label or wrote the words
    time: datetime  #: when, by GitHub's clock


class StaleCause(IntEnum):
    """Why something was handed out though it is older than it should be; numbered as in the proto."""

    NONE = 0
    REVALIDATING = 1
    RATE_LIMITED = 2
    UNAVAILABLE = 3


class IssueField(StrEnum):
    """What of an issue is wanted beside the heading."""

    BODY = "BODY"
    LABELS = "LABELS"
    COMMENTS = "COMMENTS"
    PLANNING = "PLANNING"
    RELATIONS = "RELATIONS"
    TIMELINE = "TIMELINE"


class Kind(StrEnum):
    """What is read, and kept where it is not said otherwise."""

    ISSUE = "issue"
    PULL_REQUEST = "pull"
    REPOSITORY = "repository"
    STANDING = "standing"  #: how a number stands before work begins; never kept


#: Everything that is kept of a number or of a repository.
ALL_KINDS = frozenset(Kind) - {Kind.STANDING}


@dataclass(frozen=True)
class Comment:
    """A comment on an issue."""

    id: str
    author: str
    body: str
    create_time: datetime


class EventKind(StrEnum):
    """What happened to an issue; the values are those of the proto."""

    CLOSED = "CLOSED"
    REOPENED = "REOPENED"
    LABELED = "LABELED"
    UNLABELED = "UNLABELED"
    REFERENCED = "REFERENCED"


@dataclass(frozen=True)
class TimelineEvent:
    """Something that happened to an issue."""

    kind: EventKind
    actor: str  #: empty where the account is gone
    create_time: datetime
    label: str = ""  #: that was set or taken off
    reference: str = ""  #: `owner/name#number` of what mentions the issue


@dataclass(frozen=True)
class Issue:
    """An issue as GitHub has it; what was not asked for is empty."""

    number: int
    id: str
    title: str
    state: str
    url: str
    author: str
    create_time: datetime
    update_time: datetime
    body: str = ""
    labels: tuple[str, ...] = ()
    comments: tuple[Comment, ...] = ()
    assignees: tuple[str, ...] = ()
    milestone: str = ""
    blocked_by: tuple[int, ...] = ()
    sub_issues: tuple[int, ...] = ()
    timeline: tuple[TimelineEvent, ...] = ()


@dataclass(frozen=True)
class IssueAnswer:
    """An issue, or that there is none; `age` is set where it comes from the cache."""

    number: int
    issue: Issue | None = None
    age: timedelta | None = None
    error: str = ""
    cause: StaleCause = StaleCause.NONE


@dataclass(frozen=True)
class Repository:
    """A repository with the head of one of its branches."""

    name: str
    id: str
    default_branch: str
    branch: str
    head_sha: str
    private: bool
    url: str


@dataclass(frozen=True)
class Label:
    """A label with what it needs to be created."""

    name: str
    color: str = "ededed"
    description: str = ""


@dataclass(frozen=True)
class PullRequest:
    """A pull request as GitHub has it."""

    number: int
    id: str
    title: str
    body: str
    state: str
    draft: bool
    merged: bool
    head_branch: str
    head_sha: str
    base_branch: str
    url: str
    labels: tuple[str, ...] = ()
    base_sha: str = ""  #: commit of the base branch that GitHub compares with


@dataclass(frozen=True)
class NewPullRequest:
    """A pull request to open."""

    head_branch: str
    base_branch: str
    title: str
    body: str
    draft: bool = True
    labels: tuple[Label, ...] = ()
    reviewers: tuple[str, ...] = ()
    only_one: bool = False  #: refuse it where another branch of ours has one for the same issue


@dataclass(frozen=True)
class WrittenPullRequest:
    """A pull request after it was written."""

    pull_request: PullRequest
    created: bool
    notes: tuple[str, ...] = ()  #: what is to be known of it, a sentence each


@dataclass(frozen=True)
class LineComment:
    """An inline comment of a review."""

    path: str
    line: int  #: of the head's file, from 1
    body: str


@dataclass(frozen=True)
class NewReview:
    """A review to write."""

    marker: str
    body: str
    commit_sha: str  #: head that was looked at
    comments: tuple[LineComment, ...] = ()


@dataclass(frozen=True)
class WrittenReview:
    """A review after it was written."""

    url: str
    created: bool
    notes: tuple[str, ...] = ()  #: what is to be known of it, a sentence each


@dataclass(frozen=True)
class IssueSearch:
    """Which issues are looked for."""

    labels: tuple[str, ...] = ()
    state: str = "open"  #: open, closed or all
    milestone: str = ""
    assignee: str = ""
    text: str = ""
    limit: int = 100
    fields: frozenset[IssueField] = frozenset()


@dataclass(frozen=True)
class IssuePage:
    """Some of the issues that were looked for."""

    issues: tuple[Issue, ...]
    more: bool = False  #: the limit is reached, and further issues match, or may


#: What can be read by itself and is kept; a standing is only read.
Value = Issue | Repository | PullRequest | Standing


@dataclass(frozen=True)
class Shape:
    """What is asked of a thing; things of one shape travel in one query."""

    kind: Kind
    fields: frozenset[IssueField] = frozenset()

    @cached_property
    def code(self) -> str:
        """Return a short name for keys and metrics, for example `issue.BL`."""
        letters = "".join(sorted(name.value[0] for name in self.fields))
        return f"{self.kind.value}.{letters}" if letters else self.kind.value


@dataclass(frozen=True)
class Read:
    """One thing that is wanted."""

    repository: str  #: `owner/name`, as the caller spells it
    shape: Shape
    number: int = 0  #: of an issue or pull request
    name: str = ""  #: branch, where a repository is read with the head of another than its default branch

    def __hash__(self) -> int:
        return hash((self.repository, self.number, self.name))

    @property
    def owner(self) -> str:
        """Account of the repository."""
        return self.repository.partition("/")[0]

    def key(self, scope: str) -> str:
        """Return the cache's name for it; GitHub ignores the case of repositories, so does the key."""
        return f"{scope}:{self.repository.casefold()}:{self.shape.code}:{self.number or self.name}"


@dataclass(frozen=True)
class Change:
    """Something at GitHub that is not what it was."""

    repository: str
    number: int = 0  #: 0: anything of the repository
    kinds: frozenset[Kind] = ALL_KINDS

    def keys(self, scope: str) -> list[str]:
        """Return every key that may hold what has changed; of a whole repository they cannot be listed."""
        shapes = [shape for shape in NUMBERED_SHAPES if shape.kind in self.kinds] if self.number else []
        return [Read(self.repository, shape, self.number).key(scope) for shape in shapes]


#: Every shape of a thing with a number.
NUMBERED_SHAPES = (
    Shape(Kind.PULL_REQUEST),
    *(
        Shape(Kind.ISSUE, frozenset(chosen))
        for size in range(len(IssueField) + 1)
        for chosen in combinations(IssueField, size)
    ),
)


@dataclass(frozen=True)
class Entry:
    """A value with when it was read."""

    value: Value
    read_at: float  #: seconds since the epoch


@dataclass(frozen=True)
class Answer:
    """A value, or that there is none; `age` is set where it comes from the cache."""

    value: Value | None
    age: timedelta | None = None
    cause: StaleCause = StaleCause.NONE

    @property
    def stale(self) -> bool:
        """Tell whether it is older than it should be."""
        return self.cause is not StaleCause.NONE


@dataclass(frozen=True)
class RateLimit:
    """What is left of one of GitHub's limits, or of one of ours for a repository."""

    resource: str
    limit: int  #: 0: none
    remaining: int  #: -1: not known yet
    used: int = 0
    window: timedelta | None = None
    reset_time: datetime | None = None
    blocked_until_time: datetime | None = None
    observe_time: datetime | None = None
    exhaust_time: datetime | None = None  #: at the pace of the last minutes; None: not before it starts anew
    repository: str = ""
