"""Turns the domain's values into messages."""

from __future__ import annotations

from collections.abc import Iterable

from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from miyabi.common.v1 import freshness_pb2, problem_pb2, usage_pb2
from miyabi.coordinator.v1 import batch_pb2, coordinator_service_pb2, result_pb2
from miyabi_coordinator.models import (
    AgentInfo,
    Batch,
    Budget,
    Counters,
    Problem,
    Results,
    Run,
    RunState,
    SharedFiles,
    Spec,
    StaleData,
    Suspect,
    Task,
    Usage,
    task_name,
)
from miyabi_coordinator.models.audit import AuditEntry

#: Result fields of a run with their message types; also what an outcome's field is called.
RESULT_TYPES = {
    "triage": result_pb2.TriageResult,
    "plan": result_pb2.PlanResult,
    "change_set": result_pb2.ChangeSet,
    "verification": result_pb2.VerifyResult,
    "review": result_pb2.ReviewResult,
    "documentation": result_pb2.DocumentResult,
    "pull_request": result_pb2.PullRequestResult,
}


def problem(value: Problem) -> problem_pb2.Problem:
    """Return what stands in the way."""
    return problem_pb2.Problem(
        kind=value.kind,  # type: ignore[arg-type]
        issue_number=value.issue,
        message=value.message,
        remedy=value.remedy,
        may_be_overruled=value.may_be_overruled,
    )


