"""The values: what a grant says, what a caller wants, and the branch that belongs to a task."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

#: Characters of a batch's id that stand in the name of a branch: two batches of one issue differ in them.
_BATCH_CHARACTERS = 10


class Write(StrEnum):
    """Kinds of write to GitHub."""

    LABELS = "labels"  #: labels of the issue
    COMMENT = "comment"  #: comments of ours at the issue
    PUSH = "push"  #: commits on the branch
    PULL_REQUEST = "pull_request"  #: the pull request of the branch
    ISSUE = "issue"  #: new issues


@dataclass(frozen=True, slots=True)
class Grant:
    """What the holder of one lease may write, and until when.

    Args:
        task: `batches/{ulid}/runs/{issue}/tasks/{id}`.
        fencing_token: Of the lease.
        agent: Id under which the holder is attached.
        repository: `owner/name`.
        issue: The only issue, from 1.
        writes: Kinds of write.
        branch: The only branch, without `refs/heads/`.
        base_branch: The only branch that a pull request may go to.
        not_before: When it begins; aware.
        expires: When it ends; aware.
    """

    task: str
    fencing_token: int
    agent: str
    repository: str
    issue: int
    writes: frozenset[Write]
    branch: str
    base_branch: str
    not_before: datetime
    expires: datetime


@dataclass(frozen=True, slots=True)
class Wanted:
    """A write that somebody asks for.

    Args:
        write: Its kind.
        repository: `owner/name`.
        issue: The issue that it changes; None: none.
        branch: The branch that it changes; None: none.
        base_branch: Where a pull request goes to; None: it is none.
    """

    write: Write
    repository: str
    issue: int | None = None
    branch: str | None = None
    base_branch: str | None = None


def branch_of(task: str) -> str:
    """Return the branch of a run: the same for every repeat, another for every batch.

    Args:
        task: `batches/{ulid}/runs/{issue}/tasks/{id}`.
    """
    _, batch, _, issue, *_ = task.split("/")
    return f"miyabi/issue-{issue}-{batch[-_BATCH_CHARACTERS:].lower()}"
