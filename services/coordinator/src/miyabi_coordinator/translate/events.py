"""Turns what happened into serialised events; the script that commits an event appends its sequence."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from miyabi.coordinator.v1 import event_pb2, result_pb2
from miyabi_coordinator.models import (
    NO_FINDINGS,
    ApprovalRecorded,
    Batch,
    BatchState,
    BudgetWarned,
    Encoded,
    Fact,
    Findings,
    IssueFinished,
    ResultRecorded,
    Run,
    RunChanged,
    RunOrdered,
    Task,
    TaskChanged,
    TasksAdded,
)
from miyabi_coordinator.translate import values

#: Characters of a name that this version does not know, in an event.
MOST_WHAT = 200


def encode(fact: Fact, *, run: Run, actor: str, traceparent: str, now: float) -> bytes:
    """Return the serialised event of a fact."""
    if isinstance(fact, Encoded):
        return fact.value
    task = fact.task if isinstance(fact, (TaskChanged, ResultRecorded)) else None
    event = header(run.batch, issue=run.issue, task=task, actor=actor, traceparent=traceparent, now=now)
    _fill(event, fact, run)
    return event.SerializeToString()


def header(
    batch: str, *, now: float, issue: int = 0, task: Task | None = None, actor: str = "", traceparent: str = ""
) -> event_pb2.BatchEvent:
    """Return an event without its payload."""
    return event_pb2.BatchEvent(
        batch=f"batches/{batch}",
        time=values.timestamp(now),
        issue_number=issue,
        task_id=task.id if task else "",
        task_kind=int(task.kind) if task else 0,  # type: ignore[arg-type]
        attempt=task.attempt if task else 0,
        actor=actor,
        traceparent=traceparent,
    )


def accepted(batch: Batch, runs: Sequence[Run], *, findings: Findings = NO_FINDINGS) -> event_pb2.BatchEvent:
    """Return the first event of a batch, with what was found to stand in its way and was overruled."""
    event = header(batch.id, now=batch.created, actor=batch.spec.requester, traceparent=batch.spec.traceparent)
    event.batch_accepted.CopyFrom(event_pb2.BatchAccepted(batch=values.batch(batch), not_known=findings.not_known))
    headings = (
        event_pb2.IssueHeading(
            number=run.issue,
            title=run.title,
            url=run.url,
            depends_on=run.depends_on,
            stale_data=values.stale_data(run.stale),
            duplicate_of=values.original_of(run),
            suspects=values.suspects(run.suspects),
        )
        for run in runs
    )
    event.batch_accepted.issues.extend(headings)
    event.batch_accepted.problems.extend(values.problem(problem) for problem in findings.problems)
    return event


def unreadable(batch: str) -> bytes:
    """Return what takes the place of an event that is stored in a form that cannot be read; it has no time."""
    event = event_pb2.BatchEvent(batch=f"batches/{batch}", actor="coordinator")
    event.unrecognised.what = "unreadable"
    return event.SerializeToString()


def state_changed(batch: str, *, before: int, after: int, reason: str, actor: str, now: float) -> bytes:
    """Return the event of a batch's new state."""
    event = header(batch, now=now, actor=actor)
    changed = event_pb2.BatchStateChanged(from_state=before, to_state=after, reason=reason)  # type: ignore[arg-type]
    event.batch_state_changed.CopyFrom(changed)
    return event.SerializeToString()


def budget_warning(batch: Batch, *, now: float) -> bytes:
    """Return the event of a batch most of whose budget is spent."""
    event = header(batch.id, now=now, actor="coordinator")
    warning = event_pb2.BudgetWarning(
        scope="batch", limit=values.budget(batch.spec.budget), spent=values.usage(batch.spent)
    )
    event.budget_warning.CopyFrom(warning)
    return event.SerializeToString()


