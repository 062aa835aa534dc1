"""The story of a batch as intervals: when each task was ready, leased and done, and what held each run up."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

from miyabi.coordinator.v1.event_pb2 import BatchEvent
from miyabi.coordinator.v1.state_pb2 import BatchState, RunState, TaskState
from miyabi_dashboard.monitor.measuring.reading import kind_of

#: States of a batch that are its end.
_ENDED = frozenset({BatchState.BATCH_STATE_SUCCEEDED, BatchState.BATCH_STATE_FAILED, BatchState.BATCH_STATE_CANCELLED})


@dataclass(slots=True)
class Attempt:
    """One lease of a task; times are seconds since 1970."""

    ready: float
    leased: float = 0.0
    ended: float = 0.0
    state: int = TaskState.TASK_STATE_LEASED
    needs_slot: bool = False
    agent: str = ""
    #: Seconds by tool or model during the attempt.
    calls: defaultdict[str, float] = field(default_factory=lambda: defaultdict(float))
    #: Seconds of model calls during the attempt.
    model_seconds: float = 0.0


@dataclass(slots=True)
class TaskStory:
    """A task of a run."""

    id: str
    kind: str
    depends_on: tuple[str, ...] = ()
    fix_round: int = 0
    #: The task whose end brought this one about; empty for those that a run begins with.
    added_by: str = ""
    attempts: list[Attempt] = field(default_factory=list)
    #: When it became ready and was not leased since; 0 where it was.
    ready: float = 0.0
    state: int = TaskState.TASK_STATE_PENDING
    ended: float = 0.0


@dataclass(slots=True)
class RunStory:
    """An issue's run."""

    issue: int
    depends_on: tuple[int, ...] = ()
    tasks: dict[str, TaskStory] = field(default_factory=dict)
    state: int = RunState.RUN_STATE_PENDING
    ended: float = 0.0
    files: tuple[str, ...] = ()
    duplicate: bool = False
    #: When the run began to wait for a person, and until when.
    asked: float = 0.0
    answered: float = 0.0
    retried: bool = False


@dataclass
class History:
    """A batch's log as intervals.

    Attributes:
        name: `batches/{ulid}`.
        accepted: When it was accepted; the end is its newest event's time while it has not ended.
        concurrency: Issues in flight at once.
        parallel: Leased tasks at once.
        running: Moments at which the number of runs in flight changed, with the new number.
        leased: The same of leased tasks.
        paused: Intervals in which no lease was given.
    """

    name: str = ""
    repository: str = ""
    accepted: float = 0.0
    ended: float = 0.0
    finished: bool = False
    concurrency: int = 1
    parallel: int = 1
    ordered: bool = False
    runs: dict[int, RunStory] = field(default_factory=dict)
    running: list[tuple[float, int]] = field(default_factory=list)
    leased: list[tuple[float, int]] = field(default_factory=list)
    paused: list[tuple[float, float]] = field(default_factory=list)

    @property
    def most_leased(self) -> int:
        """Tasks that were leased at once, at most."""
        return max((count for _, count in self.leased), default=0)


def read_history(events: Iterable[BatchEvent]) -> History:
    """Return the story of a batch from its committed events, oldest first."""
    history = History()
    for event in events:
        tell(history, event)
    return history


def tell(history: History, event: BatchEvent) -> None:
    """Go on with a story by the next committed event."""
    moment = event.time.seconds + event.time.nanos / 1e9
    history.ended = max(history.ended, moment)
    reading = _READINGS.get(event.WhichOneof("payload") or "")
    if reading:
        reading(history, event, moment)


def _accepted(history: History, event: BatchEvent, moment: float) -> None:
    """Note what was asked for; what waits for no other issue is ready at once."""
    spec = event.batch_accepted.batch.spec
    history.name, history.repository, history.accepted = event.batch, spec.repository, moment
    history.concurrency, history.parallel = max(1, spec.concurrency), max(1, spec.max_parallel_tasks)
    history.ordered = spec.grouping and not spec.dry_run
    for issue in event.batch_accepted.issues:
        waits = tuple(issue.depends_on)
        duplicate = bool(issue.duplicate_of)
        history.runs[issue.number] = RunStory(issue.number, waits, duplicate=duplicate)


def _batch_changed(history: History, event: BatchEvent, moment: float) -> None:
    """Note pauses and the end; a batch that is retried goes on."""
    change = event.batch_state_changed
    if change.to_state == BatchState.BATCH_STATE_PAUSED:
        history.paused.append((moment, float("inf")))
    elif change.from_state == BatchState.BATCH_STATE_PAUSED and history.paused:
        history.paused[-1] = (history.paused[-1][0], moment)
    history.finished = change.to_state in _ENDED


