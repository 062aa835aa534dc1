"""The one place where business rules live: a run, what happened and the time make the next run and its effects."""

from __future__ import annotations

from msgspec.structs import replace

from miyabi_coordinator.decide import money, ordering, outcomes, pipeline
from miyabi_coordinator.decide.effects import changed_tasks, changes_of, effects_of
from miyabi_coordinator.models import (
    NO_RESULTS,
    ApprovalDecided,
    ApprovalRecorded,
    BackoffElapsed,
    BudgetWarned,
    CancelRequested,
    Decision,
    Done,
    Encoded,
    Fact,
    Failed,
    FailureReason,
    Guards,
    Input,
    LeaseExpired,
    LeaseGranted,
    OrderSettled,
    OutcomeReceived,
    PrerequisiteEnded,
    ResultRecorded,
    RetryRequested,
    Run,
    RunState,
    Spec,
    Task,
    TaskKind,
    TasksAdded,
    TaskState,
    WayFreed,
)


def decide(run: Run, spec: Spec, event: Input, now: float) -> Decision:  # noqa: PLR0911
    """Return what follows from *event*; one that no longer fits the run changes nothing and says why.

    Args:
        run: As it is now.
        spec: What the batch was asked for; what changes of a batch is guarded, not read.
        event: What happened.
        now: Seconds since 1970.
    """
    match event:
        case LeaseGranted():
            return _lease(run, spec, event, now)
        case OutcomeReceived():
            return _outcome(run, spec, event, now)
        case LeaseExpired():
            task = _leased(run, event.task_id, event.fence)
            return (
                _refused(run, "LEASE_LOST")
                if task is None
                else _moved(run, outcomes.expire_lease(run, task, spec=spec, now=now), spec)
            )
        case BackoffElapsed():
            return _backoff_elapsed(run, spec, event)
        case CancelRequested():
            return _cancel(run, spec, event, now)
        case ApprovalDecided():
            return _approval(run, spec, event, now)
        case RetryRequested():
            return _retry(run, spec, event)
        case PrerequisiteEnded():
            return _prerequisite(run, spec, event, now)
        case OrderSettled() | WayFreed():
            return _order(run, spec, event, now)


def record_progress(run: Run, task_id: str, *, fence: int, index: int, fact: Encoded) -> Decision:
    """Return the decision that logs a report of a leased task once; a repeat after a reconnect is dropped."""
    if _leased(run, task_id, fence) is None:
        return _refused(run, "LEASE_LOST")
    key = f"{task_id}:{fence}"
    if index <= run.progress.get(key, 0):
        return _refused(run, "REPEATED")
    after = replace(run, version=run.version + 1, progress={**run.progress, key: index})
    return Decision(after, facts=(fact,))


def _refused(run: Run, why: str) -> Decision:
    return Decision(run, changed=False, refusal=why)


def _moved(
    before: Run, after: Run, spec: Spec, *, facts: tuple[Fact, ...] = (), guards: Guards | None = None
) -> Decision:
    """Complete a transition: the version, new tasks, states that changed, everything that follows from them."""
    after = replace(after, version=before.version + 1, progress=_still_reported(after))
    found: list[Fact] = list(facts)
    if len(after.tasks) > len(before.tasks):
        known = {task.id for task in before.tasks}
        added = tuple(task for task in after.tasks if task.id not in known)
        found.append(TasksAdded(added, added[0].fix_round))
    changed = changed_tasks(before, after)
    found.extend(changes_of(before, after, changed))
    if not before.budget_warned and outcomes.near_limit(after.spent, spec):
        after = replace(after, budget_warned=True)
        found.append(BudgetWarned(spec.issue_budget, after.spent))
    return Decision(after, tuple(found), effects_of(before, after, changed), guards or Guards())


def _still_reported(run: Run) -> dict[str, int]:
    """Return how far each lease that holds has reported; of the others no report is taken any more."""
    if not run.progress:
        return run.progress
    held = {f"{task.id}:{task.fence}" for task in run.tasks if task.state is TaskState.LEASED}
    return {key: index for key, index in run.progress.items() if key in held}


def _leased(run: Run, task_id: str, fence: int) -> Task | None:
    """Return the task if *fence* is its newest lease and still holds."""
    task = run.task(task_id)
    if task is None or task.state is not TaskState.LEASED or task.fence != fence:
        return None
    return task


def _lease(run: Run, spec: Spec, event: LeaseGranted, now: float) -> Decision:
    """Give a ready task to an agent; the first lease takes one of the batch's slots."""
    task = run.task(event.task_id)
    if task is None or task.state is not TaskState.READY or run.state.terminal:
        return _refused(run, "NOT_READY")
    reservation = money.reserve(run, spec, task, funds=event.funds, estimates=event.estimates)
    if reservation.exhausted and (run.missing or task.kind is TaskKind.PULL_REQUEST):
        # It asks no model: nothing is reserved.
        reservation = money.Reservation()
    elif reservation.exhausted:
        return _exhaust(run, spec, task, now=now)
    fence = run.fence + 1
    leased = replace(
        task,
        state=TaskState.LEASED,
        attempt=task.attempt + 1,
        agent=event.agent,
        fence=fence,
        started=now,
        lease_expires=event.expires,
        deadline=event.deadline,
        reserved=reservation.lease,
    )
    needs_slot = run.state is not RunState.RUNNING
    started = run.started or now
    after = replace(run.with_task(leased), fence=fence, state=RunState.RUNNING, started=started, kept=reservation.kept)
    more = reservation.lease + reservation.kept - run.kept
    guards = Guards(running=True, slot=needs_slot, parallel=True, reserve=more)
    return _moved(run, after, spec, guards=guards)


