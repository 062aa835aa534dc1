"""Changes that touch the same files come one after the other, and nothing ever waits for what does not come."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from miyabi.coordinator.v1 import coordinator_service_pb2 as pb
from miyabi.coordinator.v1 import state_pb2
from miyabi_coordinator.decide import new_run
from miyabi_coordinator.decide.ordering import MOST_ORDERED, not_ordered, shares_of
from miyabi_coordinator.decide.outcomes import RESULT_FIELDS
from miyabi_coordinator.models import (
    Batch,
    BatchState,
    Branch,
    Counters,
    Done,
    Failed,
    FailureReason,
    PlannedStep,
    Run,
    RunState,
    Spec,
    TaskKind,
)
from miyabi_coordinator.reference.simulation import Simulation
from miyabi_coordinator.testing import HEAD, REPOSITORY, succeed
from miyabi_coordinator.translate.replay import differences, rebuild

FILES = {1: ("src/cart.py",), 2: ("src/cart.py", "src/money.py"), 3: ("src/money.py",), 4: ("docs/index.md",)}


class Shop:
    """Agents that work for ten seconds, and keep when each issue was changed and from which branch."""

    def __init__(self, *, failing=()):
        self.failing = failing
        self.changed = []
        self.bases = {}

    def work(self, run, task):
        if task.kind is TaskKind.IMPLEMENT:
            self.changed.append(run.issue)
            self.bases[run.issue] = run.base.name if run.base else ""
            if run.issue in self.failing:
                return 10.0, Failed(FailureReason.SANDBOX)
        pull = task.kind is TaskKind.PULL_REQUEST
        return 10.0 + run.issue / 10, Done(
            RESULT_FIELDS[task.kind],
            b"",
            files=1,
            steps=(PlannedStep("a"),),
            touches=FILES.get(run.issue, ()) if task.kind is TaskKind.PLAN else (),
            pushed=Branch(f"miyabi/issue-{run.issue}", "f" * 40) if pull else None,
        )


def work_through(shop, *, numbers=(1, 2, 3, 4), **fields):
    """Work through a batch; returns its facts and each decision."""
    seen = []
    spec = Spec("acme/shop", numbers, concurrency=9, max_parallel_tasks=9, **{"grouping": True, **fields})
    simulation = Simulation(9, shop.work, on_decision=lambda decision, now: seen.append((decision, now)))
    runs = [new_run("B", n, spec=spec, title="", url="", depends_on=(), dependents=()) for n in numbers]
    simulation.submit(Batch("B", spec, counters=Counters(pending=len(numbers))), runs)
    simulation.run()
    return simulation.facts("B"), seen


def messages(seen):
    """Return what was told of the order, by issue."""
    told = [(decision.run.issue, fact) for decision, _ in seen for fact in decision.facts]
    return [(issue, fact.message) for issue, fact in told if type(fact).__name__ == "RunOrdered"]


def test_the_later_plan_waits_and_starts_from_the_earlier_ones_branch():
    """Of changes to one file the later one waits, says for what, and goes on from the other's branch; others do not."""
    shop = Shop()
    facts, seen = work_through(shop)
    assert facts.state is BatchState.SUCCEEDED
    assert shop.changed == [1, 4, 2, 3]
    assert shop.bases == {1: "", 4: "", 2: "miyabi/issue-1", 3: "miyabi/issue-2"}
    assert messages(seen) == [
        (2, "Waits for #1: both touch src/cart.py."),
        (3, "Waits for #2: both touch src/money.py."),
        (2, "#1 is done: the change starts from its branch miyabi/issue-1. Goes on."),
        (3, "#2 is done: the change starts from its branch miyabi/issue-2. Goes on."),
    ]


def test_a_change_goes_on_from_the_base_where_the_earlier_one_fails():
    """What waited for an issue that failed is made all the same, from the batch's own base, and says so."""
    shop = Shop(failing=(1,))
    facts, seen = work_through(shop, numbers=(1, 2))
    assert {number: run.state for number, run in facts.runs.items()} == {1: RunState.FAILED, 2: RunState.SUCCEEDED}
    assert shop.bases[2] == ""
    assert messages(seen)[-1] == (2, "#1 did not succeed. Goes on.")


