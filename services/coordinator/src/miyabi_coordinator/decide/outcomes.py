"""What becomes of a run when a leased task ends: results, retries, fix rounds."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Sequence

from msgspec.structs import replace

from miyabi_coordinator.decide import duplicates, ordering, pipeline, salvage
from miyabi_coordinator.models import (
    NO_BUDGET,
    BatchState,
    Done,
    Failed,
    FailureReason,
    ListedStep,
    Original,
    OutcomeReceived,
    PlannedStep,
    Released,
    Results,
    Run,
    RunState,
    Spec,
    Task,
    TaskKind,
    TaskState,
    Usage,
)
from miyabi_core.text import ending

#: A task that fails in a way that a repeat may mend is tried this often in all.
MAX_FAILURES = 3
#: A task whose lease expires is leased this often in all: an agent that dies says nothing of its task, but a task that
#: kills each of its agents has to end. Of 300 issues 5 failed with five, while a process was killed every second.
MAX_LEASES = 10
#: Characters of what stopped conversations had learnt: as many as one outcome may bring, so that the newest is whole.
MAX_LEARNT = 8000
#: The first pause before a repeat, in seconds; each further one is twice as long.
BACKOFF_BASE = 2.0
#: The longest pause, unless the agent asks for more.
BACKOFF_CAP = 60.0
#: Longest pause that an agent may ask for, in seconds: GitHub's own limits are over within the hour.
RETRY_AFTER_CAP = 3600.0
#: Which result each kind of step brings, by its name in Results.
RESULT_FIELDS = {
    TaskKind.TRIAGE: "triage",
    TaskKind.PLAN: "plan",
    TaskKind.IMPLEMENT: "change_set",
    TaskKind.VERIFY: "verification",
    TaskKind.REVIEW: "review",
    TaskKind.DOCUMENT: "documentation",
    TaskKind.PULL_REQUEST: "pull_request",
}


def checked(run: Run, task: Task, result: Done | Failed | Released) -> Done | Failed | Released:
    """Return the result, or why it is none: another kind of step's, a plan that is none, no changed file."""
    if not isinstance(result, Done):
        return result
    if result.field != RESULT_FIELDS[task.kind]:
        return Failed(FailureReason.AGENT_ERROR, f"The agent answered {task.kind.name} with {result.field}.")
    if task.kind is TaskKind.PLAN and not result.steps:
        return Failed(FailureReason.MODEL_ANSWER, "The plan has no step.", retryable=True)
    if task.kind is TaskKind.PLAN and run.listed and _titles(result.steps) != _titles(run.listed):
        message = "The plan does not keep to the steps that the issue lists."
        return Failed(FailureReason.MODEL_ANSWER, message, retryable=True)
    if task.kind is TaskKind.IMPLEMENT and not result.files:
        return Failed(FailureReason.NO_CHANGE, "The step changed no file.")
    return result


def _titles(steps: Sequence[PlannedStep | ListedStep]) -> list[str]:
    return [step.title for step in steps]


def end_lease(run: Run, task: Task, outcome: OutcomeReceived, *, spec: Spec, now: float) -> Run:
    """Return the run after the outcome of a valid lease."""
    spent = task.spent + outcome.usage
    task = replace(task, spent=spent, lease_expires=0.0, reserved=NO_BUDGET)
    run = replace(run, spent=run.spent + outcome.usage, learnt=_with_learnt(run, task, outcome.learnt))
    match outcome.result:
        case Done() as done:
            return _done(run, task, done, spec=spec, now=now)
        case Failed() as failed:
            return fail(run, task, failed, spec=spec, now=now)
        case Released():
            return run.with_task(replace(task, state=TaskState.READY, attempt=task.attempt - 1))


def _with_learnt(run: Run, task: Task, learnt: str) -> str:
    """Return what is known for the next change of a run, its begin left out where it is too long."""
    if not learnt or task.kind is not TaskKind.IMPLEMENT:
        return run.learnt
    return ending("\n\n".join(filter(None, (run.learnt, learnt))), MAX_LEARNT)


def expire_lease(run: Run, task: Task, *, spec: Spec, now: float) -> Run:
    """Return the run after a lease that nobody renewed, or whose deadline passed."""
    task = replace(task, expiries=task.expiries + 1, lease_expires=0.0, reserved=NO_BUDGET)
    if task.deadline and now >= task.deadline:
        return fail(
            run, task, Failed(FailureReason.DEADLINE, "The deadline passed.", retryable=True), spec=spec, now=now
        )
    if task.attempt >= MAX_LEASES:
        message = f"The lease expired at attempt {task.attempt}."
        return fail(run, task, Failed(FailureReason.LEASE_EXPIRED, message), spec=spec, now=now)
    return run.with_task(replace(task, state=TaskState.READY))


