"""Turns what agents say into the domain's inputs, and leases into messages."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import lru_cache

from miyabi.coordinator.v1 import dispatch_service_pb2, event_pb2, result_pb2
from miyabi_coordinator.decide.pipeline import kind_of_task
from miyabi_coordinator.models import (
    Branch,
    Done,
    Encoded,
    Failed,
    FailureReason,
    Judgement,
    LeaseReference,
    OutcomeReceived,
    PlannedStep,
    Released,
    Run,
    Spec,
    Task,
    TaskKind,
    parse_task_name,
    task_name,
)
from miyabi_coordinator.translate import values
from miyabi_coordinator.translate.events import header
from miyabi_core.text import enumerated, shortened


def reference_of(message: dispatch_service_pb2.LeaseReference) -> LeaseReference:
    """Return the domain's name of a lease."""
    batch, issue, task_id = parse_task_name(message.task)
    return LeaseReference(batch, issue, task_id, message.fencing_token)


def reference(value: LeaseReference) -> dispatch_service_pb2.LeaseReference:
    """Return the message that names a lease."""
    name = task_name(value.batch, value.issue, value.task_id)
    return dispatch_service_pb2.LeaseReference(task=name, fencing_token=value.fence)


def outcome_of(message: dispatch_service_pb2.Outcome) -> OutcomeReceived:
    """Return what became of a task, with the facts that decisions need."""
    _, _, task_id = parse_task_name(message.reference.task)
    fence = message.reference.fencing_token
    usage, learnt = values.usage_of(message.usage), message.learnt
    return OutcomeReceived(task_id, fence, _result_of(message), usage, learnt)


def _result_of(message: dispatch_service_pb2.Outcome) -> Done | Failed | Released:
    """Return the outcome's result."""
    field = message.WhichOneof("result")
    assert field is not None, "validation demands a result"
    if field == "failure":
        failure = message.failure
        retry_after = failure.retry_after.ToTimedelta().total_seconds() if failure.HasField("retry_after") else 0.0
        return Failed(FailureReason(failure.reason), failure.message, failure.retryable, retry_after)
    if field == "released":
        return Released(message.released.message)
    return _done_of(field, message)


def _done_of(field: str, message: dispatch_service_pb2.Outcome) -> Done:  # noqa: PLR0911 - one for each kind
    """Return a result with its facts."""
    value: bytes = getattr(message, field).SerializeToString()
    match field:
        case "triage":
            judged = tuple(
                Judgement(entry.issue_number, entry.confirmed, entry.quote) for entry in message.triage.duplicates
            )
            return Done(field, value, judged=judged)
        case "plan":
            steps = tuple(PlannedStep(task.title, tuple(task.depends_on)) for task in message.plan.tasks)
            return Done(field, value, steps=steps, touches=tuple(message.plan.files))
        case "change_set":
            return Done(field, value, files=len(message.change_set.files))
        case "verification":
            verified = message.verification
            asks = bool(verified.approval_reasons)
            return Done(field, value, passed=verified.passed, why=verified.verdict_reason, asks=asks)
        case "review":
            review = message.review
            return Done(field, value, passed=review.passed, incomplete=review.incomplete, why=_why_of(review))
        case "documentation":
            document = message.documentation
            merged = document.change_set.SerializeToString() if document.HasField("change_set") else b""
            return Done(field, value, merged_change=merged)
        case "pull_request":
            pull = message.pull_request
            pushed = Branch(pull.head_branch, pull.head_sha) if pull.head_branch and pull.head_sha else None
            return Done(field, value, pushed=pushed)
        case _:
            return Done(field, value)


def _why_of(review: result_pb2.ReviewResult) -> str:
    """Return why a review is no pass: what it says itself, else who came to no verdict, or the worst finding."""
    if review.verdict_reason:
        return review.verdict_reason
    silent = [f"{run.analyser} ({shortened(run.error, 200)})" for run in review.analysers if run.error]
    if review.incomplete and silent:
        return "no verdict by " + enumerated(silent, 5)
    if review.findings and not review.passed:
        worst = review.findings[0]
        return f"{review.score} of 100, {worst.path}:{worst.line} {worst.analyser} {worst.rule}"
    return ""


