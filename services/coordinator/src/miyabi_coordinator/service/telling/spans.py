"""Records the spans of runs: one trace an issue, with its waits and its attempts, by whoever commits their ends.

Agents record what they do below the span of their lease, so nothing is without a parent when one of them dies.
"""

from __future__ import annotations

from miyabi_coordinator.models.enums import RunState, TaskState
from miyabi_coordinator.models.facts import IssueFinished, TaskChanged
from miyabi_coordinator.models.run import Run, Task
from miyabi_coordinator.ports.store import Commit
from miyabi_core.ids import time_of
from miyabi_core.telemetry import NamedSpan, Recording, record, traceparent_of

#: States of a task whose attempt failed.
_FAILED = frozenset({TaskState.FAILED, TaskState.BACKOFF})


def trace_of(run: Run) -> NamedSpan:
    """Return the root span of a run; a run that is tried again has a trace of its own."""
    return NamedSpan(f"batches/{run.batch}/runs/{run.issue}/{run.generation}", "run")


def below_lease(run: Run, task: Task) -> str:
    """Return the `traceparent` that the agent of a lease goes on from."""
    return traceparent_of(_attempt(run, task))


def record_spans(commit: Commit, *, now: float) -> None:
    """Record what a commit ended: waits for an agent, attempts, the run.

    Args:
        commit: Is written.
        now: Seconds since 1970.
    """
    if not Recording.is_on:
        return
    run = commit.decision.run
    for fact in commit.decision.facts:
        if isinstance(fact, TaskChanged) and fact.task.state is TaskState.LEASED:
            _record_wait(run, fact.task)
        elif isinstance(fact, TaskChanged) and fact.before is TaskState.LEASED:
            _record_attempt(run, fact.task, now=now)
        elif isinstance(fact, IssueFinished):
            _record_run(fact.run, caused_by=commit.traceparent, now=now)


def _attempt(run: Run, task: Task) -> NamedSpan:
    """Return the span of a task's newest lease."""
    return NamedSpan(trace_of(run).trace, f"lease {task.fence}")


def _record_wait(run: Run, task: Task) -> None:
    """Record how long a task waited for an agent, from the end of what it depends on, or of its backoff."""
    before = [other.ended for other in run.tasks if other.id in task.depends_on]
    ready = max(task.ready_at, task.ended, *before, time_of(run.batch))
    span = NamedSpan(trace_of(run).trace, f"wait {task.fence}")
    record(
        f"wait {task.kind.name}",
        span,
        start=min(ready, task.started),
        end=task.started,
        parent=trace_of(run),
        attributes=_of_task(run, task),
    )


def _record_attempt(run: Run, task: Task, *, now: float) -> None:
    """Record an attempt from its lease to its end."""
    record(
        f"task {task.kind.name}",
        _attempt(run, task),
        start=task.started,
        end=now,
        parent=trace_of(run),
        # A lease that was handed back, or ran out, keeps the reason of an earlier attempt.
        failed=task.reason.name if task.state in _FAILED else "",
        attributes={**_of_task(run, task), "miyabi.agent": task.agent, "miyabi.state": task.state.name},
    )


def _record_run(run: Run, *, caused_by: str, now: float) -> None:
    """Record a run from the acceptance of its batch to its end."""
    record(
        "issue",
        trace_of(run),
        start=time_of(run.batch),
        end=run.ended or now,
        caused_by=caused_by,
        failed=run.reason.name if run.state is RunState.FAILED else "",
        attributes={
            "miyabi.batch": f"batches/{run.batch}",
            "miyabi.issue.number": run.issue,
            "miyabi.issue.url": run.url,
            "miyabi.state": run.state.name,
            "miyabi.fix_rounds": run.fix_rounds,
            "miyabi.cost_usd": run.spent.cost_usd_micros / 1_000_000,
        },
    )


def _of_task(run: Run, task: Task) -> dict[str, str | int]:
    """Return what spans of a task say of it."""
    return {
        "miyabi.batch": f"batches/{run.batch}",
        "miyabi.issue.number": run.issue,
        "miyabi.task": task.id,
        "miyabi.task.kind": task.kind.name,
        "miyabi.attempt": task.attempt,
        "miyabi.fix_round": task.fix_round,
    }
