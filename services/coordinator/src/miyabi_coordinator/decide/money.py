"""Reserve, then settle: what a step may spend, what its issue keeps for its later steps, and when money is out.

An issue that is in flight keeps what its later steps are expected to cost, the pull request above all, so that work
that is paid for can be delivered. An issue begins where the batch can pay for all of it; where it is the only one, it
begins with less, as long as each of its steps gets the least that it needs. What is only estimated bounds how much runs
side by side; what a step may spend is a limit that its agent keeps to.
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
#: What a task may spend where it has no limit of its own: more than any budget.
_NO_LIMIT = 1 << 62


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
    amounts = {
        int(kind): _Amounts.of(estimate, dimension, most=task_limit or _NO_LIMIT)
        for kind, estimate in estimates.items()
    }
    later = later_kinds(run, spec, task)
    own, floor = amounts[task.kind], sum(_needed(kind, amounts[kind]) for kind in later)
    want, least = own.allowed, own.least if task.kind is not TaskKind.PULL_REQUEST else own.smallest
    if issue_limit:
        unused = issue_limit - _used(run, dimension)
        left = unused - min(floor, issue_limit // 2)
        if left < (own.smallest if _leased(run) else least):
            return (unused, 0) if task.kind is TaskKind.PULL_REQUEST and unused > 0 else None
        want, least = min(want, left), min(least, left)
    if not batch_limit:
        return want, 0
    rest = sum(amounts[kind].expected for kind in later)
    return _of_batch(run, task, funds, want=want, least=least, rest=rest, floor=floor, dimension=dimension)


def _of_batch(
    run: Run, task: Task, funds: Funds, *, want: int, least: int, rest: int, floor: int, dimension: str
) -> tuple[int, int] | None:
    """Return what the batch's money allows; None where it is out."""
    limit, spent, reserved = (getattr(part, dimension) for part in (funds.limit, funds.spent, funds.reserved))
    mine = getattr(run.kept, dimension)
    available = limit - spent - reserved + mine
    if available >= want + rest:
        return want, rest
    begun = run.state is not RunState.PENDING
    if begun or reserved == mine:
        lease = min(want, available - floor)
        if lease >= least:
            return lease, min(rest, available - lease)
    if task.kind is TaskKind.PULL_REQUEST and available > 0:
        return available, 0
    stuck = begun and not funds.leased
    if limit - spent < least + floor or stuck:
        return None
    return want, rest


class _Amounts(Value, frozen=True):
    """What a lease of a kind of step allows, what the attempt costs nearly always at most, and at least."""

    allowed: int
    expected: int
    least: int
    smallest: int

    @classmethod
    def of(cls, estimate: Estimate, dimension: str, *, most: int) -> _Amounts:
        """Return an estimate's amounts, none of which is more than what a task may spend."""
        smallest = min(most, getattr(SMALLEST, dimension))
        expected, least = (
            max(smallest, min(most, getattr(part, dimension))) for part in (estimate.expected, estimate.least)
        )
        allowed = max(expected, min(most, getattr(estimate.allowed, dimension)))
        return cls(allowed, expected, least, smallest)


def _needed(kind: TaskKind, amounts: _Amounts) -> int:
    """Return what an issue must have for a later step: without the pull request all before it were in vain."""
    return amounts.expected if kind is TaskKind.PULL_REQUEST else amounts.least


def _used(run: Run, dimension: str) -> int:
    """Return what an issue has spent and has out in leases."""
    spent = run.spent.cost_usd_micros if dimension == "usd_micros" else run.spent.tokens
    held: int = sum(getattr(task.reserved, dimension) for task in _leased(run))
    return spent + held


def _leased(run: Run) -> list[Task]:
    """Return the tasks whose reservations may come back."""
    return [task for task in run.tasks if task.state is TaskState.LEASED]
