"""Reserving, alone: whatever steps cost and in whatever order issues move, money adds up and nothing waits for ever."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from miyabi_coordinator.decide import decide, new_run
from miyabi_coordinator.decide.money import reserve
from miyabi_coordinator.decide.outcomes import RESULT_FIELDS
from miyabi_coordinator.models import (
    NO_BUDGET,
    Budget,
    Done,
    Estimate,
    Failed,
    FailureReason,
    Funds,
    LeaseGranted,
    OutcomeReceived,
    Pipeline,
    PlannedStep,
    RunState,
    Spec,
    TaskKind,
    TaskState,
    Usage,
)
from miyabi_coordinator.models.measured import bucket_of, field_of, measured_of
from miyabi_coordinator.service.limiting.estimates import ENOUGH, TABLE, from_measured, from_table

DOLLAR = Budget(usd_micros=1_000_000)
READY, LEASED = TaskState.READY, TaskState.LEASED


def spec_of(**fields):
    return Spec("acme/forms", (1,), **fields)


def run_of(spec, issue=1):
    return new_run("B", issue, spec=spec, title="", url="", depends_on=(), dependents=())


amounts = st.builds(Budget, st.integers(0, 400_000), st.integers(0, 400_000))
estimates = st.fixed_dictionaries(
    {
        int(kind): st.builds(
            lambda whole, part, allowed: Estimate(
                whole, Budget(whole.usd_micros // part, whole.tokens // part), allowed
            ),
            amounts,
            st.integers(1, 5),
            st.one_of(st.just(NO_BUDGET), amounts),
        )
        for kind in TaskKind
    }
)
limits = st.builds(Budget, st.sampled_from([0, 5_000, 300_000, 1_000_000, 5_000_000]), st.sampled_from([0, 800_000]))
smaller = st.builds(Budget, st.sampled_from([0, 0, 800, 90_000, 700_000]), st.sampled_from([0, 0, 90_000]))
specs = st.builds(
    spec_of,
    pipeline=st.sampled_from([Pipeline.FIX, Pipeline.FIX, Pipeline.TRIAGE]),
    budget=limits,
    issue_budget=smaller,
    task_budget=smaller,
    max_fix_rounds=st.integers(0, 2),
)


class Money:
    """The batch's money as the commit counts it, and issues whose agents keep to what their leases allow."""

    def __init__(self, spec, known, issues=3):
        self.spec, self.known = spec, known
        self.runs = {issue: run_of(spec, issue) for issue in range(1, issues + 1)}

    def funds(self):
        tasks = [task for run in self.runs.values() for task in run.tasks if task.state is LEASED]
        reserved = sum([task.reserved for task in tasks] + [run.kept for run in self.runs.values()], start=NO_BUDGET)
        spent = [Budget(run.spent.cost_usd_micros, run.spent.tokens) for run in self.runs.values()]
        return Funds(self.spec.budget, sum(spent, start=NO_BUDGET), reserved, len(tasks))

    def fits(self, more):
        """Tell what the commit's guard tells."""
        funds = self.funds()
        for name in ("usd_micros", "tokens"):
            limit, grow = getattr(funds.limit, name), getattr(more, name)
            if limit and grow > 0 and getattr(funds.spent, name) + getattr(funds.reserved, name) + grow > limit:
                return False
        return True

    def check(self):
        """Nothing is promised twice, and no limit of any kind is passed."""
        funds = self.funds()
        for name in ("usd_micros", "tokens"):
            limit = getattr(funds.limit, name)
            assert not limit or getattr(funds.spent, name) + getattr(funds.reserved, name) <= limit
            own = getattr(self.spec.issue_budget, name)
            assert not own or all(self.used(run, name) <= own for run in self.runs.values())
            each = getattr(self.spec.task_budget, name)
            leases = [task.reserved for run in self.runs.values() for task in run.tasks if task.state is LEASED]
            assert not each or all(0 < getattr(lease, name) <= each for lease in leases)

    def used(self, run, name):
        spent = run.spent.cost_usd_micros if name == "usd_micros" else run.spent.tokens
        return spent + sum(getattr(task.reserved, name) for task in run.tasks if task.state is LEASED)

    def move(self, choice, share, passed, *, funds=None):
        """Lease a task that is ready or end one that is leased; returns whether anything changed."""
        moves = [
            (issue, task) for issue, run in self.runs.items() for task in run.tasks if task.state in {READY, LEASED}
        ]
        if not moves:
            return False
        issue, task = moves[choice % len(moves)]
        run = self.runs[issue]
        if task.state is READY:
            event = LeaseGranted(task.id, "agent", 10, 100, funds or self.funds(), self.known)
        else:
            event = self.outcome(task, share, passed=passed)
        decision = decide(run, self.spec, event, 1)
        if task.state is READY and not self.fits(decision.guards.reserve):
            return False
        self.runs[issue] = decision.run
        self.check()
        return True

    def outcome(self, task, share, *, passed):
        """Spend a share of what the lease allows; where it sets no limit, what is expected."""
        expected = self.known[int(task.kind)].expected
        most = Budget(*(getattr(task.reserved, name) or getattr(expected, name) for name in ("usd_micros", "tokens")))
        usage = Usage(cost_usd_micros=most.usd_micros * share // 100, input_tokens=most.tokens * share // 100)
        done = Done(RESULT_FIELDS[task.kind], b"", passed=passed, files=1, steps=(PlannedStep("a"), PlannedStep("b")))
        failed = Failed(FailureReason.AGENT_ERROR, "No.")
        return OutcomeReceived(task.id, task.fence, done if passed or share % 2 else failed, usage)


@settings(max_examples=150, deadline=None)
@given(
    specs,
    estimates,
    st.lists(st.tuples(st.integers(0, 30), st.integers(0, 100), st.booleans()), min_size=20, max_size=80),
)
def test_money_adds_up_and_every_issue_ends(spec, known, moves):
    """With agents that keep to their leases no limit is ever passed, and there is always something that can go on."""
    money = Money(spec, known)
    for choice, share, passed in moves:
        money.move(choice, share, passed)
    for _ in range(400):
        if all(run.state.terminal for run in money.runs.values()):
            break
        assert any(money.move(choice, 50, True) for choice in range(20))
    assert all(run.state.terminal for run in money.runs.values())
    assert money.funds().reserved == NO_BUDGET


@settings(max_examples=150, deadline=None)
@given(specs, estimates, amounts, amounts, st.integers(0, 3))
def test_a_reservation_is_covered_or_refused(spec, known, spent, reserved, leased):
    """What is reserved for one step and kept for the rest fits into what is free, or it is more than the commit takes."""
    run = run_of(spec)
    funds = Funds(spec.budget, spent, reserved, leased)
    found = reserve(run, spec, run.tasks[0], funds=funds, estimates=known)
    if found.exhausted:
        assert found.lease == found.kept == NO_BUDGET
        return
    for name in ("usd_micros", "tokens"):
        limit, lease, kept = (getattr(part, name) for part in (spec.budget, found.lease, found.kept))
        any_limit = limit or getattr(spec.issue_budget, name) or getattr(spec.task_budget, name)
        assert (lease > 0) == bool(any_limit)
        if not limit:
            assert kept == 0
            continue
        free = limit - getattr(spent, name) - getattr(reserved, name)
        refused = lease + kept > free
        assert not refused or getattr(reserved, name) > 0


@pytest.mark.parametrize(
    ("dollars", "lease"), [(0.30, 0), (0.39, 0), (0.40, 25_000), (0.45, 75_000), (1.0, 100_000), (5.0, 100_000)]
)
def test_first_issue_of_a_small_budget(dollars, lease):
    """Before anything was measured a fix begins with $0.40 or more: the least of each step and the pull request."""
    spec = spec_of(budget=Budget(usd_micros=round(dollars * 1e6)))
    run = run_of(spec)
    found = reserve(run, spec, run.tasks[0], funds=Funds(spec.budget), estimates=from_table())
    assert (found.exhausted, found.lease.usd_micros) == (not lease, lease)


def test_second_issue_waits_for_money_that_the_first_keeps():
    """What the first issue keeps is not given to another, and what is never there is not waited for."""
    spec = spec_of(budget=Budget(usd_micros=1_500_000))
    run = run_of(spec, 2)
    kept = Funds(spec.budget, reserved=Budget(usd_micros=1_300_000), leased=1)
    waiting = reserve(run, spec, run.tasks[0], funds=kept, estimates=from_table())
    assert not waiting.exhausted
    assert waiting.lease.usd_micros + waiting.kept.usd_micros == sum(each.usd_micros for each in TABLE.values())
    spent = Funds(spec.budget, spent=Budget(usd_micros=1_200_000), leased=1)
    assert reserve(run, spec, run.tasks[0], funds=spent, estimates=from_table()).exhausted


def test_a_lease_allows_more_than_what_steps_were_measured_to_cost():
    """A cheap step keeps the table's room where it is paid for: an agent sets the most of each call aside beforehand."""
    spec = spec_of(budget=DOLLAR)
    run = run_of(spec)
    counts = {field_of("c", int(kind), bucket_of(5_000)): ENOUGH for kind in TaskKind}
    known = from_measured(measured_of(counts))
    found = reserve(run, spec, run.tasks[0], funds=Funds(DOLLAR), estimates=known)
    assert found.lease.usd_micros == TABLE[TaskKind.TRIAGE].usd_micros
    assert 6 * 5_000 <= found.kept.usd_micros <= 6 * 5_600
    tight = Funds(DOLLAR, Budget(usd_micros=960_000))
    found = reserve(run, spec, run.tasks[0], funds=tight, estimates=known)
    assert 0 < found.lease.usd_micros + found.kept.usd_micros <= 40_000


@pytest.mark.parametrize("left", [1, 400, 999, 1000, 50_000])
def test_a_pull_request_gets_what_is_left(left):
    """The pull request of an issue that is through takes the rest, be it less than any other step would begin with."""
    spec = spec_of(budget=DOLLAR)
    run = run_of(spec)
    last = replace(run.tasks[0], kind=TaskKind.PULL_REQUEST)
    run = replace(run, tasks=(last,), state=RunState.RUNNING, kept=Budget(usd_micros=left))
    funds = Funds(DOLLAR, Budget(usd_micros=1_000_000 - left), run.kept)
    found = reserve(run, spec, last, funds=funds, estimates=from_table())
    assert (found.lease.usd_micros, found.kept, found.exhausted) == (left, NO_BUDGET, False)


@pytest.mark.parametrize("cost", [0, 1, 70_000, 3_000_000])
def test_measured_costs_stand_before_the_table(cost):
    """After three attempts the estimate covers what they cost, within a tenth, in dollars and in tokens."""
    kind = int(TaskKind.PLAN)
    counts = {field_of(what, kind, bucket_of(cost)): ENOUGH for what in ("c", "t")}
    found = from_measured(measured_of(counts))[kind]
    for name in ("usd_micros", "tokens"):
        expected, least = getattr(found.expected, name), getattr(found.least, name)
        assert least <= cost <= expected <= 1.11 * cost + 2
        assert expected <= 1.11 * least + 2
    few = dict.fromkeys(counts, ENOUGH - 1)
    assert from_measured(measured_of(few))[kind] == from_table()[kind]