def timestamp(seconds: float) -> Timestamp | None:
    """Return seconds since 1970 as a message; None for 0."""
    if not seconds:
        return None
    micros = round(seconds * 1_000_000)
    return Timestamp(seconds=micros // 1_000_000, nanos=micros % 1_000_000 * 1000)


def duration(seconds: float) -> Duration:
    """Return a span; below zero counts as none."""
    micros = max(0, round(seconds * 1_000_000))
    return Duration(seconds=micros // 1_000_000, nanos=micros % 1_000_000 * 1000)


def usage(value: Usage) -> usage_pb2.Usage:
    """Return what was spent."""
    return usage_pb2.Usage(
        input_tokens=value.input_tokens,
        output_tokens=value.output_tokens,
        cache_write_tokens=value.cache_write_tokens,
        cache_read_tokens=value.cache_read_tokens,
        cost_usd_micros=value.cost_usd_micros,
        calls=value.calls,
    )


def usage_of(message: usage_pb2.Usage) -> Usage:
    """Return the domain's value."""
    return Usage(
        message.input_tokens,
        message.output_tokens,
        message.cache_write_tokens,
        message.cache_read_tokens,
        message.cost_usd_micros,
        message.calls,
    )


def budget(value: Budget) -> usage_pb2.Budget:
    """Return a limit."""
    return usage_pb2.Budget(usd_micros=value.usd_micros, tokens=value.tokens)


def spec(value: Spec) -> batch_pb2.BatchSpec:
    """Return what was asked for."""
    return batch_pb2.BatchSpec(
        repository=value.repository,
        issue_numbers=value.issues,
        pipeline=int(value.pipeline),  # type: ignore[arg-type]
        concurrency=value.concurrency,
        max_parallel_tasks=value.max_parallel_tasks,
        budget=budget(value.budget),
        issue_budget=budget(value.issue_budget),
        priority=value.priority,
        weight=value.weight,
        dry_run=value.dry_run,
        require_approval=value.require_approval,
        max_fix_rounds=value.max_fix_rounds,
        base_branch=value.base_branch,
        base_sha=value.base_sha,
        request_id=value.request_id,
        requester=value.requester,
        task_budget=budget(value.task_budget),
        overruled=value.overruled,  # type: ignore[arg-type]
        grouping=value.grouping,
    )


def counters(value: Counters) -> batch_pb2.BatchCounters:
    """Return runs by state."""
    return batch_pb2.BatchCounters(
        total=value.total,
        pending=value.pending,
        running=value.running,
        awaiting_approval=value.awaiting_approval,
        succeeded=value.succeeded,
        failed=value.failed,
        skipped=value.skipped,
        cancelled=value.cancelled,
    )


def batch(value: Batch, *, eta: float | None = None) -> batch_pb2.Batch:
    """Return a batch; *eta* are the seconds to its end, where they are known."""
    return batch_pb2.Batch(
        name=value.name,
        spec=spec(value.spec),
        state=int(value.state),  # type: ignore[arg-type]
        counters=counters(value.counters),
        spent=usage(value.spent),
        reserved_usd_micros=value.reserved.usd_micros,
        create_time=timestamp(value.created),
        end_time=timestamp(value.ended),
        last_sequence=value.last_sequence,
        simulated=value.spec.simulated,
        eta=None if eta is None else duration(eta),
    )


def stale_data(value: StaleData | None) -> freshness_pb2.StaleData | None:
    """Return how old the data of an issue were; None where they were fresh."""
    if value is None:
        return None
    return freshness_pb2.StaleData(
        fetch_time=timestamp(value.read),
        age=duration(value.age),
        cause=value.cause,  # type: ignore[arg-type]
    )


def task(value: Task, *, run: Run) -> batch_pb2.Task:
    """Return a task of a run."""
    return batch_pb2.Task(
        name=task_name(run.batch, run.issue, value.id),
        kind=int(value.kind),  # type: ignore[arg-type]
        state=int(value.state),  # type: ignore[arg-type]
        depends_on=value.depends_on,
        attempt=value.attempt,
        fix_round=value.fix_round,
        title=value.title,
        agent=value.agent,
        start_time=timestamp(value.started),
        end_time=timestamp(value.ended),
        ready_time=timestamp(value.ready_at),
        failure_reason=int(value.reason),  # type: ignore[arg-type]
        failure_message=value.message,
        spent=usage(value.spent),
    )


def run(value: Run) -> batch_pb2.IssueRun:
    """Return a run with its tasks and results."""
    message = heading(value)
    for field in RESULT_TYPES:
        if content := getattr(value.results, field):
            getattr(message, field).MergeFromString(content)
    return message


def heading(value: Run) -> batch_pb2.IssueRun:
    """Return a run with its tasks, without its results."""
    return batch_pb2.IssueRun(
        name=f"batches/{value.batch}/runs/{value.issue}",
        issue_number=value.issue,
        title=value.title,
        url=value.url,
        state=int(value.state),  # type: ignore[arg-type]
        tasks=[task(entry, run=value) for entry in value.tasks],
        version=value.version,
        depends_on=value.depends_on,
        failure_reason=int(value.reason),  # type: ignore[arg-type]
        failure_message=value.message,
        spent=usage(value.spent),
        start_time=timestamp(value.started),
        end_time=timestamp(value.ended),
        fix_rounds=value.fix_rounds,
        stale_data=stale_data(value.stale),
        duplicate_of=original_of(value),
        shares=shared_files(value.shares),
        base_branch=value.base.name if value.base else "",
        base_sha=value.base.sha if value.base else "",
        suspects=suspects(value.suspects),
        duplicate_url=value.duplicate_of.url if value.duplicate_of else "",
    )


def suspects(values: Iterable[Suspect]) -> list[batch_pb2.DuplicateSuspect]:
    """Return what an issue may be a duplicate of."""
    return [
        batch_pb2.DuplicateSuspect(
            issue_number=value.issue, url=value.url, pull_request=value.pull_request, sure=value.sure
        )
        for value in values
    ]


def original_of(value: Run) -> int:
    """Return the issue that is worked on in place of a run's own; 0 where there is none."""
    return value.duplicate_of.issue if value.duplicate_of else 0


def shared_files(shares: Iterable[SharedFiles]) -> list[batch_pb2.SharedFiles]:
    """Return whom a run waits for, with the files that both touch."""
    return [batch_pb2.SharedFiles(issue_number=share.issue, files=share.files) for share in shares]


def issue_result(value: Run) -> result_pb2.IssueResult:
    """Return what became of an issue, in one message."""
    results: Results = value.results
    message = result_pb2.IssueResult(
        issue_number=value.issue,
        title=value.title,
        state=int(value.state),  # type: ignore[arg-type]
        failure_reason=int(value.reason),  # type: ignore[arg-type]
        failure_message=value.message,
        tests_failed_before=-1,
        tests_passed_after=-1,
        review_score=-1,
        cost_usd_micros=value.spent.cost_usd_micros,
        duration=duration(value.ended - value.started if value.started and value.ended else 0),
        fix_rounds=value.fix_rounds,
        stale_data=stale_data(value.stale),
        duplicate_of=original_of(value),
    )
    if results.triage:
        message.labels.extend(sorted(result_pb2.TriageResult.FromString(results.triage).labels))
    if results.change_set:
        change = result_pb2.ChangeSet.FromString(results.change_set)
        message.files.extend(sorted(file.path for file in change.files))
        message.changed_expectations.extend(entry.test for entry in change.changed_expectations)
    if results.verification:
        verification = result_pb2.VerifyResult.FromString(results.verification)
        message.tests_failed_before = verification.failed_before
        message.tests_passed_after = verification.passed_after
    if results.review:
        review = result_pb2.ReviewResult.FromString(results.review)
        message.reviewed = True
        message.review_score = -1 if review.incomplete or review.not_analysed else review.score
    if results.pull_request and (value.state is RunState.SUCCEEDED or value.missing):
        message.pull_request_url = result_pb2.PullRequestResult.FromString(results.pull_request).url
    return message


def agent(value: AgentInfo) -> batch_pb2.Agent:
    """Return an attached process."""
    return batch_pb2.Agent(
        name=f"agents/{value.id}",
        capabilities=value.capabilities,  # type: ignore[arg-type]
        slots=value.slots,
        leased=value.leased,
        version=value.version,
        last_seen_time=timestamp(value.last_seen),
        draining=value.draining,
        attach_time=timestamp(value.attached),
    )


def audit_entry(value: AuditEntry) -> coordinator_service_pb2.AuditEntry:
    """Return an entry of the audit."""
    return coordinator_service_pb2.AuditEntry(
        time=timestamp(value.time),
        actor=value.actor,
        method=value.method,
        resource=value.resource,
        code=value.code,
        request_id=value.request_id,
        traceparent=value.traceparent,
    )
