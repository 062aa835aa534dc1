"""Compares a run before and after: what changed in queues, leases, timers and counters follows from that alone."""

from __future__ import annotations

from collections.abc import Iterator

from miyabi_coordinator.models import (
    NO_BUDGET,
    NO_USAGE,
    Effects,
    Enqueued,
    Fact,
    IssueFinished,
    Run,
    RunChanged,
    RunState,
    Task,
    TaskChanged,
    TaskState,
)

#: Name of each run state among the batch's counters.
COUNTER_OF_STATE = {
    RunState.PENDING: "pending",
    RunState.RUNNING: "running",
    RunState.AWAITING_APPROVAL: "awaiting_approval",
    RunState.SUCCEEDED: "succeeded",
    RunState.FAILED: "failed",
    RunState.SKIPPED: "skipped",
    RunState.CANCELLED: "cancelled",
}
#: Names of the fields of Usage among the batch's counters, in its order.
SPENT_COUNTERS = (
    "spent_input_tokens",
    "spent_output_tokens",
    "spent_cache_write_tokens",
    "spent_cache_read_tokens",
    "spent_cost_usd_micros",
    "spent_calls",
)


#: Each task that a transition changed, with what it was.
Changed = list[tuple[Task, Task]]


def effects_of(before: Run | None, after: Run, changed: Changed | None = None) -> Effects:
    """Return what a commit of *after* changes beside the run itself; *before* is None for a new run."""
    pairs = changed_tasks(before, after) if changed is None else changed
    return Effects(
        enqueue=tuple(_enqueued(pairs, after)),
        dequeue=tuple(_dequeued(pairs, before)),
        leases_set=tuple(new for old, new in pairs if _entered(old, new, TaskState.LEASED)),
        leases_cleared=tuple(old for old, new in pairs if _left(old, new, TaskState.LEASED)),
        timers_set=(
            *((backoff_timer(after, new), new.ready_at) for old, new in pairs if _entered(old, new, TaskState.BACKOFF)),
            *_ordering(before, after),
        ),
        timers_cleared=tuple(backoff_timer(after, old) for old, new in pairs if _left(old, new, TaskState.BACKOFF)),
        counters=_counters(before, after, pairs),
        ended=after.state.terminal and (before is None or not before.state.terminal),
    )


def changes_of(before: Run, after: Run, changed: Changed) -> Iterator[Fact]:
    """Yield a fact for each state that changed, tasks first."""
    for old, new in changed:
        if old.state is not new.state:
            spent = new.spent - old.spent if old.state is TaskState.LEASED else None
            yield TaskChanged(old.state, new, spent)
    if before.state is not after.state:
        yield RunChanged(before.state, after)
        if after.state.terminal:
            yield IssueFinished(after)


def _ordering(before: Run | None, after: Run) -> Iterator[tuple[str, float]]:
    """Yield what is to be done at once about the order of changes; the version makes each entry's name its own."""
    name = f"{after.batch}|{after.issue}|{after.version}"
    if after.settling and not (before and before.settling):
        yield f"order|{name}", after.planned
    left = before is not None and before.state is RunState.RUNNING and after.state is not RunState.RUNNING
    if left and after.planned and after.state is not RunState.CANCELLED:
        yield f"left|{name}", after.planned


def backoff_timer(run: Run, task: Task) -> str:
    """Return the name of the timer that ends a task's backoff."""
    return f"backoff|{run.batch}|{run.issue}|{task.id}"


def changed_tasks(before: Run | None, after: Run) -> Changed:
    """Return each task that is not what it was, with what it was; a new one was PENDING."""
    known = {task.id: task for task in before.tasks} if before else {}
    pairs = ((known.get(task.id), task) for task in after.tasks)
    return [(old or Task(new.id, new.kind), new) for old, new in pairs if old is not new]


def _entered(old: Task, new: Task, state: TaskState) -> bool:
    return new.state is state and old.state is not state


def _left(old: Task, new: Task, state: TaskState) -> bool:
    return old.state is state and new.state is not state


def _enqueued(pairs: list[tuple[Task, Task]], run: Run) -> Iterator[Enqueued]:
    """Yield what became ready."""
    for old, new in pairs:
        if _entered(old, new, TaskState.READY):
            yield Enqueued(new.id, int(new.kind), needs_slot=run.state is not RunState.RUNNING)


def _dequeued(pairs: list[tuple[Task, Task]], before: Run | None) -> Iterator[Enqueued]:
    """Yield what is no longer ready, as it was queued."""
    for old, new in pairs:
        if before is not None and _left(old, new, TaskState.READY):
            yield Enqueued(old.id, int(old.kind), needs_slot=before.state is not RunState.RUNNING)


def _counters(before: Run | None, after: Run, pairs: list[tuple[Task, Task]]) -> dict[str, int]:
    """Return how much each counter of the batch grows."""
    deltas: dict[str, int] = {}
    if before is None or before.state is not after.state:
        deltas[COUNTER_OF_STATE[after.state]] = 1
        if before is not None:
            deltas[COUNTER_OF_STATE[before.state]] = -1
    reserved = after.kept - (before.kept if before else NO_BUDGET)
    leased = 0
    for old, new in pairs:
        leased += (new.state is TaskState.LEASED) - (old.state is TaskState.LEASED)
        reserved += new.reserved - old.reserved
    deltas |= {"leased": leased, "reserved": reserved.usd_micros, "reserved_tokens": reserved.tokens}
    if before is None or before.spent is not after.spent:
        spent = after.spent - (before.spent if before else NO_USAGE)
        deltas |= zip(SPENT_COUNTERS, spent.values(), strict=True)
    return {name: value for name, value in deltas.items() if value}
