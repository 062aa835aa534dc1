"""The chain of stretches that ended last, of a run and of a batch: work, and what it waited for before."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple

from miyabi.coordinator.v1.state_pb2 import TaskState
from miyabi.dashboard.v1.telemetry_service_pb2 import SegmentKind
from miyabi_dashboard.monitor.critical_path.history import Attempt, History, RunStory, TaskStory

#: Shorter stretches are clocks and messages, not something to wait for.
LEAST_SECONDS = 0.0005
#: States of an attempt that brought something about; a verdict against the change is one too.
_DONE = frozenset({TaskState.TASK_STATE_SUCCEEDED, TaskState.TASK_STATE_FAILED})


class Stretch(NamedTuple):
    """A part of a chain."""

    kind: SegmentKind.ValueType
    subject: str
    name: str
    start: float
    end: float

    @property
    def seconds(self) -> float:
        """Its length."""
        return self.end - self.start


def path_of_run(history: History, run: RunStory) -> list[Stretch]:
    """Return the chain of a run, oldest first, from the batch's acceptance to the run's end."""
    return _chain(history, run, cross=False)


def path_of_batch(history: History) -> list[Stretch]:
    """Return the chain that ended last; where a run waited for another issue, that one's chain is part of it."""
    runs = [run for run in history.runs.values() if _last_task(history, run, float("inf"))]
    if not runs:
        return []
    return _chain(history, max(runs, key=lambda run: _end_of_run(history, run)), cross=True)


def _chain(history: History, run: RunStory, *, cross: bool) -> list[Stretch]:
    """Walk back from a run's end; what is shorter than `LEAST_SECONDS` is left out."""
    found: list[Stretch] = []
    task = _last_task(history, run, float("inf"))
    while task is not None:
        found.extend(_of_task(history, run, task))
        ready = task.attempts[0].ready
        before = _cause(history, run, task, ready)
        if before is None:
            run, task = _across(history, run, ready) if cross else (run, None)
            if task is None:
                found.extend(_begin(history, run, ready))
            continue
        found.extend(_gap(history, run, before, ready))
        task = before
    return [stretch for stretch in reversed(found) if stretch.seconds >= LEAST_SECONDS]


def _of_task(history: History, run: RunStory, task: TaskStory) -> Iterator[Stretch]:
    """Yield a task's attempts with their waits, the newest first."""
    name = _name(history, run, task)
    for number in range(len(task.attempts) - 1, -1, -1):
        attempt = task.attempts[number]
        last = number == len(task.attempts) - 1
        yield Stretch(_work_of(task, attempt, last=last), task.kind, name, attempt.leased, end_of(history, attempt))
        yield from reversed(list(waits(history, attempt, task.kind, name)))
        if number:
            yield Stretch(SegmentKind.SEGMENT_KIND_BACKOFF, task.kind, name, task.attempts[number - 1].ended,
                          attempt.ready)  # fmt: skip


def _work_of(task: TaskStory, attempt: Attempt, *, last: bool) -> SegmentKind.ValueType:
    """Return what an attempt was."""
    if attempt.ended and (not last or attempt.state not in _DONE):
        return SegmentKind.SEGMENT_KIND_LOST_ATTEMPT
    return SegmentKind.SEGMENT_KIND_FIX_ROUND if task.fix_round else SegmentKind.SEGMENT_KIND_WORK


def waits(history: History, attempt: Attempt, kind: str, name: str) -> Iterator[Stretch]:
    """Yield what an attempt waited for: the batch's own limits, then an agent; pauses in between."""
    limited = _limited_until(history, attempt)
    moments = {attempt.ready, attempt.leased, max(limited, attempt.ready)}
    moments.update(moment for pause in history.paused for moment in pause if attempt.ready < moment < attempt.leased)
    ordered = sorted(moments)
    for start, end in pairwise(ordered):
        middle = (start + end) / 2
        if any(begin <= middle < until for begin, until in history.paused):
            what = SegmentKind.SEGMENT_KIND_PAUSED
        else:
            slot = middle < limited
            what = SegmentKind.SEGMENT_KIND_SLOT_WAIT if slot else SegmentKind.SEGMENT_KIND_QUEUE_WAIT
        yield Stretch(what, kind, name, start, end)


