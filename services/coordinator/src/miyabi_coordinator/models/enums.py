"""The numbers of states, kinds and reasons; they equal those of the protos, which a test proves."""

from __future__ import annotations

from enum import IntEnum


class TaskKind(IntEnum):
    """What a task does, and what an agent can do."""

    TRIAGE = 1
    PLAN = 2
    IMPLEMENT = 3
    VERIFY = 4
    REVIEW = 5
    DOCUMENT = 6
    PULL_REQUEST = 7


class Pipeline(IntEnum):
    """Which steps the issues of a batch go through."""

    TRIAGE = 1
    FIX = 2
    REVIEW = 3


class TaskState(IntEnum):
    """Life of a task."""

    PENDING = 1
    READY = 2
    LEASED = 3
    BACKOFF = 4
    SUCCEEDED = 5
    FAILED = 6
    SKIPPED = 7
    CANCELLED = 8

    @property
    def terminal(self) -> bool:
        """Tell whether nothing follows."""
        return self >= TaskState.SUCCEEDED


class RunState(IntEnum):
    """Life of a run: one issue inside one batch."""

    PENDING = 1
    RUNNING = 2
    AWAITING_APPROVAL = 3
    SUCCEEDED = 4
    FAILED = 5
    SKIPPED = 6
    CANCELLED = 7

    @property
    def terminal(self) -> bool:
        """Tell whether nothing but a retry follows."""
        return self >= RunState.SUCCEEDED


class BatchState(IntEnum):
    """Life of a batch."""

    RUNNING = 1
    PAUSED = 2
    SUCCEEDED = 3
    FAILED = 4
    CANCELLED = 5

    @property
    def terminal(self) -> bool:
        """Tell whether nothing but a retry follows."""
        return self >= BatchState.SUCCEEDED


class ProblemKind(IntEnum):
    """What can stand in the way of a batch before it begins."""

    REPOSITORY_ARCHIVED = 1
    REPOSITORY_EMPTY = 2
    PERMISSION_MISSING = 3
    WORKFLOW_PERMISSION_MISSING = 4
    BRANCH_SHADOWED = 5
    BRANCH_FORBIDDEN = 6
    ISSUE_CLOSED = 7
    ISSUE_LOCKED = 8
    ISSUE_ASSIGNED = 9
    ISSUE_TRANSFERRED = 10
    PULL_REQUEST_OPEN = 11
    ISSUE_IN_BATCH = 12
    ISSUES_DISABLED = 13
    NO_TEST_COMMAND = 14
    TOOLCHAIN_MISSING = 15


class FailureReason(IntEnum):
    """Why a task or a run ended other than well; NONE where it did not."""

    NONE = 0
    AGENT_ERROR = 1
    DEADLINE = 2
    LEASE_EXPIRED = 3
    NO_CHANGE = 4
    TESTS_FAILED = 5
    REVIEW_FAILED = 6
    REVIEW_INCOMPLETE = 7
    BUDGET_EXHAUSTED = 8
    MODEL_UNAVAILABLE = 9
    MODEL_ANSWER = 10
    GITHUB = 11
    SANDBOX = 12
    NO_TEST_COMMAND = 13
    CANCELLED = 14
    APPROVAL_DECLINED = 15
    PREREQUISITE = 16
    FIX_ROUNDS_EXHAUSTED = 17
    GIT = 18
    ENVIRONMENT = 19
    TOOLCHAIN_MISSING = 20
    NO_PROGRESS = 21
    DUPLICATE = 22

    @classmethod
    def _missing_(cls, value: object) -> FailureReason | None:
        """Take a number that only a newer version knows, of an agent or from the store, for the most general reason."""
        return cls.AGENT_ERROR if isinstance(value, int) and value > 0 else None
