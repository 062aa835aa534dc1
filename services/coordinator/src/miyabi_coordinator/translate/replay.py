"""Rebuilds a batch from its event log alone, and says where the log and the stored state disagree."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from miyabi.coordinator.v1 import batch_pb2, event_pb2
from miyabi_coordinator.decide.effects import COUNTER_OF_STATE
from miyabi_coordinator.decide.pipeline import first_tasks
from miyabi_coordinator.models import BatchState, Pipeline, RunState, TaskKind, TaskState, Usage
from miyabi_coordinator.models.lifecycle import BATCH_MOVES, RUN_MOVES, TASK_MOVES
from miyabi_coordinator.translate.values import usage_of


@dataclass(frozen=True, slots=True)
class RebuiltTask:
    """A task as its events tell it."""

    id: str
    kind: TaskKind
    state: TaskState = TaskState.PENDING
    depends_on: tuple[str, ...] = ()
    attempt: int = 0
    fix_round: int = 0
    agent: str = ""
    spent: Usage = field(default_factory=Usage)


@dataclass(slots=True)
class RebuiltRun:
    """A run as its events tell it; `finished` counts its `issue_finished` events since the last retry."""

    issue: int
    state: RunState
    tasks: dict[str, RebuiltTask]
    spent: Usage = field(default_factory=Usage)
    fix_rounds: int = 0
    generation: int = 1
    finished: int = 0


@dataclass(slots=True)
class Rebuilt:
    """A batch as its log tells it; `problems` are what no log may have, empty for a good one."""

    batch: str = ""
    state: BatchState = BatchState.RUNNING
    runs: dict[int, RebuiltRun] = field(default_factory=dict)
    spent: Usage = field(default_factory=Usage)
    last_sequence: int = 0
    ended: bool = False
    problems: list[str] = field(default_factory=list)

    @property
    def counters(self) -> Counter[str]:
        """Runs by the name of their state's counter."""
        return Counter(COUNTER_OF_STATE[run.state] for run in self.runs.values())


def rebuild(events: Iterable[event_pb2.BatchEvent], *, onto: Rebuilt | None = None) -> Rebuilt:
    """Return the batch that committed events, in order and from the first one, tell of; transient ones do not count.

    Problems that it names: a gap or repeat in the sequence, a state that does not follow from the one before, a task
    that was leased before its prerequisites succeeded, an event of an issue or task that nobody told of.

    Args:
        events: In order; the first one is sequence 1 unless there is an *onto*.
        onto: What earlier events were rebuilt to; it is changed. Default: nothing.
    """
    rebuilt = onto or Rebuilt()
    for event in events:
        if not event.sequence:
            continue
        if event.sequence != rebuilt.last_sequence + 1:
            rebuilt.problems.append(f"sequence {event.sequence} follows {rebuilt.last_sequence}")
        rebuilt.last_sequence = event.sequence
        _take(rebuilt, event)
    return rebuilt


def differences(rebuilt: Rebuilt, *, batch: batch_pb2.Batch, runs: Iterable[batch_pb2.IssueRun]) -> list[str]:
    """Return where the rebuilt batch differs from the stored one (GetBatch), which may not have moved on since.

    The counters and spend of the stored batch are compared with a recount of its runs, too.
    """
    stored = list(runs)
    found = list(rebuilt.problems)
    recount = Counter(COUNTER_OF_STATE[RunState(run.state)] for run in stored)
    counted = {name: getattr(batch.counters, name) for name in COUNTER_OF_STATE.values()}
    recounted = {name: recount[name] for name in counted}
    told = {name: rebuilt.counters[name] for name in counted}
    spent = sum((usage_of(run.spent) for run in stored), Usage())
    pairs = [
        ("batch", batch.name, rebuilt.batch),
        ("state", BatchState(batch.state), rebuilt.state),
        ("counters against a recount", counted, recounted),
        ("counters against the log", counted, told),
        ("spend against a recount", usage_of(batch.spent), spent),
        ("spend against the log", usage_of(batch.spent), rebuilt.spent),
        ("last sequence", batch.last_sequence, rebuilt.last_sequence),
        ("issues", [run.issue_number for run in stored], list(rebuilt.runs)),
    ]
    found.extend(f"{name}: stored {mine!r}, found {other!r}" for name, mine, other in pairs if mine != other)
    for run in stored:
        if run.issue_number in rebuilt.runs:
            found.extend(_run_differences(run, rebuilt.runs[run.issue_number]))
    return found


def _run_differences(stored: batch_pb2.IssueRun, told: RebuiltRun) -> list[str]:
    """Return where one run differs."""
    tasks = [
        (
            task.name.rsplit("/", 1)[1],
            TaskState(task.state),
            tuple(task.depends_on),
            task.attempt,
            task.fix_round,
            task.agent,
            usage_of(task.spent),
        )
        for task in stored.tasks
    ]
    others = [
        (task.id, task.state, task.depends_on, task.attempt, task.fix_round, task.agent, task.spent)
        for task in told.tasks.values()
    ]
    pairs = [
        ("state", RunState(stored.state), told.state),
        ("spend", usage_of(stored.spent), told.spent),
        ("fix rounds", stored.fix_rounds, told.fix_rounds),
        ("end told", int(RunState(stored.state).terminal), told.finished),
        ("tasks", tasks, others),
    ]
    return [
        f"issue {told.issue}, {name}: stored {mine!r}, log {other!r}" for name, mine, other in pairs if mine != other
    ]