def _limited_until(history: History, attempt: Attempt) -> float:
    """Return until when the batch's own limits forbade an attempt's lease; its ready time where they never did."""
    until = attempt.ready
    if attempt.needs_slot:
        until = max(until, _at_limit(history.running, history.concurrency, attempt))
    return max(until, _at_limit(history.leased, history.parallel, attempt))


def _at_limit(counts: list[tuple[float, int]], limit: int, attempt: Attempt) -> float:
    """Return the last moment before an attempt at which a count was at its limit."""
    position, end = bisect_left(counts, (attempt.leased, -1)), attempt.leased
    while position > 0 and end > attempt.ready:
        moment, count = counts[position - 1]
        if count >= limit:
            return end
        end, position = moment, position - 1
    return attempt.ready


def _cause(history: History, run: RunStory, task: TaskStory, ready: float) -> TaskStory | None:
    """Return the task of the run whose end let this one begin."""
    names = {*task.depends_on, task.added_by}
    before = [run.tasks[name] for name in names if name in run.tasks and run.tasks[name].attempts]
    if not before and run.retried:
        before = [other for other in run.tasks.values() if other.attempts and _end_of(history, other) <= ready]
    before = [other for other in before if other is not task and other.attempts[0].leased < task.attempts[0].leased]
    return max(before, key=lambda other: _end_of(history, other), default=None)


def _gap(history: History, run: RunStory, before: TaskStory, ready: float) -> Iterator[Stretch]:
    """Yield what lies between the end of a task and the moment at which the next one was ready."""
    ended, name = _end_of(history, before), f"{history.name}/runs/{run.issue}"
    if run.asked and ended <= run.asked < ready:
        what = SegmentKind.SEGMENT_KIND_APPROVAL
    else:
        what = SegmentKind.SEGMENT_KIND_PAUSED if run.retried else SegmentKind.SEGMENT_KIND_ORDER_WAIT
    yield Stretch(what, "", name, ended, ready)


def _across(history: History, run: RunStory, ready: float) -> tuple[RunStory, TaskStory | None]:
    """Return the issue that a run waited for, and its last task; the run itself and none where it waited for none."""
    others = [history.runs[number] for number in run.depends_on if number in history.runs]
    ended = [other for other in others if other.ended and _last_task(history, other, ready)]
    if not ended:
        return run, None
    last = max(ended, key=lambda other: other.ended)
    return last, _last_task(history, last, ready)


def _begin(history: History, run: RunStory, ready: float) -> Iterator[Stretch]:
    """Yield what lies between the batch's acceptance and a run's first ready task."""
    name = f"{history.name}/runs/{run.issue}"
    yield Stretch(SegmentKind.SEGMENT_KIND_ORDER_WAIT, "", name, history.accepted, ready)


def _last_task(history: History, run: RunStory, before: float) -> TaskStory | None:
    """Return the task of a run that ended last until a moment."""
    begun = [task for task in run.tasks.values() if task.attempts and _end_of(history, task) <= before]
    return max(begun, key=lambda task: _end_of(history, task), default=None)


def _end_of_run(history: History, run: RunStory) -> float:
    last = _last_task(history, run, float("inf"))
    return _end_of(history, last) if last else 0.0


def _end_of(history: History, task: TaskStory) -> float:
    return end_of(history, task.attempts[-1])


def end_of(history: History, attempt: Attempt) -> float:
    """Return when an attempt ended; one that has not: the newest event's time."""
    return attempt.ended or max(history.ended, attempt.leased)


def _name(history: History, run: RunStory, task: TaskStory) -> str:
    return f"{history.name}/runs/{run.issue}/tasks/{task.id}"
