"""What GitHub says of a repository and its issues before work begins there, free of any wire format."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


@dataclass(frozen=True)
class Target:
    """What is to be worked on, and what will be written there."""

    repository: str  #: `owner/name`
    base_branch: str  #: empty: the default branch
    numbers: tuple[int, ...]
    writes_issues: bool
    writes_changes: bool
    review: bool  #: the numbers are pull requests

    @property
    def writes(self) -> bool:
        """Tell whether anything will be written."""
        return self.writes_issues or self.writes_changes


class CredentialKind(StrEnum):
    """What kind of credential GitHub is asked with: each tells its rights in another way."""

    APP = "the GitHub App"
    CLASSIC = "the classic token"
    FINE_GRAINED = "the token"  #: fine-grained, or of a workflow: GitHub tells no rights of it
    NONE = "nobody"


@dataclass(frozen=True)
class Rights:
    """What the credential may do, as far as GitHub tells."""

    kind: CredentialKind
    permissions: Mapping[str, str] = field(default_factory=dict)  #: of an App's installation, e.g. `contents`: `write`
    scopes: frozenset[str] = frozenset()  #: of a classic token
    role: str = ""  #: of the account in the repository, e.g. `WRITE`; empty where GitHub does not tell


@dataclass(frozen=True)
class BranchRule:
    """A rule that holds for branches of ours."""

    kind: str  #: GitHub's type, e.g. `creation`
    ruleset: str  #: its name or number, for people
    pattern: str = ""  #: of a rule on names
    operator: str = ""  #: how the pattern is meant, e.g. `starts_with`
    negate: bool = False


@dataclass(frozen=True)
class OpenPullRequest:
    """A pull request that is open."""

    number: int
    url: str
    author: str
    ours: bool


@dataclass(frozen=True)
class RepositoryFacts:
    """A repository; None where this GitHub does not tell."""

    name: str
    private: bool
    archived: bool
    closed_to_writes: bool | None  #: disabled, or locked while it moves
    empty: bool
    issues_enabled: bool | None
    shadowed: bool  #: a branch `miyabi` is there
    rights: Rights
    rules: tuple[BranchRule, ...] = ()  #: those that the credential cannot bypass
    ours: Mapping[int, OpenPullRequest] = field(default_factory=dict)  #: by issue, told by the head branch
    not_known: tuple[str, ...] = ()


@dataclass(frozen=True)
class Standing:
    """How an issue or a pull request stands."""

    number: int
    id: str
    is_pull_request: bool
    closed: bool
    locked: bool
    assignees: tuple[str, ...] = ()
    pull_requests: tuple[OpenPullRequest, ...] = ()  #: open ones that will close it
    more_pull_requests: int = 0  #: further ones that were not read
    unread_mentions: bool = False  #: more mentions than one page: a pull request may be among those that were not read
    moved_to: str = ""  #: `owner/name#number` where it was transferred


class ProblemKind(StrEnum):
    """Kinds of problem that GitHub can tell of; the values are the proto's."""

    REPOSITORY_ARCHIVED = "REPOSITORY_ARCHIVED"
    REPOSITORY_EMPTY = "REPOSITORY_EMPTY"
    PERMISSION_MISSING = "PERMISSION_MISSING"
    WORKFLOW_PERMISSION_MISSING = "WORKFLOW_PERMISSION_MISSING"
    BRANCH_SHADOWED = "BRANCH_SHADOWED"
    BRANCH_FORBIDDEN = "BRANCH_FORBIDDEN"
    ISSUE_CLOSED = "ISSUE_CLOSED"
    ISSUE_LOCKED = "ISSUE_LOCKED"
    ISSUE_ASSIGNED = "ISSUE_ASSIGNED"
    ISSUE_TRANSFERRED = "ISSUE_TRANSFERRED"
    PULL_REQUEST_OPEN = "PULL_REQUEST_OPEN"
    ISSUES_DISABLED = "ISSUES_DISABLED"


@dataclass(frozen=True)
class Problem:
    """Something that stands in the way, with what to do about it."""

    kind: ProblemKind
    message: str
    remedy: str
    number: int = 0  #: of the issue; 0: the repository
    may_be_overruled: bool = False


@dataclass(frozen=True)
class Findings:
    """What stands in the way, what could not be found out, and our open pull requests by their issues."""

    problems: tuple[Problem, ...]
    not_known: tuple[str, ...]
    ours: Mapping[int, OpenPullRequest] = field(default_factory=dict)