def _take(rebuilt: Rebuilt, event: event_pb2.BatchEvent) -> None:
    """Apply one event."""
    match event.WhichOneof("payload"):
        case "batch_accepted":
            _accept(rebuilt, event)
        case "batch_state_changed":
            _move_batch(rebuilt, event.batch_state_changed)
        case "batch_finished":
            rebuilt.ended = True
            if BatchState(event.batch_finished.state) is not rebuilt.state:
                rebuilt.problems.append(f"{event.sequence}: finished as {event.batch_finished.state}")
        case "run_state_changed" | "task_state_changed" | "tasks_added" | "issue_finished" as payload:
            run = rebuilt.runs.get(event.issue_number)
            if run is None:
                rebuilt.problems.append(f"{event.sequence}: issue {event.issue_number} is none of the batch")
            elif payload == "tasks_added":
                _add(run, event.tasks_added)
            elif payload == "issue_finished":
                run.finished += 1
            elif payload == "run_state_changed":
                _move_run(rebuilt, run, event)
            else:
                _move_task(rebuilt, run, event)
        case _:
            pass


def _accept(rebuilt: Rebuilt, event: event_pb2.BatchEvent) -> None:
    """Start with the runs of a new batch: a run whose issue waits for no other has its first task ready."""
    accepted = event.batch_accepted
    rebuilt.batch = event.batch
    pipeline = Pipeline(accepted.batch.spec.pipeline)
    for heading in accepted.issues:
        tasks = {task.id: RebuiltTask(task.id, task.kind, depends_on=task.depends_on) for task in first_tasks(pipeline)}
        first = next(iter(tasks.values()))
        if not heading.depends_on:
            tasks[first.id] = replace(first, state=TaskState.READY)
        rebuilt.runs[heading.number] = RebuiltRun(heading.number, RunState.PENDING, tasks)


def _move_batch(rebuilt: Rebuilt, changed: event_pb2.BatchStateChanged) -> None:
    """Change the batch's state."""
    before, after = BatchState(changed.from_state), BatchState(changed.to_state)
    if before is not rebuilt.state or after not in BATCH_MOVES[before]:
        rebuilt.problems.append(f"batch {rebuilt.state.name}: {before.name} to {after.name}")
    rebuilt.state, rebuilt.ended = after, False


def _add(run: RebuiltRun, added: event_pb2.TasksAdded) -> None:
    """Add tasks; that one of them is ready at once is an event of its own."""
    run.fix_rounds = max(run.fix_rounds, added.fix_round)
    for task in added.tasks:
        name = task.name.rsplit("/", 1)[1]
        run.tasks[name] = RebuiltTask(
            name, TaskKind(task.kind), depends_on=tuple(task.depends_on), fix_round=task.fix_round
        )


def _move_run(rebuilt: Rebuilt, run: RebuiltRun, event: event_pb2.BatchEvent) -> None:
    """Change a run's state; a retry begins its rounds anew."""
    changed = event.run_state_changed
    before, after = RunState(changed.from_state), RunState(changed.to_state)
    if before is not run.state or after not in RUN_MOVES[before]:
        rebuilt.problems.append(f"{event.sequence}: run {run.issue} {run.state.name}: {before.name} to {after.name}")
    run.state = after
    if after is RunState.PENDING:
        run.fix_rounds, run.finished, run.generation = 0, 0, run.generation + 1


def _move_task(rebuilt: Rebuilt, run: RebuiltRun, event: event_pb2.BatchEvent) -> None:
    """Change a task's state, and spend what its attempt spent."""
    changed = event.task_state_changed
    task = run.tasks.get(event.task_id)
    if task is None:
        rebuilt.problems.append(f"{event.sequence}: run {run.issue} has no task {event.task_id}")
        return
    before, after = TaskState(changed.from_state), TaskState(changed.to_state)
    name = f"{event.sequence}: task {task.id} of {run.issue}"
    if before is not task.state or after not in TASK_MOVES[before]:
        rebuilt.problems.append(f"{name} {task.state.name}: {before.name} to {after.name}")
    if after is TaskState.LEASED:
        unmet = [other for other in task.depends_on if run.tasks[other].state is not TaskState.SUCCEEDED]
        if unmet:
            rebuilt.problems.append(f"{name} was leased before {', '.join(unmet)}")
    spent = usage_of(changed.spent)
    run.tasks[task.id] = replace(
        task, state=after, attempt=event.attempt, agent=changed.agent, spent=task.spent + spent
    )
    run.spent += spent
    rebuilt.spent += spent
