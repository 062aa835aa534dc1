"""A batch with its runs and tasks as the newest event left it: an answer, with the events since laid over it."""

from __future__ import annotations

from dataclasses import dataclass, field

from google.protobuf.timestamp_pb2 import Timestamp

from miyabi.common.v1.task_kind_pb2 import TaskKind
from miyabi.coordinator.v1 import coordinator_service_pb2 as pb
from miyabi.coordinator.v1.batch_pb2 import Batch, IssueRun, Task
from miyabi.coordinator.v1.event_pb2 import BatchEvent, IssueHeading
from miyabi.coordinator.v1.state_pb2 import BatchState, RunState, TaskState

#: States of a task that it does not leave.
ENDED = frozenset(
    {
        TaskState.TASK_STATE_SUCCEEDED, TaskState.TASK_STATE_FAILED, TaskState.TASK_STATE_SKIPPED,
        TaskState.TASK_STATE_CANCELLED,
    }
)  # fmt: skip


@dataclass(slots=True)
class TaskView:
    """A task; times are seconds since 1970, 0 where there is none."""

    id: str
    kind: int
    state: int
    depends_on: tuple[str, ...] = ()
    agent: str = ""
    start: float = 0.0
    end: float = 0.0


@dataclass(slots=True)
class RunView:
    """A run; `changed` is cleared by whoever keeps something that was made of it."""

    number: int
    state: int
    title: str = ""
    depends_on: tuple[int, ...] = ()
    pull_request: str = ""
    start: float = 0.0
    end: float = 0.0
    tasks: dict[str, TaskView] = field(default_factory=dict)
    changed: bool = True


class BatchView:
    """A batch, from `GetBatch` on.

    Args:
        answer: Of `GetBatch`.
    """

    def __init__(self, answer: pb.GetBatchResponse) -> None:
        batch = answer.batch
        self.name = batch.name
        self.repository = batch.spec.repository
        self.state: int = batch.state
        self.sequence: int = batch.last_sequence
        self.start, self.end = _seconds(batch, "create_time"), _seconds(batch, "end_time")
        #: True where an event is missing: what is known is not all.
        self.has_gap = False
        self.runs = {run.issue_number: _run(run) for run in answer.runs}
        for result in answer.results:
            self.runs[result.issue_number].pull_request = result.pull_request_url

    def take(self, event: BatchEvent) -> None:
        """Lay an event over what is known; one that was known already changes nothing, transient ones neither."""
        if event.sequence <= self.sequence:
            return
        if event.sequence > self.sequence + 1:
            self.has_gap = True
        self.sequence = event.sequence
        payload = event.WhichOneof("payload")
        if payload == "batch_state_changed":
            self.state = event.batch_state_changed.to_state
        elif payload == "batch_finished":
            self.state, self.end = event.batch_finished.state, _moment(event.time)
        elif (run := self.runs.get(event.issue_number)) is not None:
            _TAKERS.get(payload or "", _nothing)(run, event)

    @property
    def state_name(self) -> str:
        """The state as ProtoJSON writes it."""
        return BatchState.Name(self.state)  # type: ignore[arg-type]  # what the proto has no name for cannot be stored


def accepted(event: BatchEvent) -> BatchView:
    """Return a batch from its first event, `batch_accepted`, before anything happened in it."""
    told = event.batch_accepted
    batch = Batch()
    batch.CopyFrom(told.batch)
    batch.last_sequence = event.sequence
    return BatchView(pb.GetBatchResponse(batch=batch, runs=[_heading(entry) for entry in told.issues]))


def _heading(heading: IssueHeading) -> IssueRun:
    """Return the run of an issue before its first task."""
    return IssueRun(
        issue_number=heading.number, title=heading.title, depends_on=heading.depends_on,
        state=RunState.RUN_STATE_PENDING,
    )  # fmt: skip


def _run(run: IssueRun) -> RunView:
    """Return a run as an answer tells it."""
    return RunView(
        number=run.issue_number, state=run.state, title=run.title, depends_on=tuple(run.depends_on),
        start=_seconds(run, "start_time"), end=_seconds(run, "end_time"),
        tasks={task.id: task for task in map(_task, run.tasks)},
    )  # fmt: skip


def _task(task: Task) -> TaskView:
    """Return a task as an answer or an event tells it."""
    return TaskView(
        id=task.name.rpartition("/")[2], kind=task.kind, state=task.state, depends_on=tuple(task.depends_on),
        agent=task.agent, start=_seconds(task, "start_time"), end=_seconds(task, "end_time"),
    )  # fmt: skip


def _add_tasks(run: RunView, event: BatchEvent) -> None:
    """Take tasks that were added."""
    for task in map(_task, event.tasks_added.tasks):
        run.tasks.setdefault(task.id, task)
    run.changed = True


def _move_task(run: RunView, event: BatchEvent) -> None:
    """Take a task's new state; the first tasks of a run are its pipeline's, and no event adds them."""
    change, moment = event.task_state_changed, _moment(event.time)
    task = run.tasks.setdefault(event.task_id, TaskView(event.task_id, event.task_kind, change.from_state))
    task.state, task.agent = change.to_state, change.agent or task.agent
    if change.to_state == TaskState.TASK_STATE_LEASED:
        task.start, task.end = moment, 0.0
    elif change.to_state in ENDED:
        task.end = moment
    run.changed = True


def _move_run(run: RunView, event: BatchEvent) -> None:
    """Take a run's new state; a retried run has ended no longer."""
    run.state = event.run_state_changed.to_state
    if run.state == RunState.RUN_STATE_PENDING:
        run.start = run.end = 0.0
        run.pull_request = ""
    elif run.state == RunState.RUN_STATE_RUNNING and not run.start:
        run.start = _moment(event.time)
    run.changed = True


def _finish(run: RunView, event: BatchEvent) -> None:
    """Take what became of a run."""
    run.state, run.end = event.issue_finished.state, _moment(event.time)
    run.pull_request = event.issue_finished.pull_request_url
    run.changed = True


def _nothing(run: RunView, event: BatchEvent) -> None:
    """Leave the run as it is: the event says nothing of states."""


_TAKERS = {
    "tasks_added": _add_tasks, "task_state_changed": _move_task, "run_state_changed": _move_run,
    "issue_finished": _finish,
}  # fmt: skip


def kind_name(kind: int) -> str:
    """Return a kind of task in small letters; one that this version does not know by its number."""
    known = kind in TaskKind.values()
    return TaskKind.Name(kind).removeprefix("TASK_KIND_").lower() if known else str(kind)  # type: ignore[arg-type]


def _moment(stamp: Timestamp) -> float:
    """Return seconds since 1970."""
    return stamp.seconds + stamp.nanos / 1e9


def _seconds(message: Batch | IssueRun | Task, name: str) -> float:
    """Return a time of a message; 0 where it has none."""
    return _moment(getattr(message, name))