def fail(run: Run, task: Task, failed: Failed, *, spec: Spec, now: float) -> Run:
    """Return the run after a task did not work: a pause before the next attempt, or the end.

    Where the budget ended, what is proven is delivered first.
    """
    if failed.reason is FailureReason.BUDGET_EXHAUSTED:
        saved = salvage.salvage(run, task, spec=spec, message=failed.message, now=now)
        if saved is not None:
            return advance(saved, spec=spec, now=now)
    failures = task.failures + 1
    task = replace(task, failures=failures, reason=failed.reason, message=failed.message)
    if failed.retryable and failures < MAX_FAILURES:
        ready_at = now + max(min(failed.retry_after, RETRY_AFTER_CAP), backoff(run, task))
        return run.with_task(replace(task, state=TaskState.BACKOFF, ready_at=ready_at))
    run = run.with_task(replace(task, state=TaskState.FAILED, ended=now))
    return finish(run, RunState.FAILED, reason=failed.reason, message=failed.message, now=now)


def backoff(run: Run, task: Task) -> float:
    """Return the pause before the next attempt: exponential, spread by up to a fifth so that retries do not meet."""
    pause = min(BACKOFF_CAP, BACKOFF_BASE * 2.0 ** (task.failures - 1))
    spread = zlib.crc32(f"{run.batch}{run.issue}{task.id}{task.failures}".encode()) % 1000 / 5000
    return pause * (1 + spread)


def finish(run: Run, state: RunState, *, reason: FailureReason, message: str, now: float) -> Run:
    """Return the run in a terminal state; nothing of it is left to do."""
    cancelled = state is RunState.CANCELLED
    tasks = tuple(_abandon(task, cancelled=cancelled, now=now) for task in run.tasks)
    ended = replace(run, state=state, tasks=tasks, reason=reason, message=message, ended=now, kept=NO_BUDGET)
    return replace(ended, settling=False, shares=())


def _abandon(task: Task, *, cancelled: bool, now: float) -> Task:
    """Return the task given up, if it had not ended."""
    if task.state.terminal:
        return task
    stopped = cancelled or task.state is TaskState.LEASED
    return replace(
        task,
        state=TaskState.CANCELLED if stopped else TaskState.SKIPPED,
        reason=FailureReason.CANCELLED if stopped else FailureReason.PREREQUISITE,
        ended=now,
        lease_expires=0.0,
        reserved=NO_BUDGET,
    )


def _done(run: Run, task: Task, done: Done, *, spec: Spec, now: float) -> Run:
    """Return the run after a result."""
    results = _record(run.results, done, kind=task.kind)
    verdict = _verdict(task, done)
    asks = done.asks if task.kind is TaskKind.VERIFY else run.asks
    run = replace(run, results=results, asks=asks, pushed=done.pushed or run.pushed)
    if verdict is not None and spec.pipeline is not spec.pipeline.REVIEW:
        return _send_back(run, task, verdict, spec=spec, now=now)
    ended = replace(task, state=TaskState.SUCCEEDED, ended=now, reason=FailureReason.NONE, message="")
    run = run.with_task(ended)
    if verdict is not None:
        return finish(run, RunState.FAILED, reason=verdict.reason, message=verdict.message, now=now)
    if task.kind is TaskKind.TRIAGE and (same := duplicates.original_of(run, done.judged)):
        original = Original(0 if same.pull_request else same.issue, same.url)
        words = duplicates.sentence(same, done.judged)
        run = replace(run, duplicate_of=original)
        return finish(run, RunState.SKIPPED, reason=FailureReason.DUPLICATE, message=words, now=now)
    if task.kind is TaskKind.PLAN:
        run = replace(run, tasks=(*run.tasks, *_planned(run, task, done)))
        run = ordering.planned(run, done, spec=spec, now=now)
    return advance(run, spec=spec, now=now)


def _planned(run: Run, task: Task, done: Done) -> tuple[Task, ...]:
    """Return the tasks that the plan asks for, in the order that the issue itself declares where it lists steps."""
    return pipeline.planned_tasks(run.listed or done.steps, after=task, generation=run.generation)


