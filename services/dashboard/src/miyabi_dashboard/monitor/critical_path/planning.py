"""Makes the plan of a batch from its story: measured durations, and the limits that held it up."""

from __future__ import annotations

from statistics import median

from miyabi.coordinator.v1.state_pb2 import TaskState
from miyabi.dashboard.v1.telemetry_service_pb2 import SegmentKind
from miyabi_dashboard.monitor.critical_path.history import History, RunStory, TaskStory
from miyabi_dashboard.monitor.critical_path.paths import end_of, waits
from miyabi_dashboard.monitor.critical_path.plan import (
    FILES_COMPARED,
    MOST_ORDERED,
    UNLIMITED,
    Plan,
    RunPlan,
    Step,
    Try,
)

#: Seconds that a task may wait for an agent with a free slot: the messages between coordinator and agent take less.
IDLE_SECONDS = 0.25
_STOPPED = frozenset({TaskState.TASK_STATE_CANCELLED, TaskState.TASK_STATE_LEASED})


def plan_of(history: History, *, slots: int = 0) -> Plan:
    """Return a batch's plan; what was stopped on the way is taken to last as long as others of its kind.

    Args:
        history: Its story.
        slots: Of all agents together, where that is known. A batch that was short of them had as many as it used at
            most, since other batches may have had the rest. Default 0: not known, and without a limit where it never
            was short.
    """
    usual = _usual(history)
    ordered = history.ordered and 1 < len(history.runs) <= MOST_ORDERED
    runs = tuple(_run(history, run, usual, ordered=ordered) for run in history.runs.values())
    most = history.most_leased
    pauses = [(begin, min(end, history.ended)) for begin, end in history.paused]
    return Plan(
        runs,
        history.concurrency,
        history.parallel,
        slots=most if _short_of_slots(history) else max(slots, most) if slots else UNLIMITED,
        seen_slots=most,
        paused=tuple((begin - history.accepted, end - history.accepted) for begin, end in pauses),
    )


def _run(history: History, run: RunStory, usual: dict[str, float], *, ordered: bool) -> RunPlan:
    steps = tuple(_step(history, run, task, usual) for task in run.tasks.values() if task.attempts)
    asked = max(0.0, run.answered - run.asked) if run.asked and run.answered else None
    files = frozenset(run.files[:FILES_COMPARED]) if ordered else frozenset()
    return RunPlan(run.issue, steps, run.depends_on, files, asked)


def _step(history: History, run: RunStory, task: TaskStory, usual: dict[str, float]) -> Step:
    """Return a task as a step."""
    stopped, tries = task.state in _STOPPED, []
    for number, attempt in enumerate(task.attempts):
        last = number == len(task.attempts) - 1
        seconds = end_of(history, attempt) - attempt.leased
        if last and stopped:
            seconds = max(seconds, usual.get(task.kind, 0.0))
        pause = 0.0 if last else max(0.0, task.attempts[number + 1].ready - attempt.ended)
        tries.append(
            Try(
                seconds, pause, min(attempt.model_seconds, seconds), expired=attempt.state == TaskState.TASK_STATE_READY
            )
        )
    sent_back = any(other.added_by == task.id and other.fix_round > task.fix_round for other in run.tasks.values())
    needs = tuple(name for name in task.depends_on if name in run.tasks)
    added_by = task.added_by if task.fix_round and not needs else ""
    works = task.state == TaskState.TASK_STATE_SUCCEEDED and not sent_back
    return Step(task.id, task.kind, needs, tuple(tries), added_by, works or stopped, stopped, task.fix_round)


def _usual(history: History) -> dict[str, float]:
    """Return the median seconds of each kind of task that ended by itself."""
    found: dict[str, list[float]] = {}
    for run in history.runs.values():
        for task in run.tasks.values():
            if task.attempts and task.state not in _STOPPED:
                found.setdefault(task.kind, []).append(task.attempts[-1].ended - task.attempts[-1].leased)
    return {kind: median(seconds) for kind, seconds in found.items()}


def _short_of_slots(history: History) -> bool:
    """Tell whether a task ever waited for an agent, the batch's own limits and pauses apart."""
    return any(
        stretch.kind == SegmentKind.SEGMENT_KIND_QUEUE_WAIT and stretch.seconds > IDLE_SECONDS
        for run in history.runs.values()
        for task in run.tasks.values()
        for attempt in task.attempts
        for stretch in waits(history, attempt, task.kind, "")
    )