def finished(batch: Batch, runs: Sequence[Run], *, state: BatchState, now: float) -> list[bytes]:
    """Return the last events of a batch."""
    events = []
    if batch.state is not state:
        before, after = int(batch.state), int(state)
        events.append(state_changed(batch.id, before=before, after=after, reason="", actor="coordinator", now=now))
    event = header(batch.id, now=now, actor="coordinator")
    event.batch_finished.CopyFrom(
        event_pb2.BatchFinished(
            state=int(state),  # type: ignore[arg-type]
            results=[values.issue_result(run) for run in runs],
            spent=values.usage(batch.spent),
            duration=values.duration(now - batch.created),
        )
    )
    return [*events, event.SerializeToString()]


def _fill(event: event_pb2.BatchEvent, fact: Fact, run: Run) -> None:
    """Set the payload."""
    match fact:
        case TaskChanged():
            _fill_task(event.task_state_changed, fact)
        case RunChanged():
            changed = event.run_state_changed
            changed.from_state, changed.to_state = int(fact.before), int(fact.run.state)  # type: ignore[assignment]
            changed.failure_reason = int(fact.run.reason)  # type: ignore[assignment]
            changed.message = fact.run.message
        case TasksAdded():
            event.tasks_added.fix_round = fact.fix_round
            event.tasks_added.tasks.extend(values.task(task, run=run) for task in fact.tasks)
        case ResultRecorded():
            _fill_result(event, fact)
        case IssueFinished():
            event.issue_finished.CopyFrom(values.issue_result(fact.run))
        case BudgetWarned():
            event.budget_warning.scope = "issue"
            event.budget_warning.limit.CopyFrom(values.budget(fact.limit))
            event.budget_warning.spent.CopyFrom(values.usage(fact.spent))
        case ApprovalRecorded():
            event.approval_resolved.approved = fact.approved
            event.approval_resolved.comment = fact.comment
        case RunOrdered():
            event.run_ordered.CopyFrom(event_pb2.RunOrdered(message=fact.message))
            event.run_ordered.shares.extend(values.shared_files(fact.shares))
            if run.base is not None:
                event.run_ordered.base_branch, event.run_ordered.base_sha = run.base.name, run.base.sha
        case _:
            # Encoded ones never come here. What is none of the above must not become an event that tells nothing.
            event.unrecognised.what = type(fact).__name__


def _fill_task(changed: event_pb2.TaskStateChanged, fact: TaskChanged) -> None:
    """Set what a task's new state tells."""
    task = fact.task
    changed.from_state, changed.to_state = int(fact.before), int(task.state)  # type: ignore[assignment]
    changed.agent = task.agent
    changed.failure_reason = int(task.reason)  # type: ignore[assignment]
    changed.message = task.message
    if task.state is task.state.BACKOFF and (moment := values.timestamp(task.ready_at)):
        changed.ready_time.CopyFrom(moment)
    if task.state is task.state.LEASED and (moment := values.timestamp(task.lease_expires)):
        changed.lease_expire_time.CopyFrom(moment)
    if fact.spent is not None:
        changed.spent.CopyFrom(values.usage(fact.spent))


def _fill_result(event: event_pb2.BatchEvent, fact: ResultRecorded) -> None:
    """Set the payload of a result; a change is told by its paths only."""
    if fact.field == "change_set":
        change = result_pb2.ChangeSet.FromString(fact.value)
        recorded = event.change_recorded
        recorded.digest, recorded.summary = change.digest, change.summary
        recorded.files.extend(sorted(file.path for file in change.files))
        recorded.additions, recorded.deletions = change.additions, change.deletions
        recorded.changed_expectations.extend(change.changed_expectations)
        recorded.attempts_refused.extend(change.attempts_refused)
    elif fact.field == "documentation":
        document = result_pb2.DocumentResult.FromString(fact.value)
        event.documentation_recorded.nothing_to_document = document.nothing_to_document
        event.documentation_recorded.summary = document.summary
        event.documentation_recorded.files.extend(sorted(file.path for file in document.change_set.files))
        event.documentation_recorded.attempts_refused.extend(document.attempts_refused)
    elif (payload := f"{fact.field}_recorded") not in event.DESCRIPTOR.fields_by_name:
        event.unrecognised.what = fact.field[:MOST_WHAT]
    else:
        target: Any = getattr(event, payload)
        target.SetInParent()
        target.MergeFromString(fact.value)