def _record(results: Results, done: Done, *, kind: TaskKind) -> Results:
    """Return the results with the new one; what was found out about an older change says nothing of a new one."""
    fields = {done.field: done.value}
    if kind is TaskKind.IMPLEMENT:
        fields |= {"verification": b"", "review": b"", "documentation": b""}
    if done.merged_change:
        fields["change_set"] = done.merged_change
    return replace(results, **fields)


def _verdict(task: Task, done: Done) -> Failed | None:
    """Return why the result is no pass; an incomplete review never is one."""
    if task.kind is TaskKind.VERIFY and not done.passed:
        return Failed(FailureReason.TESTS_FAILED, _sentence("The tests do not prove the change", done.why))
    if task.kind is TaskKind.REVIEW and done.incomplete:
        message = _sentence("The review is incomplete, so there is no verdict", done.why)
        return Failed(FailureReason.REVIEW_INCOMPLETE, message)
    if task.kind is TaskKind.REVIEW and not done.passed:
        return Failed(FailureReason.REVIEW_FAILED, _sentence("The review did not pass", done.why))
    return None


def _sentence(what: str, why: str) -> str:
    """Return what happened with its cause, where one is known."""
    return f"{what}: {why.rstrip('.')}." if why else f"{what}."


def _send_back(run: Run, task: Task, verdict: Failed, *, spec: Spec, now: float) -> Run:
    """Return the run with another fix round, or ended where rounds are used up; no round mends a broken analyser."""
    failed = replace(task, state=TaskState.FAILED, ended=now, reason=verdict.reason, message=verdict.message)
    run = run.with_task(failed)
    if run.missing:
        message = f"The budget ended, and what was made is not proven. {verdict.message}"
        return finish(run, RunState.FAILED, reason=FailureReason.BUDGET_EXHAUSTED, message=message, now=now)
    if verdict.reason is FailureReason.REVIEW_INCOMPLETE:
        return finish(run, RunState.FAILED, reason=verdict.reason, message=verdict.message, now=now)
    if run.fix_rounds >= spec.max_fix_rounds:
        rounds = f"Fix rounds that were used: {run.fix_rounds}."
        reason = FailureReason.FIX_ROUNDS_EXHAUSTED if spec.max_fix_rounds else verdict.reason
        return finish(run, RunState.FAILED, reason=reason, message=f"{verdict.message} {rounds}", now=now)
    tasks = tuple(_abandon(entry, cancelled=False, now=now) for entry in run.tasks)
    return pipeline.fix_round(replace(run, tasks=tasks), run.fix_rounds + 1)


def advance(run: Run, *, spec: Spec, now: float) -> Run:
    """Return the run with what is ready now, awaiting approval, or succeeded; a change waits for its turn."""
    held = run.settling or run.shares
    done = {task.id for task in run.tasks if task.state is TaskState.SUCCEEDED}
    for task in run.tasks:
        if task.state is not TaskState.PENDING or not done.issuperset(task.depends_on):
            continue
        if task.kind is TaskKind.IMPLEMENT and held:
            continue
        if task.kind is TaskKind.PULL_REQUEST and (spec.require_approval or run.asks) and not run.approved:
            return replace(run, state=RunState.AWAITING_APPROVAL)
        run = run.with_task(replace(task, state=TaskState.READY))
    if any(not task.state.terminal for task in run.tasks):
        return run
    if run.missing:
        words = salvage.summary(run)
        return finish(run, RunState.FAILED, reason=FailureReason.BUDGET_EXHAUSTED, message=words, now=now)
    return replace(run, state=RunState.SUCCEEDED, ended=now, reason=FailureReason.NONE, message="", kept=NO_BUDGET)


def closing_state(runs: Iterable[Run]) -> BatchState:
    """Return how a batch ends whose runs have ended: well where each succeeded, or its original did."""
    well = (run.state is RunState.SUCCEEDED or run.reason is FailureReason.DUPLICATE for run in runs)
    return BatchState.SUCCEEDED if all(well) else BatchState.FAILED


def near_limit(usage: Usage, spec: Spec) -> bool:
    """Tell whether 80 % of the issue's budget is spent."""
    budget = spec.issue_budget
    return bool(
        (budget.usd_micros and usage.cost_usd_micros * 5 >= budget.usd_micros * 4)
        or (budget.tokens and usage.tokens * 5 >= budget.tokens * 4)
    )
