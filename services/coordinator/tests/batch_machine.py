"""Drives the real use cases through any interleaving, on any store: what both machines of `test_machine` share."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from machine_results import allowed, result_of, runs_of, spend

from miyabi.coordinator.v1 import event_pb2
from miyabi_coordinator import shards
from miyabi_coordinator.decide import decide, record_progress
from miyabi_coordinator.models import (
    NO_BUDGET,
    Batch,
    BatchState,
    Budget,
    Counters,
    Encoded,
    Estimate,
    FailureReason,
    Judgement,
    LeaseGranted,
    LeaseReference,
    OutcomeReceived,
    Pipeline,
    RepositoryLimit,
    RunState,
    Spec,
    TaskKind,
    TaskState,
)
from miyabi_coordinator.ports.store import Wanted
from miyabi_coordinator.service.batches import Batches
from miyabi_coordinator.service.sweeping.sweeper import Sweeper
from miyabi_coordinator.service.transitions import Change, Transitions, only
from miyabi_coordinator.translate import values
from miyabi_coordinator.translate.events import header
from miyabi_coordinator.translate.frames import split
from miyabi_coordinator.translate.replay import Rebuilt, differences, rebuild
from miyabi_core.access.identity import LOCAL

#: Nobody is asked who they are.
CALLER = LOCAL
LEASE_SECONDS = 15
DEADLINE_SECONDS = 900
KINDS = tuple(map(int, TaskKind))
#: An attempt costs up to 5,000 millionths here, and is expected to cost 3,000: agents overdraw now and then.
ESTIMATES = {int(kind): Estimate(Budget(3000, 3), Budget(1000, 1)) for kind in TaskKind}
#: Every limit that a rule may have used, with room: brings back what waits for one.
FREE = [RepositoryLimit("acme/forms", 0, 99), RepositoryLimit("acme/forms", 3, 99), RepositoryLimit("*", 1, 99)]


@dataclass(frozen=True)
class Held:
    """A lease as its agent knows it; it may be lost by now."""

    reference: LeaseReference
    kind: TaskKind


class Replica:
    """The use cases of one process."""

    def __init__(self, store, clock):
        self.transitions = Transitions(store, clock=clock)
        self.sweeper = Sweeper(store, self.transitions, clock=clock)
        self.batches = Batches(store, self.transitions)


class BatchMachine(RuleBasedStateMachine):
    """Two replicas, one batch of up to five issues, agents that do anything; subclasses say on which store."""

    def __init__(self):
        super().__init__()
        self.offset = 0.0
        self.runner = asyncio.Runner()
        self.store = self.make_store()
        self.replicas = [Replica(self.store, self.clock), Replica(self.store, self.clock)]
        self.leases = []
        self.told = Rebuilt()
        self.batch = shards.new_batch_id(0)

    def make_store(self):
        raise NotImplementedError

    def clock(self):
        return time.time() + self.offset

    def do(self, work):
        return self.runner.run(work)

    @initialize(
        pipeline=st.sampled_from([Pipeline.FIX, Pipeline.FIX, Pipeline.TRIAGE, Pipeline.REVIEW]),
        gate=st.booleans(),
        rounds=st.integers(0, 2),
        concurrency=st.integers(1, 3),
        parallel=st.integers(1, 4),
        budgets=st.sampled_from([(0, 0), (0, 0), (40_000, 0), (0, 12_000), (1_000_000, 100_000)]),
        weight=st.integers(1, 3),
        priority=st.integers(-2, 2),
        edges=st.lists(st.tuples(st.integers(1, 5), st.integers(1, 5)), max_size=6),
        count=st.integers(1, 5),
        grouping=st.booleans(),
        copied=st.booleans(),
    )
    def submit(
        self,
        *,
        pipeline,
        gate,
        rounds,
        concurrency,
        parallel,
        budgets,
        weight,
        priority,
        edges,
        count,
        grouping,
        copied,
    ):
        """Hand over a batch whose later issues wait for earlier ones; the last one may ask for the same as the first."""
        issues = tuple(range(1, count + 1))
        spec = Spec(
            "acme/forms",
            issues,
            pipeline=pipeline,
            require_approval=gate,
            max_fix_rounds=rounds,
            concurrency=concurrency,
            max_parallel_tasks=parallel,
            budget=Budget(usd_micros=budgets[0]),
            issue_budget=Budget(usd_micros=budgets[1]),
            weight=weight,
            priority=priority,
            grouping=grouping and pipeline is Pipeline.FIX,
        )
        runs = runs_of(self.batch, spec, edges, copied=copied)
        batch = Batch(self.batch, spec, counters=Counters(pending=count), created=time.time())
        self.do(self.store.create(batch, runs=runs, digest="d"))

    @rule(
        count=st.integers(1, 4),
        kinds=st.sampled_from([KINDS, (1, 2, 3), (4, 5, 6, 7)]),
        replica=st.integers(0, 1),
        lose=st.booleans(),
        limits=st.sampled_from([(), (), (("acme/forms", 0, 1),), (("acme/forms", 3, 0), ("*", 1, 2))]),
    )
    def lease(self, count, kinds, replica, lose, limits):
        """Free slots pull work; a dispatcher may die between claim and lease."""
        limits = [RepositoryLimit(*limit) for limit in limits]
        self.do(self._lease(count, self.replicas[replica], kinds=kinds, lose=lose, limits=limits))

    async def _lease(self, count, replica, *, kinds=KINDS, lose=False, limits=FREE):
        (claims,) = await self.store.claim([Wanted(kinds, count)], limits=limits)
        for claim in claims:
            if lose and claim is claims[-1]:
                await self.lose_claim(claim)
                continue

            def make(run, spec, now, claim=claim):
                expires = now + LEASE_SECONDS
                deadline = now + DEADLINE_SECONDS
                event = LeaseGranted(claim.task_id, f"agent-{count}", expires, deadline, claim.funds, ESTIMATES)
                return decide(run, spec, event, now)

            applied = only(
                await replica.transitions.apply_all([Change(claim.batch, claim.issue, make, known=claim.run)])
            )
            task = applied.run.task(claim.task_id)
            if applied.done and task is not None and task.state is TaskState.LEASED:
                reference = LeaseReference(claim.batch, claim.issue, claim.task_id, task.fence)
                self.leases.append(Held(reference, task.kind))
            elif applied.refusal:
                await self.store.drop_claims([claim])

    async def lose_claim(self, claim):
        """Nobody leases a claimed task: it is ready again when the claim runs out."""

    @rule(
        index=st.integers(0, 30),
        what=st.sampled_from(["done", "done", "done", "no", "failed", "again", "back", "odd", "report", "silence"]),
        cost=st.integers(0, 5),
        replica=st.integers(0, 1),
        twice=st.booleans(),
    )
    def outcome(self, *, index, what, cost, replica, twice):
        """An agent ends a task in some way, says it twice, or says it too late."""
        if not self.leases:
            return
        held = self.leases[index % len(self.leases)]
        if what == "silence":
            self.leases.remove(held)
            return
        for _ in range(1 + twice):
            self.do(self._outcome(held, what, cost, self.replicas[replica]))

    async def _outcome(self, held, what, cost, replica):
        reference = held.reference
        if what == "report":

            def make(run, _spec, now):
                event = header(reference.batch, now=now, issue=reference.issue, task=run.task(reference.task_id))
                event.tool_invocation.tool = "ruff"
                fact = Encoded(event.SerializeToString())
                return record_progress(run, reference.task_id, fence=reference.fence, index=1 + cost, fact=fact)

            change = Change(reference.batch, reference.issue, make, lease=reference)
            only(await replica.transitions.apply_all([change]))
            return
        result = result_of(
            held.kind,
            what,
            touches=(f"{cost % 2}.py", "both.py")[: 1 + reference.issue % 2],
            judged=(Judgement(1, cost % 3 == 0), Judgement(9, confirmed=False))[: cost % 2 + 1],
        )
        event = OutcomeReceived(reference.task_id, reference.fence, result, spend(cost))
        await replica.transitions.apply(reference.batch, reference.issue, event=event, lease=reference)

    @rule(
        answers=st.lists(
            st.sampled_from(["done"] * 20 + ["no", "no", "failed", "again", "back"]), min_size=5, max_size=30
        ),
        replica=st.integers(0, 1),
        slots=st.integers(1, 4),
    )
    def work(self, answers, replica, slots):
        """Agents work through a stretch, mostly well."""
        self.do(self._work(answers, self.replicas[replica], slots))

    async def _work(self, answers, replica, slots):
        for answer in answers:
            if not self.leases:
                await self._lease(slots, replica)
            if self.leases:
                await self._outcome(self.leases.pop(0), answer, 1, replica)
            else:
                self.offset += 61
                await replica.sweeper.sweep()

    @rule(seconds=st.sampled_from([1, 6, 16, 70, 1000]), replica=st.integers(0, 1))
    def pass_time(self, seconds, replica):
        """Time passes and a replica sweeps: leases expire, pauses end, what a commit left to do is done."""
        self.offset += seconds
        self.do(self.replicas[replica].sweeper.sweep())

    @rule(replica=st.integers(0, 1))
    def restart(self, replica):
        """A replica dies and another takes its place, remembering nothing."""
        self.replicas[replica] = Replica(self.store, self.clock)

    @rule(
        what=st.sampled_from(["pause", "resume", "retry", "retry some", "retry some", "cancel"]),
        chosen=st.sets(st.integers(1, 5), min_size=1),
        replica=st.integers(0, 1),
        sure=st.integers(0, 9),
    )
    def operate(self, *, what, chosen, replica, sure):
        """An operator does what the batch's state may forbid."""
        batches = self.replicas[replica].batches
        issues = tuple(sorted(chosen))
        work = {
            "pause": lambda: batches.pause(self.batch, reason="", caller=CALLER),
            "resume": lambda: batches.resume(self.batch, caller=CALLER),
            "retry": lambda: batches.retry(self.batch, (), caller=CALLER),
            "retry some": lambda: batches.retry(self.batch, issues, caller=CALLER),
            "cancel": lambda: batches.cancel(self.batch, reason="", caller=CALLER),
        }[what]
        if what in {"cancel", "pause"} and sure > (what == "pause") * 3:
            return
        self.do(allowed(work()))

    @rule(issue=st.integers(1, 5), approved=st.booleans(), replica=st.integers(0, 1))
    def decide_approval(self, issue, approved, replica):
        """A person decides on a pull request, or on none."""
        batches = self.replicas[replica].batches
        self.do(allowed(batches.approve(self.batch, issue, approved=approved, comment="", caller=CALLER)))

    @invariant()
    def nothing_contradicts_itself(self):
        """Counters equal a recount, the log rebuilds the batch, nothing runs before its prerequisites."""
        self.do(self._check())

    async def _check(self):
        batch = await self.store.load_batch(self.batch)
        if batch is None:
            return
        runs = {run.issue: run for run in await self.store.load_runs(self.batch)}
        while chunks := await self.store.read_log(self.batch, after=self.told.last_sequence):
            log = [event_pb2.BatchEvent.FromString(event) for chunk in chunks for event in split(chunk.frames)]
            self.told = rebuild(log, onto=self.told)
        stored = [values.run(run) for run in runs.values()]
        assert differences(self.told, batch=values.batch(batch), runs=stored) == []
        tasks = [(run, task) for run in runs.values() for task in run.tasks]
        leased = [task for _, task in tasks if task.state is TaskState.LEASED]
        assert batch.leased == len(leased)
        kept = [run.kept for run in runs.values()]
        assert batch.reserved == sum([task.reserved for task in leased] + kept, start=NO_BUDGET)
        assert batch.counters.running <= batch.spec.concurrency
        assert batch.leased <= batch.spec.max_parallel_tasks
        for run in runs.values():
            if run.state in {RunState.RUNNING, RunState.AWAITING_APPROVAL, RunState.SUCCEEDED}:
                assert {runs[number].state for number in run.depends_on} <= {RunState.SUCCEEDED}
            if run.state.terminal:
                assert all(task.state.terminal for task in run.tasks)
                assert (run.settling, run.shares) == (False, ())
            if run.duplicate_of is not None:
                assert (run.state, run.reason) == (RunState.SKIPPED, FailureReason.DUPLICATE)
                assert run.suspects
            changes = [task for task in run.tasks if task.kind is TaskKind.IMPLEMENT and not task.state.terminal]
            if run.settling or run.shares:
                assert {task.state for task in changes} == {TaskState.PENDING}
            for share in run.shares:
                assert (runs[share.issue].planned, share.issue) < (run.planned, run.issue) or (
                    runs[share.issue].generation > 1
                )
        if batch.ended:
            assert batch.counters.open == 0
        self.check_queues(batch, tasks)

    def check_queues(self, batch, tasks):
        """Look into the store's queues, where it lets one."""

    def teardown(self):
        """Let it run out: whatever happened, everything ends."""
        try:
            self.do(self._run_out())
        finally:
            self.runner.close()

    async def _run_out(self):
        replica = self.replicas[0]
        for _ in range(300):
            batch = await self.store.load_batch(self.batch)
            if batch is None or batch.ended:
                break
            if batch.state is BatchState.PAUSED:
                await replica.batches.resume(self.batch, caller=CALLER)
            for run in await self.store.load_runs(self.batch):
                if run.state is RunState.AWAITING_APPROVAL and not run.approved:
                    await replica.batches.approve(self.batch, run.issue, approved=True, comment="", caller=CALLER)
            await self._lease(4, replica)
            for held in self.leases:
                await self._outcome(held, "done", 1, replica)
            self.leases.clear()
            self.offset += 61
            await replica.sweeper.sweep()
        await self._check()
        if batch is not None:
            assert batch.ended
            assert batch.state.terminal
            assert (batch.leased, batch.reserved, batch.counters.open) == (0, NO_BUDGET, 0)
            self.check_ended()

    def check_ended(self):
        """Look into the store's queues after the end, where it lets one."""