def _run_changed(history: History, event: BatchEvent, moment: float) -> None:
    """Note the runs in flight, and what a person was asked."""
    change, run = event.run_state_changed, _run(history, event)
    run.state = change.to_state
    delta = (change.to_state == RunState.RUN_STATE_RUNNING) - (change.from_state == RunState.RUN_STATE_RUNNING)
    if delta:
        history.running.append((moment, (history.running[-1][1] if history.running else 0) + delta))
    if change.to_state == RunState.RUN_STATE_AWAITING_APPROVAL:
        run.asked = moment
    if change.to_state >= RunState.RUN_STATE_SUCCEEDED:
        run.ended = moment
    if change.from_state >= RunState.RUN_STATE_SUCCEEDED:
        run.retried, run.ended = True, 0.0


def _approved(history: History, event: BatchEvent, moment: float) -> None:
    """Note when a person answered."""
    _run(history, event).answered = moment


def _planned(history: History, event: BatchEvent, moment: float) -> None:
    """Note the files that the plan names first."""
    del moment
    _run(history, event).files = tuple(event.plan_recorded.files)


def _added(history: History, event: BatchEvent, moment: float) -> None:
    """Note new tasks; whose end brought them about is told by the task that ends at the same moment."""
    run = _run(history, event)
    for task in event.tasks_added.tasks:
        identifier = task.name.rpartition("/")[2]
        kind = kind_of(BatchEvent(task_kind=task.kind))
        added = TaskStory(identifier, kind, tuple(task.depends_on), event.tasks_added.fix_round, added_by="?")
        run.tasks[identifier] = added
        if task.state == TaskState.TASK_STATE_READY:
            added.ready = moment


def _task_changed(history: History, event: BatchEvent, moment: float) -> None:
    """Note an attempt's beginning or end."""
    change, run = event.task_state_changed, _run(history, event)
    task = run.tasks.get(event.task_id)
    if task is None:
        task = run.tasks[event.task_id] = TaskStory(event.task_id, kind_of(event))
        _after_the_first(run, task)
    task.state = change.to_state
    if change.from_state == TaskState.TASK_STATE_LEASED:
        _end_attempt(history, run, task, moment)
    if change.to_state == TaskState.TASK_STATE_READY:
        task.ready = moment
    elif change.to_state == TaskState.TASK_STATE_LEASED:
        needs_slot = run.state != RunState.RUN_STATE_RUNNING
        ready = task.ready or history.accepted
        task.attempts.append(Attempt(ready, moment, needs_slot=needs_slot, agent=change.agent))
        task.ready = 0.0
        _count_leases(history, moment, 1)
    elif change.to_state >= TaskState.TASK_STATE_SUCCEEDED:
        task.ended = moment


def _after_the_first(run: RunStory, task: TaskStory) -> None:
    """Have a plan follow its triage: of the tasks that a run begins with nothing tells the order."""
    if task.kind == "plan":
        task.depends_on = tuple(other.id for other in run.tasks.values() if other.kind == "triage")[-1:]


def _end_attempt(history: History, run: RunStory, task: TaskStory, moment: float) -> None:
    """End the newest attempt; the tasks that were added just before are its work."""
    _count_leases(history, moment, -1)
    if task.attempts:
        attempt = task.attempts[-1]
        attempt.ended, attempt.state = moment, task.state
    if task.state in {TaskState.TASK_STATE_SUCCEEDED, TaskState.TASK_STATE_FAILED}:
        for added in run.tasks.values():
            if added.added_by == "?":
                added.added_by = task.id


def _called(history: History, event: BatchEvent, moment: float) -> None:
    """Add a call to the attempt that made it."""
    del moment
    task = _run(history, event).tasks.get(event.task_id)
    if task is None or not task.attempts:
        return
    call = event.tool_invocation
    seconds = call.duration.seconds + call.duration.nanos / 1e9
    task.attempts[-1].calls[call.model or call.tool] += seconds
    if call.model:
        task.attempts[-1].model_seconds += seconds


def _count_leases(history: History, moment: float, delta: int) -> None:
    """Note how many tasks are leased now."""
    history.leased.append((moment, (history.leased[-1][1] if history.leased else 0) + delta))


def _run(history: History, event: BatchEvent) -> RunStory:
    """Return the run of an event."""
    return history.runs.setdefault(event.issue_number, RunStory(event.issue_number))


_READINGS = {
    "batch_accepted": _accepted,
    "batch_state_changed": _batch_changed,
    "run_state_changed": _run_changed,
    "approval_resolved": _approved,
    "plan_recorded": _planned,
    "tasks_added": _added,
    "task_state_changed": _task_changed,
    "tool_invocation": _called,
}
