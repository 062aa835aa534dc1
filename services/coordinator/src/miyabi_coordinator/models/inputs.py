"""What can happen to a run from outside."""

from __future__ import annotations

from dataclasses import dataclass

from miyabi_coordinator.models.enums import FailureReason
from miyabi_coordinator.models.run import Usage


@dataclass(frozen=True, slots=True)
class LeaseGranted:
    """An agent has a free slot for a ready task."""

    task_id: str
    agent: str
    expires: float
    deadline: float
    reserve_usd_micros: int = 0


@dataclass(frozen=True, slots=True)
class PlannedStep:
    """One step of a plan, as far as the order needs it."""

    title: str
    depends_on: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Done:
    """A step brought a result; the facts that decisions need lie beside the opaque message.

    Args:
        field: Name in Results.
        value: The serialised message.
        passed: Verdict of verify or review.
        incomplete: The review has no verdict.
        files: Files of a change set.
        steps: Steps of a plan.
        merged_change: Change set that documentation completed.
    """

    field: str
    value: bytes
    passed: bool = True
    incomplete: bool = False
    files: int = 0
    steps: tuple[PlannedStep, ...] = ()
    merged_change: bytes = b""


@dataclass(frozen=True, slots=True)
class Failed:
    """A step did not work."""

    reason: FailureReason
    message: str = ""
    retryable: bool = False
    retry_after: float = 0.0


@dataclass(frozen=True, slots=True)
class Released:
    """A step was handed back unfinished; no attempt is counted."""

    message: str = ""


@dataclass(frozen=True, slots=True)
class OutcomeReceived:
    """An agent says what became of a lease."""

    task_id: str
    fence: int
    result: Done | Failed | Released
    usage: Usage


@dataclass(frozen=True, slots=True)
class LeaseExpired:
    """No heartbeat named the lease in time, or its deadline passed."""

    task_id: str
    fence: int


@dataclass(frozen=True, slots=True)
class BackoffElapsed:
    """A task may be tried again."""

    task_id: str


@dataclass(frozen=True, slots=True)
class BudgetRefused:
    """What is left of the batch's budget does not pay for the task."""

    task_id: str


@dataclass(frozen=True, slots=True)
class CancelRequested:
    """An operator cancelled the batch."""

    message: str = ""


@dataclass(frozen=True, slots=True)
class ApprovalDecided:
    """A person decided on the pull request."""

    approved: bool
    comment: str = ""


@dataclass(frozen=True, slots=True)
class RetryRequested:
    """An operator wants a failed or skipped run to run again."""

    waits_for: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class PrerequisiteEnded:
    """An issue of the same batch that this one waits for has ended."""

    issue: int
    succeeded: bool


Input = (
    LeaseGranted
    | OutcomeReceived
    | LeaseExpired
    | BackoffElapsed
    | BudgetRefused
    | CancelRequested
    | ApprovalDecided
    | RetryRequested
    | PrerequisiteEnded
)