def test_a_change_does_not_wait_for_a_person():
    """Where the earlier change waits for approval, which may take days, the later one goes on."""
    shop = Shop()
    facts, seen = work_through(shop, numbers=(1, 2), require_approval=True)
    assert facts.state is BatchState.SUCCEEDED
    assert messages(seen)[-1] == (2, "#1 waits for approval. Goes on.")
    assert shop.bases[2] == ""


@pytest.mark.parametrize("fields", [{"grouping": False}, {"dry_run": True}], ids=["switched off", "dry run"])
def test_nothing_waits_where_issues_are_not_ordered(fields):
    """Without grouping, and in a dry run, which leaves no branch, nothing waits."""
    shop = Shop()
    _, seen = work_through(shop, **fields)
    assert (sorted(shop.changed[:4]), messages(seen)) == ([1, 2, 3, 4], [])


def test_a_batch_that_is_too_large_says_that_it_is_not_ordered():
    """For each plan all runs are read: a batch of more than that many issues is not ordered, and says so."""
    small, large = (Spec("acme/shop", tuple(range(1, n + 1)), grouping=True) for n in (MOST_ORDERED, MOST_ORDERED + 1))
    assert not_ordered(small) == ""
    assert not_ordered(large).endswith(f"more than {MOST_ORDERED} are not ordered.")


@given(
    st.lists(
        st.tuples(st.integers(0, 3), st.sets(st.sampled_from("abc"), max_size=2), st.sampled_from(RunState)),
        min_size=2,
        max_size=8,
    )
)
def test_no_two_changes_wait_for_each_other(entries):
    """Whatever was planned when, even at one moment, each waits only for those that come before in one order."""
    runs = [
        Run("B", number, state=state, planned=float(planned), touches=tuple(files))
        for number, (planned, files, state) in enumerate(entries, start=1)
    ]
    by_number = {run.issue: run for run in runs}
    for run in runs:
        for share in shares_of(run, runs):
            other = by_number[share.issue]
            assert (other.planned, other.issue) < (run.planned, run.issue)
            assert other.state is RunState.RUNNING
            assert set(share.files) == set(run.touches) & set(other.touches) != set()


async def test_a_lease_and_its_events_name_the_branch_that_a_change_starts_from(stack, operators):
    """The waiting issue's leases have the other's branch and commit as base; events, run and log agree."""
    tips = {1: "b" * 40, 2: "c" * 40}

    def answer(lease):
        outcome, number = succeed(lease), lease.inputs.issue_number
        if lease.kind == TaskKind.PLAN:
            outcome.plan.files.extend(["src/cart.py", "src/other.py"])
        if lease.kind == TaskKind.PULL_REQUEST:
            outcome.pull_request.head_branch = f"miyabi/issue-{number}"
            outcome.pull_request.head_sha = tips[number]
        return outcome

    async with stack.coordinator() as channel, stack.agent(channel, answer=answer) as agent, asyncio.timeout(20):
        stub = operators(channel)
        request = pb.SubmitBatchRequest(repository=REPOSITORY, issue_numbers=[1, 2])
        events = [event async for response in stub.SubmitBatch(request) for event in response.events]
        stored = await stub.GetBatch(pb.GetBatchRequest(name=events[0].batch))
    leases = [agent.leases.get_nowait() for _ in range(agent.leases.qsize())]
    told = [event for event in events if event.WhichOneof("payload") == "run_ordered"]
    first = told[0].run_ordered.shares[0].issue_number
    second = 3 - first
    bases = {
        (lease.inputs.issue_number, lease.inputs.base_branch, lease.inputs.base_sha)
        for lease in leases
        if lease.kind > TaskKind.PLAN
    }
    assert bases == {(first, "main", HEAD), (second, f"miyabi/issue-{first}", tips[first])}
    assert [(event.issue_number, len(event.run_ordered.shares)) for event in told] == [(second, 1), (second, 0)]
    assert told[0].run_ordered.message == f"Waits for #{first}: both touch src/cart.py, src/other.py."
    run = next(run for run in stored.runs if run.issue_number == second)
    assert (run.base_branch, run.base_sha, list(run.shares)) == (f"miyabi/issue-{first}", tips[first], [])
    assert stored.batch.state == state_pb2.BATCH_STATE_SUCCEEDED
    assert differences(rebuild(events), batch=stored.batch, runs=stored.runs) == []