def lease(run: Run, task: Task, *, spec: Spec, traceparent: str) -> dispatch_service_pb2.Lease:
    """Return the work that a leased task asks for; what is done about it hangs below *traceparent*."""
    message = dispatch_service_pb2.Lease(
        reference=reference(LeaseReference(run.batch, run.issue, task.id, task.fence)),
        kind=int(task.kind),  # type: ignore[arg-type]
        attempt=task.attempt,
        fix_round=task.fix_round,
        deadline=values.timestamp(task.deadline),
        traceparent=traceparent,
    )
    message.budget.usd_micros, message.budget.tokens = task.reserved.usd_micros, task.reserved.tokens
    inputs = message.inputs
    inputs.repository, inputs.issue_number, inputs.issue_title = spec.repository, run.issue, run.title
    base = run.base or Branch(spec.base_branch, spec.base_sha)
    inputs.base_branch, inputs.base_sha, inputs.dry_run = base.name, base.sha, spec.dry_run
    inputs.plan_step, inputs.pipeline = task.plan_step, int(spec.pipeline)  # type: ignore[assignment]
    inputs.requester = spec.requester
    inputs.overruled.extend(spec.overruled)  # type: ignore[arg-type]
    inputs.spent.CopyFrom(values.usage(run.spent))
    for step in run.listed if task.kind is TaskKind.PLAN else ():
        inputs.listed_steps.add(title=step.title, description=step.description, depends_on=step.depends_on)
    if task.kind is TaskKind.TRIAGE:
        inputs.suspects.extend(values.suspects(run.suspects))
    if task.kind is TaskKind.PULL_REQUEST:
        inputs.missing.extend(run.missing)
    if task.kind is TaskKind.IMPLEMENT:
        inputs.learnt = run.learnt
    for field in values.RESULT_TYPES:
        if field != "pull_request" and (content := getattr(run.results, field)):
            getattr(inputs, field).MergeFromString(content)
    return message


def committed_progress(
    message: dispatch_service_pb2.Progress, *, task: Task, agent: str, traceparent: str, now: float
) -> Encoded:
    """Return the event of a report that is logged: a call that ended, or the text of a step."""
    batch, issue, _ = parse_task_name(message.reference.task)
    event = header(batch, now=now, issue=issue, task=task, actor=agent, traceparent=traceparent)
    if message.WhichOneof("update") == "tool_invocation":
        event.tool_invocation.CopyFrom(message.tool_invocation)
    else:
        event.text_recorded.CopyFrom(message.text)
    return Encoded(event.SerializeToString())


def invocation(
    message: event_pb2.ToolInvocation, *, reference: LeaseReference, task: Task, agent: str, now: float
) -> Encoded:
    """Return the event of a call that an outcome reports."""
    event = header(reference.batch, now=now, issue=reference.issue, task=task, actor=agent)
    event.tool_invocation.CopyFrom(message)
    return Encoded(event.SerializeToString())


def transient_progress(message: dispatch_service_pb2.Progress, *, agent: str) -> bytes:
    """Return the serialised event of a piece of text or a step, which is sent on and never logged."""
    batch, issue, task_id = parse_task_name(message.reference.task)
    event = header(batch, now=datetime.now(UTC).timestamp(), issue=issue, actor=agent)
    event.task_id = task_id
    event.task_kind = _kind(task_id)  # type: ignore[assignment]
    if message.WhichOneof("update") == "text_delta":
        event.text_delta.CopyFrom(message.text_delta)
    else:
        event.step_changed.CopyFrom(message.step)
    return event.SerializeToString()


@lru_cache(maxsize=1024)
def _kind(task_id: str) -> int:
    """Return the kind that a task's id names, which hundreds of pieces of text ask for; 0 for no id of ours."""
    try:
        return int(kind_of_task(task_id))
    except ValueError:
        return 0