def _exhaust(run: Run, spec: Spec, task: Task, *, now: float) -> Decision:
    """End a run whose next step cannot be paid."""
    failed = Failed(FailureReason.BUDGET_EXHAUSTED, "What is left of the budget does not pay for the next step.")
    return _moved(run, outcomes.fail(run, task, failed, spec=spec, now=now), spec)


def _outcome(run: Run, spec: Spec, event: OutcomeReceived, now: float) -> Decision:
    """Take an outcome, if its lease is still the newest."""
    task = _leased(run, event.task_id, event.fence)
    if task is None:
        return _refused(run, "LEASE_LOST")
    facts: tuple[Fact, ...] = ()
    event = replace(event, result=outcomes.checked(run, task, event.result))
    if isinstance(event.result, Done):
        facts = (ResultRecorded(task, event.result.field, event.result.value),)
    return _moved(run, outcomes.end_lease(run, task, event, spec=spec, now=now), spec, facts=facts)


def _backoff_elapsed(run: Run, spec: Spec, event: BackoffElapsed) -> Decision:
    """Queue a task again after its pause."""
    task = run.task(event.task_id)
    if task is None or task.state is not TaskState.BACKOFF:
        return _refused(run, "NOT_IN_BACKOFF")
    return _moved(run, run.with_task(replace(task, state=TaskState.READY)), spec)


def _cancel(run: Run, spec: Spec, event: CancelRequested, now: float) -> Decision:
    """End a run because its batch was cancelled."""
    if run.state.terminal:
        return _refused(run, "ENDED")
    message = event.message or "The batch was cancelled."
    after = outcomes.finish(run, RunState.CANCELLED, reason=FailureReason.CANCELLED, message=message, now=now)
    return _moved(run, after, spec)


def _approval(run: Run, spec: Spec, event: ApprovalDecided, now: float) -> Decision:
    """Open the way to the pull request, or end the run; an approved run is in flight again with its next lease."""
    if run.state is not RunState.AWAITING_APPROVAL or run.approved:
        return _refused(run, "APPROVAL_NOT_FOUND")
    facts = (ApprovalRecorded(event.approved, event.comment),)
    if not event.approved:
        reason = FailureReason.APPROVAL_DECLINED
        message = event.comment or "The change was declined."
        after = outcomes.finish(run, RunState.FAILED, reason=reason, message=message, now=now)
        return _moved(run, after, spec, facts=facts)
    waiting = next(task for task in reversed(run.tasks) if task.state is TaskState.PENDING)
    after = replace(run.with_task(replace(waiting, state=TaskState.READY)), approved=True)
    return _moved(run, after, spec, facts=facts)


def _retry(run: Run, spec: Spec, event: RetryRequested) -> Decision:
    """Start a failed or skipped run from its beginning, with new tasks beside the old ones.

    A duplicate that is retried by itself is worked on like any other issue.
    """
    if run.state not in {RunState.FAILED, RunState.SKIPPED} or run.generation != event.generation:
        return _refused(run, "NOT_FAILED")
    generation = run.generation + 1
    fresh = pipeline.first_tasks(spec.pipeline, generation=generation)
    after = replace(
        run,
        state=RunState.PENDING,
        tasks=(*run.tasks, *fresh),
        waits_for=event.waits_for,
        results=NO_RESULTS,
        generation=generation,
        missing=(),
        suspects=(),
        duplicate_of=run.duplicate_of if run.duplicate_of and run.duplicate_of.issue in event.waits_for else None,
        planned=0.0,
        touches=(),
        base=None,
        pushed=None,
        fix_rounds=0,
        approved=False,
        asks=False,
        ended=0.0,
        reason=FailureReason.NONE,
        message="",
    )
    return _moved(run, pipeline.start(after), spec, guards=Guards(unended=True))


def _prerequisite(run: Run, spec: Spec, event: PrerequisiteEnded, now: float) -> Decision:
    """Start a run whose last prerequisite succeeded; skip one whose prerequisite did not.

    Versions before triage compared duplicates had them wait for their originals: such a run is skipped too.
    """
    if run.state is not RunState.PENDING or event.issue not in run.waits_for:
        return _refused(run, "NOT_WAITING")
    if (original := run.duplicate_of) is not None:
        became = "was worked on" if event.succeeded else "did not succeed"
        message = f"Asks for the same as #{original.issue}, which {became}: {original.url}"
        after = outcomes.finish(run, RunState.SKIPPED, reason=FailureReason.DUPLICATE, message=message, now=now)
        return _moved(run, after, spec)
    if not event.succeeded:
        reason = FailureReason.PREREQUISITE
        message = f"Issue #{event.issue}, which comes first, did not succeed."
        return _moved(run, outcomes.finish(run, RunState.SKIPPED, reason=reason, message=message, now=now), spec)
    waits_for = tuple(issue for issue in run.waits_for if issue != event.issue)
    return _moved(run, pipeline.start(replace(run, waits_for=waits_for)), spec)


def _order(run: Run, spec: Spec, event: OrderSettled | WayFreed, now: float) -> Decision:
    """Let a planned change wait for others that touch the same files; it is begun once it waits for none."""
    if isinstance(event, OrderSettled):
        if not run.settling:
            return _refused(run, "NOT_SETTLING")
        after, facts = ordering.settle(run, event)
    else:
        if all(share.issue != event.issue for share in run.shares):
            return _refused(run, "NOT_WAITING")
        after, facts = ordering.free(run, event)
    return _moved(run, outcomes.advance(after, spec=spec, now=now), spec, facts=facts)
