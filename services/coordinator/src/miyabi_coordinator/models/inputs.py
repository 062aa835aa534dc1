"""What can happen to a run from outside."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import field

from miyabi_coordinator.models.enums import FailureReason
from miyabi_coordinator.models.money import NO_FUNDS, Estimate, Funds
from miyabi_coordinator.models.run import Branch, SharedFiles, Usage
from miyabi_coordinator.models.value import Value


class LeaseGranted(Value, frozen=True):
    """An agent has a free slot for a ready task; money and estimates matter where there is a budget."""

    task_id: str
    agent: str
    expires: float
    deadline: float
    funds: Funds = NO_FUNDS
    estimates: Mapping[int, Estimate] = field(default_factory=dict)


class PlannedStep(Value, frozen=True):
    """One step of a plan, as far as the order needs it."""

    title: str
    depends_on: tuple[int, ...] = ()


class Judgement(Value, frozen=True):
    """Whether an issue asks for the same as another one, by a model that read both; `quote` is what shows it."""

    issue: int
    confirmed: bool
    quote: str = ""


class Done(Value, frozen=True):
    """A step brought a result; the facts that decisions need lie beside the opaque message.

    Args:
        field: Name in Results.
        value: The serialised message.
        passed: Verdict of verify or review.
        incomplete: The review has no verdict.
        files: Files of a change set.
        steps: Steps of a plan.
        merged_change: Change set that documentation completed.
        why: Why verify or review is no pass, in one sentence with its cause.
        asks: A person has to approve before the pull request.
        touches: Files that a plan is about, most likely first.
        pushed: The branch of a pull request.
        judged: Suspects that triage compared the issue with.
    """

    field: str
    value: bytes
    passed: bool = True
    incomplete: bool = False
    files: int = 0
    steps: tuple[PlannedStep, ...] = ()
    merged_change: bytes = b""
    why: str = ""
    asks: bool = False
    touches: tuple[str, ...] = ()
    pushed: Branch | None = None
    judged: tuple[Judgement, ...] = ()


class Failed(Value, frozen=True):
    """A step did not work."""

    reason: FailureReason
    message: str = ""
    retryable: bool = False
    retry_after: float = 0.0


class Released(Value, frozen=True):
    """A step was handed back unfinished; no attempt is counted."""

    message: str = ""


class OutcomeReceived(Value, frozen=True):
    """An agent says what became of a lease."""

    task_id: str
    fence: int
    result: Done | Failed | Released
    usage: Usage
    #: What conversations that were stopped had learnt, for the next one.
    learnt: str = ""


class LeaseExpired(Value, frozen=True):
    """No heartbeat named the lease in time, or its deadline passed."""

    task_id: str
    fence: int


class BackoffElapsed(Value, frozen=True):
    """A task may be tried again."""

    task_id: str


class CancelRequested(Value, frozen=True):
    """An operator cancelled the batch."""

    message: str = ""


class ApprovalDecided(Value, frozen=True):
    """A person decided on the pull request."""

    approved: bool
    comment: str = ""


class RetryRequested(Value, frozen=True):
    """An operator wants a failed or skipped run to run again; a run of another generation was retried already."""

    waits_for: tuple[int, ...] = ()
    generation: int = 1


class PrerequisiteEnded(Value, frozen=True):
    """An issue of the same batch that this one waits for has ended."""

    issue: int
    succeeded: bool


class OrderSettled(Value, frozen=True):
    """It is decided which issues of the batch a planned change waits for; none: it goes on."""

    shares: tuple[SharedFiles, ...] = ()


class WayFreed(Value, frozen=True):
    """An issue that a planned change waits for does not hold it up any more.

    Args:
        issue: That issue.
        how: What became of it, as a clause: `ended`.
        branch: Has its change, to start from; None where there is none.
    """

    issue: int
    how: str
    branch: Branch | None = None


Input = (
    LeaseGranted
    | OutcomeReceived
    | LeaseExpired
    | BackoffElapsed
    | CancelRequested
    | ApprovalDecided
    | RetryRequested
    | PrerequisiteEnded
    | OrderSettled
    | WayFreed
)
