"""Whoever is late, twice or interrupted when changes are ordered: none waits for what has ended."""

from __future__ import annotations

import pytest

from miyabi_coordinator import shards
from miyabi_coordinator.decide import new_run
from miyabi_coordinator.decide.outcomes import RESULT_FIELDS
from miyabi_coordinator.models import (
    Batch,
    BatchState,
    Counters,
    Done,
    Failed,
    FailureReason,
    LeaseGranted,
    LeaseReference,
    OrderSettled,
    OutcomeReceived,
    PlannedStep,
    RunState,
    SharedFiles,
    Spec,
    TaskState,
    Usage,
)
from miyabi_coordinator.reference import ReferenceStore
from miyabi_coordinator.service.sweeping.sweeper import Sweeper
from miyabi_coordinator.service.transitions import Transitions

BATCH = shards.new_batch_id(0)
#: What a stale look at the other run decides.
WAITS = OrderSettled((SharedFiles(1, ("src/cart.py",)),))


class Desk:
    """Two issues whose plans touch one file, a replica, and agents that do what the test says."""

    def __init__(self):
        self.now = 1000.0
        self.store = ReferenceStore(clock=lambda: self.now)
        self.transitions = Transitions(self.store, clock=lambda: self.now)
        self.sweeper = Sweeper(self.store, self.transitions, clock=lambda: self.now)

    async def submit(self):
        spec = Spec("acme/shop", (1, 2), grouping=True)
        runs = [new_run(BATCH, n, spec=spec, title="", url="", depends_on=(), dependents=()) for n in (1, 2)]
        await self.store.create(
            Batch(BATCH, spec, counters=Counters(pending=2), created=self.now), runs=runs, digest="d"
        )

    async def run(self, issue):
        (run,) = await self.store.load_runs(BATCH, [issue])
        return run

    async def apply(self, issue, event):
        return await self.transitions.apply(BATCH, issue, event=event)

    async def step(self, issue, result=None):
        """Lease the issue's ready task and end it."""
        self.now += 1
        run = await self.run(issue)
        task = next(task for task in run.tasks if task.state is TaskState.READY)
        leased = (await self.apply(issue, LeaseGranted(task.id, "agent", self.now + 15, self.now + 900))).run
        done = Done(RESULT_FIELDS[task.kind], b"", files=1, steps=(PlannedStep("a"),), touches=("src/cart.py",))
        reference = LeaseReference(BATCH, issue, task.id, leased.fence)
        event = OutcomeReceived(task.id, leased.fence, result or done, Usage())
        await self.transitions.apply(BATCH, issue, event=event, lease=reference)

    async def planned(self):
        """Have both issues planned, the first one first, and nothing swept yet."""
        await self.submit()
        for issue in (1, 1, 2, 2):
            await self.step(issue)


FAILED = Failed(FailureReason.SANDBOX, "It broke.")


async def test_what_ended_between_the_look_and_the_decision_is_not_waited_for():
    """A decision that was made on an older look is looked at again by its own entry, and the change is begun."""
    desk = Desk()
    await desk.planned()
    await desk.apply(1, OrderSettled())
    await desk.step(1, FAILED)
    await desk.apply(2, WAITS)
    assert [share.issue for share in (await desk.run(2)).shares] == [1]
    await desk.sweeper.sweep()
    run = await desk.run(2)
    assert (run.shares, [task.state for task in run.tasks if task.id == "implement"]) == ((), [TaskState.READY])


@pytest.mark.parametrize("times", [1, 2, 3])
async def test_entries_that_are_carried_out_again_change_nothing(times):
    """However often entries are served, each change waits once and is begun once."""
    desk = Desk()
    await desk.planned()
    due = await desk.store.due(desk.now)
    for _ in range(times):
        for name in due:
            desk.store.shard.timers.add(name, desk.now)
        await desk.sweeper.sweep()
    second = await desk.run(2)
    assert ([share.issue for share in second.shares], second.settling) == ([1], False)
    await desk.step(1, FAILED)
    due = await desk.store.due(desk.now)
    for _ in range(times):
        for name in due:
            desk.store.shard.timers.add(name, desk.now)
        await desk.sweeper.sweep()
    kinds = [task.state for task in (await desk.run(2)).tasks if task.id == "implement"]
    assert kinds == [TaskState.READY]


async def test_a_retried_issue_holds_up_nobody_who_goes_on_without_it():
    """An issue that is planned anew comes after those that were planned meanwhile."""
    desk = Desk()
    await desk.planned()
    await desk.sweeper.sweep()
    await desk.step(1, FAILED)
    await desk.sweeper.sweep()
    await desk.step(2)
    run = await desk.run(2)
    assert (run.shares, run.base) == ((), None)
    assert run.results.change_set == b""
    assert [task.state for task in run.tasks if task.id == "verify"] == [TaskState.READY]


async def test_a_cancelled_batch_waits_for_nothing():
    """A change that waits, and one that is still to be placed, are cancelled like any other."""
    for swept in (False, True):
        desk = Desk()
        await desk.planned()
        if swept:
            await desk.sweeper.sweep()
        await desk.store.set_state(
            BATCH,
            before=BatchState.RUNNING,
            state=BatchState.CANCELLED,
            reason="",
            actor="local",
            outbox=f"cancel|{BATCH}",
        )
        for _ in range(3):
            await desk.sweeper.sweep()
        runs = await desk.store.load_runs(BATCH)
        assert {run.state for run in runs} == {RunState.CANCELLED}
        assert [(run.settling, run.shares) for run in runs] == [(False, ())] * 2
        assert await desk.store.due(desk.now) == []
