"""What happened: the domain's events, and a transition with everything that its commit changes."""

from __future__ import annotations

from msgspec import field

from miyabi_coordinator.models.enums import RunState, TaskState
from miyabi_coordinator.models.money import NO_BUDGET, Budget
from miyabi_coordinator.models.run import Run, SharedFiles, Task, Usage
from miyabi_coordinator.models.value import Value


class TaskChanged(Value, frozen=True):
    """A task changed its state."""

    before: TaskState
    task: Task
    spent: Usage | None = None


class RunChanged(Value, frozen=True):
    """A run changed its state."""

    before: RunState
    run: Run


class TasksAdded(Value, frozen=True):
    """Tasks were added to a run."""

    tasks: tuple[Task, ...]
    fix_round: int


class ResultRecorded(Value, frozen=True):
    """A step's result is part of the run."""

    task: Task
    field: str
    value: bytes


class IssueFinished(Value, frozen=True):
    """A run ended."""

    run: Run


class BudgetWarned(Value, frozen=True):
    """80 % of an issue's budget is spent."""

    limit: Budget
    spent: Usage


class ApprovalRecorded(Value, frozen=True):
    """A person decided."""

    approved: bool
    comment: str


class RunOrdered(Value, frozen=True):
    """A run waits for others that touch the same files, or goes on; `message` is one sentence on it."""

    shares: tuple[SharedFiles, ...]
    message: str


class Encoded(Value, frozen=True):
    """Something that an agent reported and that is relayed as it is: a serialised event without its sequence."""

    value: bytes


Fact = (
    TaskChanged
    | RunChanged
    | TasksAdded
    | ResultRecorded
    | IssueFinished
    | BudgetWarned
    | ApprovalRecorded
    | RunOrdered
    | Encoded
)


class Enqueued(Value, frozen=True):
    """A task is ready; `needs_slot` where its run is not in flight yet."""

    task_id: str
    kind: int
    needs_slot: bool


class Guards(Value, frozen=True):
    """What the whole batch must allow at the moment of the commit."""

    running: bool = False
    slot: bool = False
    parallel: bool = False
    reserve: Budget = NO_BUDGET
    unended: bool = False


#: Nothing of the batch matters.
NO_GUARDS = Guards()


class Effects(Value, frozen=True):
    """What the commit changes beside the run; computed from the run before and after, so that nothing is forgotten."""

    enqueue: tuple[Enqueued, ...] = ()
    dequeue: tuple[Enqueued, ...] = ()
    leases_set: tuple[Task, ...] = ()
    leases_cleared: tuple[Task, ...] = ()
    timers_set: tuple[tuple[str, float], ...] = ()
    timers_cleared: tuple[str, ...] = ()
    counters: dict[str, int] = field(default_factory=dict)
    ended: bool = False


#: The queues stay as they are.
NO_EFFECTS = Effects()


class Decision(Value, frozen=True):
    """A transition: the run after it, what happened, what changes, what must hold. `changed` is false for a refusal."""

    run: Run
    facts: tuple[Fact, ...] = ()
    effects: Effects = NO_EFFECTS
    guards: Guards = NO_GUARDS
    changed: bool = True
    refusal: str = ""
