"""When a batch will end: its remaining steps, as long as such steps took, laid out on its slots in order."""

from __future__ import annotations

import heapq
from collections.abc import Mapping, Sequence

from miyabi_coordinator.models import Batch, BatchState, Pipeline, Run, RunState, Task, TaskKind, TaskState
from miyabi_coordinator.models.measured import Measured

#: A step that is overdue is expected to take this share of its mean still: it is not known, and not nothing.
OVERDUE_SHARE = 0.25
_KINDS = {
    Pipeline.TRIAGE: (TaskKind.TRIAGE,),
    Pipeline.REVIEW: (TaskKind.REVIEW,),
    Pipeline.FIX: tuple(TaskKind),
}
#: What follows a plan, by the steps that come one after the other; those that run side by side count once.
_AFTER_PLAN = ((TaskKind.VERIFY,), (TaskKind.REVIEW, TaskKind.DOCUMENT), (TaskKind.PULL_REQUEST,))


def eta(
    batch: Batch, runs: Sequence[Run], measured: Mapping[TaskKind, float] | Measured, *, now: float, slots: int = 0
) -> float | None:
    """Return the expected seconds to the end of a batch; None where a step that is left was never measured.

    The remaining critical path of each issue is one job. Jobs are laid out in order on as many slots as the batch may
    use, each after the issues that it depends on: list scheduling, as the dispatch itself does it.

    Args:
        batch: As it is; one that is paused has no end in sight.
        runs: All its runs.
        measured: Durations.
        now: Seconds since 1970.
        slots: Slots of all agents together; 0 where they are not known to limit.
    """
    if batch.state is not BatchState.RUNNING:
        return None
    means = _means(measured, batch.spec.pipeline)
    jobs: dict[int, float] = {}
    for run in runs:
        if not run.state.terminal:
            left = remaining(run, means, pipeline=batch.spec.pipeline, now=now)
            if left is None:
                return None
            jobs[run.issue] = left
    width = min(batch.spec.concurrency, batch.spec.max_parallel_tasks, slots or batch.spec.concurrency)
    order = sorted((run for run in runs if run.issue in jobs), key=lambda run: run.state is RunState.PENDING)
    return _makespan(order, jobs, width=width)


def rough_eta(batch: Batch, measured: Measured) -> float | None:
    """Return the expected seconds to the end from the batch's counters: issues in flight count as half done."""
    if batch.state is not BatchState.RUNNING:
        return None
    means = _means(measured, batch.spec.pipeline)
    whole = _after(means, batch.spec.pipeline, steps=1)
    if whole is None:
        return None
    counters = batch.counters
    work = whole * (counters.pending + (counters.running + counters.awaiting_approval) / 2)
    width = min(batch.spec.concurrency, batch.spec.max_parallel_tasks, max(1, counters.open))
    return max(work / width, whole / 2 if counters.open else 0.0)


def remaining(run: Run, means: Mapping[TaskKind, float], *, pipeline: Pipeline, now: float) -> float | None:
    """Return the seconds of a run's remaining critical path; None where a step of it was never measured."""
    finish: dict[str, float] = {}
    for task in run.tasks:
        if task.state.terminal:
            finish[task.id] = 0.0
            continue
        own = _left(task, means.get(task.kind), now=now)
        if own is None:
            return None
        finish[task.id] = own + max((finish.get(other, 0.0) for other in task.depends_on), default=0.0)
    path = max(finish.values(), default=0.0)
    planning = any(task.kind is TaskKind.PLAN and not task.state.terminal for task in run.tasks)
    if pipeline is Pipeline.FIX and planning:
        follows = _after_plan(means, steps=max(1, len(run.listed)))
        return None if follows is None else path + follows
    return path


def _left(task: Task, mean: float | None, *, now: float) -> float | None:
    """Return the seconds that a task still takes."""
    if mean is None:
        return None
    if task.state is TaskState.LEASED:
        return max(mean - max(0.0, now - task.started), OVERDUE_SHARE * mean)
    if task.state is TaskState.BACKOFF:
        return mean + max(0.0, task.ready_at - now)
    return mean


def _means(measured: Mapping[TaskKind, float] | Measured, pipeline: Pipeline) -> Mapping[TaskKind, float]:
    """Return the mean seconds of each kind of task that was measured."""
    if not isinstance(measured, Measured):
        return measured
    pairs = ((kind, measured.seconds(kind)) for kind in _KINDS[pipeline])
    return {kind: seconds for kind, seconds in pairs if seconds is not None}


def _after(means: Mapping[TaskKind, float], pipeline: Pipeline, *, steps: int) -> float | None:
    """Return the seconds of a whole run."""
    if pipeline is not Pipeline.FIX:
        return means.get(_KINDS[pipeline][0])
    triage, plan, rest = means.get(TaskKind.TRIAGE), means.get(TaskKind.PLAN), _after_plan(means, steps=steps)
    return None if triage is None or plan is None or rest is None else triage + plan + rest


def _after_plan(means: Mapping[TaskKind, float], *, steps: int) -> float | None:
    """Return the seconds of what follows a plan of that many steps."""
    if TaskKind.IMPLEMENT not in means or any(kind not in means for kinds in _AFTER_PLAN for kind in kinds):
        return None
    return steps * means[TaskKind.IMPLEMENT] + sum(max(means[kind] for kind in kinds) for kinds in _AFTER_PLAN)


def _makespan(order: Sequence[Run], jobs: Mapping[int, float], *, width: int) -> float:
    """Lay jobs out on *width* slots, each as soon as a slot is free and its prerequisites have ended."""
    waiting = {run.issue: sum(number in jobs for number in run.waits_for) for run in order}
    by_issue = {run.issue: run for run in order}
    ready = [(position, run.issue) for position, run in enumerate(order) if not waiting[run.issue]]
    position_of = {run.issue: position for position, run in enumerate(order)}
    heapq.heapify(ready)
    busy: list[tuple[float, int]] = []
    clock = 0.0
    while ready or busy:
        while ready and len(busy) < width:
            _, issue = heapq.heappop(ready)
            heapq.heappush(busy, (clock + jobs[issue], issue))
        clock, ended = heapq.heappop(busy)
        for number in by_issue[ended].dependents:
            if number in waiting:
                waiting[number] -= 1
                if not waiting[number]:
                    heapq.heappush(ready, (position_of[number], number))
    return clock
