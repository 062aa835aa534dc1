"""Reserve, then settle: what a step may spend, what its issue keeps for its later steps, and when money is out.

An issue that is in flight keeps what its later steps are expected to cost, the pull request above all, so that work
that is paid for can be delivered. An issue begins where the batch can pay for all of it, or where it is the only one:
then it goes as far as the money goes. What is only estimated bounds how much runs side by side; what a step may spend
is a limit that its agent keeps to.
"""

from __future__ import annotations

from collections.abc import Mapping

from miyabi_coordinator.models import (
    NO_BUDGET,
    Budget,
    Estimate,
    Funds,
    Pipeline,
    Run,
    RunState,
    Spec,
    Task,
    TaskKind,
    TaskState,
    Value,
)

#: The smallest reservation, in millionths of a US dollar and in tokens: 0 would mean no limit to the agent.
SMALLEST = Budget(usd_micros=1000, tokens=100)
#: What a plan is followed by, until it says so itself.
_AFTER_PLAN = (TaskKind.IMPLEMENT, TaskKind.VERIFY, TaskKind.REVIEW, TaskKind.DOCUMENT, TaskKind.PULL_REQUEST)
_OPEN = (TaskState.PENDING, TaskState.READY, TaskState.BACKOFF)
_DIMENSIONS = ("usd_micros", "tokens")


class Reservation(Value, frozen=True):
    """What a lease may spend, and what its issue keeps for later; `exhausted`: the money is out for good."""

    lease: Budget = NO_BUDGET
    kept: Budget = NO_BUDGET
    exhausted: bool = False


def reserve(run: Run, spec: Spec, task: Task, *, funds: Funds, estimates: Mapping[int, Estimate]) -> Reservation:
    """Return what a lease of *task* reserves; without any budget nothing is.

    Where the batch cannot pay now, the full amount comes back: the commit refuses it, and the task waits for money that
    others give back.
    """
    lease: dict[str, int] = {}
    kept: dict[str, int] = {}
    for dimension in _DIMENSIONS:
        amounts = _reserve(run, spec, task, funds=funds, estimates=estimates, dimension=dimension)
        if amounts is None:
            return Reservation(exhausted=True)
        lease[dimension], kept[dimension] = amounts
    return Reservation(Budget(**lease), Budget(**kept))


def later_kinds(run: Run, spec: Spec, task: Task) -> list[TaskKind]:
    """Return the kinds of the steps that are still to come after *task*, as far as they are known or certain."""
    kinds = [entry.kind for entry in run.tasks if entry.state in _OPEN and entry.id != task.id]
    planned = any(entry.kind is TaskKind.IMPLEMENT and entry.state in _OPEN for entry in (*run.tasks, task))
    before_plan = task.kind in {TaskKind.TRIAGE, TaskKind.PLAN}
    if spec.pipeline is Pipeline.FIX and before_plan and not planned:
        kinds.extend(_AFTER_PLAN)
    return kinds


def _reserve(
    run: Run, spec: Spec, task: Task, *, funds: Funds, estimates: Mapping[int, Estimate], dimension: str
) -> tuple[int, int] | None:
    """Return lease and kept amount in one dimension; None where the money is out."""
    batch_limit, issue_limit, task_limit = (
        getattr(limit, dimension) for limit in (spec.budget, spec.issue_budget, spec.task_budget)
    )
    if not (batch_limit or issue_limit or task_limit):
        return 0, 0
    expected = {kind: getattr(estimate.expected, dimension) for kind, estimate in estimates.items()}
    later = later_kinds(run, spec, task)
    delivery = expected.get(TaskKind.PULL_REQUEST, 0) if TaskKind.PULL_REQUEST in later else 0
    smallest = getattr(SMALLEST, dimension)
    least = smallest
    if task.kind is not TaskKind.PULL_REQUEST and not _leased(run):
        least = max(least, getattr(estimates[task.kind].least, dimension))
    want = max(smallest, expected.get(task.kind, 0))
    if task_limit:
        want, least = min(want, task_limit), min(least, task_limit)
    if issue_limit:
        left = issue_limit - _used(run, dimension) - min(delivery, issue_limit // 2)
        if left < least:
            return _last_of_issue(task, issue_limit - _used(run, dimension), smallest)
        want = min(want, left)
    if not batch_limit:
        return want, 0
    rest = sum(expected.get(kind, 0) for kind in later)
    return _of_batch(run, task, funds, want=want, least=least, rest=rest, delivery=delivery, dimension=dimension)


def _of_batch(
    run: Run, task: Task, funds: Funds, *, want: int, least: int, rest: int, delivery: int, dimension: str
) -> tuple[int, int] | None:
    """Return what the batch's money allows; None where it is out."""
    limit, spent, reserved = (getattr(part, dimension) for part in (funds.limit, funds.spent, funds.reserved))
    mine = getattr(run.kept, dimension)
    available = limit - spent - reserved + mine
    if available >= want + rest:
        return want, rest
    begun = run.state is not RunState.PENDING
    if begun or reserved == mine:
        lease = min(want, available - delivery)
        if lease >= least:
            return lease, min(rest, available - lease)
    if task.kind is TaskKind.PULL_REQUEST:
        return _last_of_issue(task, available, getattr(SMALLEST, dimension))
    stuck = begun and not funds.leased
    if limit - spent < least + delivery or stuck:
        return None
    return want, rest


def _last_of_issue(task: Task, available: int, smallest: int) -> tuple[int, int] | None:
    """Return what is left for a pull request, which the work before has earned; None for any other step."""
    return (max(smallest, available), 0) if task.kind is TaskKind.PULL_REQUEST and available > 0 else None


def _used(run: Run, dimension: str) -> int:
    """Return what an issue has spent and has out in leases."""
    spent = run.spent.cost_usd_micros if dimension == "usd_micros" else run.spent.tokens
    held: int = sum(getattr(task.reserved, dimension) for task in _leased(run))
    return spent + held


def _leased(run: Run) -> list[Task]:
    """Return the tasks whose reservations may come back."""
    return [task for task in run.tasks if task.state is TaskState.LEASED]
