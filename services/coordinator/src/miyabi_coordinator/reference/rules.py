"""What the Lua scripts of a shard do, function by function, on Python's own values."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from miyabi_coordinator.adapters.redis_store.committer import member_of
from miyabi_coordinator.decide import COUNTER_OF_STATE, SPENT_COUNTERS, effects_of
from miyabi_coordinator.models import Batch, BatchState, Effects, Guards, LeaseReference, Run, RunState, Spec, Task
from miyabi_coordinator.ports.store import (
    CONFLICT,
    LEASE_LOST,
    OK,
    REFUSED_BUDGET,
    REFUSED_PARALLEL,
    REFUSED_RESERVE,
    REFUSED_SLOT,
    REFUSED_STATE,
    Commit,
)
from miyabi_coordinator.reference.sorted_set import SortedSet

#: A repeat after a lost answer: the scripts answer it as written, and write nothing.
REPEATED = "repeated"
#: Heads of a queue that one claim looks at for a kind, as in `claim.lua`.
MOST_TRIED = 1000
_FREED = frozenset({"running", "leased", "reserved"})
_TOKENS = [name for name in SPENT_COUNTERS if name.endswith("_tokens")]
_OPEN = [COUNTER_OF_STATE[state] for state in RunState if not state.terminal]


@dataclass(slots=True)
class Facts:
    """A batch's hash, its runs and what is parked."""

    id: str
    spec: Spec
    created: float
    runs: dict[int, Run]
    state: BatchState = BatchState.RUNNING
    ended: float = 0.0
    vft: float = 0.0
    counters: defaultdict[str, int] = field(default_factory=lambda: defaultdict(int))
    waiting: SortedSet = field(default_factory=SortedSet)
    held: SortedSet = field(default_factory=SortedSet)

    @property
    def open(self) -> int:
        """Runs that have not ended."""
        return sum(self.counters[name] for name in _OPEN)


class Shard:
    """The queues of one shard and its batches."""

    def __init__(self) -> None:
        self.batches: dict[str, Facts] = {}
        self.ready: defaultdict[int, SortedSet] = defaultdict(SortedSet)
        self.claims, self.leases, self.deadlines = SortedSet(), SortedSet(), SortedSet()
        self.timers, self.ended = SortedSet(), SortedSet()
        self.vtime = 0.0

    # common.lua

    def enqueue(self, facts: Facts, member: str, kind: int) -> None:
        """Queue a task by weighted fair queueing; priority moves it forward by as many tasks."""
        facts.vft = max(self.vtime, facts.vft) + 1 / max(facts.spec.weight, 1)
        self.ready[kind].add(member, facts.vft - facts.spec.priority)

    def park(self, facts: Facts, member: str, *, needs_slot: bool) -> None:
        """Put a task aside that its batch does not allow now."""
        (facts.waiting if needs_slot else facts.held).add(member, facts.vft)

    def refill(self, facts: Facts) -> None:
        """Move parked tasks back to ready, as many as the batch may lease now."""
        if facts.state is not BatchState.RUNNING:
            return
        free = facts.spec.max_parallel_tasks - facts.counters["leased"]
        slots = facts.spec.concurrency - facts.counters["running"]
        free -= self._unpark(facts, facts.held, free)
        if free > 0 and slots > 0:
            self._unpark(facts, facts.waiting, min(free, slots))

    def _unpark(self, facts: Facts, parked: SortedSet, count: int) -> int:
        """Queue up to that many parked tasks; returns how many, as they were before any is queued."""
        popped = [entry for entry in (parked.pop() for _ in range(min(count, len(parked)))) if entry]
        for member, _ in popped:
            self.enqueue(facts, member, kind_of(member))
        return len(popped)

    # create.lua

    def create(self, batch: Batch, runs: Iterable[Run]) -> Facts:
        """Add a batch."""
        facts = Facts(batch.id, batch.spec, batch.created, {run.issue: run for run in runs})
        facts.counters["pending"] = len(facts.runs)
        self.batches[batch.id] = facts
        ready = [
            (member_of(run, entry.task_id, entry.kind, needs_slot=True), entry.kind)
            for run in facts.runs.values()
            for entry in effects_of(None, run).enqueue
        ]
        for index, (member, kind) in enumerate(ready, start=1):
            if index <= facts.spec.concurrency:
                self.enqueue(facts, member, kind)
            else:
                facts.waiting.add(member, index)
        return facts

    # claim.lua

    def claim(self, wanted: Mapping[int, int], *, until: float) -> list[tuple[str, Run]]:
        """Take ready tasks, fairest first; what its batch does not allow is parked."""
        views: dict[str, list[int]] = {}
        found: list[tuple[str, Run]] = []
        for kind, count in wanted.items():
            left = count
            for _ in range(MOST_TRIED):
                head = self.ready[kind].pop() if left else None
                if head is None:
                    break
                member, score = head
                facts = self.batches.get(member.split("|", 1)[0])
                self.vtime = max(self.vtime, score + (facts.spec.priority if facts else 0))
                run = self._try(facts, member, views=views, until=until) if facts else None
                if run is not None:
                    found.append((member, run))
                    left -= 1
        return found

    def claim_fairest(self, kinds: Iterable[int], count: int, *, until: float) -> list[tuple[str, Run]]:
        """Take ready tasks of several kinds, fairest first; of two alike the later step."""
        views: dict[str, list[int]] = {}
        found: list[tuple[str, Run]] = []
        for _ in range(MOST_TRIED):
            heads = [(score, -kind) for kind in kinds if (score := self.ready[kind].first()) is not None]
            head = self.ready[-min(heads)[1]].pop() if heads and len(found) < count else None
            if head is None:
                break
            member, score = head
            facts = self.batches.get(member.split("|", 1)[0])
            self.vtime = max(self.vtime, score + (facts.spec.priority if facts else 0))
            run = self._try(facts, member, views=views, until=until) if facts else None
            if run is not None:
                found.append((member, run))
        return found

    def _try(self, facts: Facts, member: str, *, views: dict[str, list[int]], until: float) -> Run | None:
        """Claim one task, if its batch allows it; claims of the same call count as leased."""
        running, leased = views.setdefault(facts.id, [facts.counters["running"], facts.counters["leased"]])
        needs_slot = member.endswith("|1")
        if needs_slot and running >= facts.spec.concurrency:
            self.park(facts, member, needs_slot=True)
            return None
        if facts.state is not BatchState.RUNNING or leased >= facts.spec.max_parallel_tasks:
            self.park(facts, member, needs_slot=False)
            return None
        views[facts.id] = [running + needs_slot, leased + 1]
        self.claims.add(member, until)
        return facts.runs[int(member.split("|")[1])]

    # restore.lua

    def restore(self, members: Iterable[str]) -> int:
        """Put claims back to ready."""
        restored = 0
        for member in members:
            facts = self.batches.get(member.split("|", 1)[0])
            if self.claims.remove(member) and facts:
                self.enqueue(facts, member, kind_of(member))
                restored += 1
        return restored

    # commit.lua

    def refusal(self, facts: Facts, guards: Guards) -> str:
        """Return which guard of the batch does not hold; empty where all do."""
        spec, counters = facts.spec, facts.counters
        paused_or_ended = facts.state is not BatchState.RUNNING
        if (guards.running and paused_or_ended) or (guards.unended and facts.state > BatchState.PAUSED):
            return REFUSED_STATE
        if guards.slot and counters["running"] >= spec.concurrency:
            return REFUSED_SLOT
        if guards.parallel and counters["leased"] >= spec.max_parallel_tasks:
            return REFUSED_PARALLEL
        return self._unpaid(facts, guards) if guards.running else ""

    def _unpaid(self, facts: Facts, guards: Guards) -> str:
        """Return which part of the batch's budget does not pay for it; empty where it does."""
        spec, counters = facts.spec, facts.counters
        if spec.budget.tokens and sum(counters[name] for name in _TOKENS) >= spec.budget.tokens:
            return REFUSED_BUDGET
        spent, limit = counters["spent_cost_usd_micros"], spec.budget.usd_micros
        if limit and (spent >= limit or spent + guards.reserve_usd_micros > limit):
            return REFUSED_BUDGET
        if limit and spent + counters["reserved"] + guards.reserve_usd_micros > limit:
            return REFUSED_RESERVE
        return ""

    def commit(self, commit: Commit, *, now: float) -> str:
        """Write a transition, or say why not: one of the constants of the port, or REPEATED."""
        run, effects = commit.decision.run, commit.decision.effects
        facts = self.batches.get(run.batch)
        stored = facts.runs.get(run.issue) if facts else None
        if stored == run:
            return REPEATED
        if facts is None or stored is None or stored.version != commit.expected_version:
            return CONFLICT
        if commit.lease and commit.lease.member not in self.leases:
            return LEASE_LOST
        dequeued = [member_of(run, entry.task_id, entry.kind, needs_slot=entry.needs_slot) for entry in effects.dequeue]
        if why := self.refusal(facts, commit.decision.guards):
            self._park_refused(facts, dequeued, why=why)
            return why
        facts.runs[run.issue] = run
        self._apply(facts, run, effects, dequeued=dequeued, now=now)
        for name in commit.done_timers:
            self.timers.remove(name)
        if effects.ended and not facts.open:
            self.timers.add(f"close|{facts.id}", now)
        if any(delta < 0 and name in _FREED for name, delta in effects.counters.items()):
            self.refill(facts)
        return OK

    def _park_refused(self, facts: Facts, members: Iterable[str], *, why: str) -> None:
        """Put aside what was claimed, unless there is no money for it."""
        for member in members if why != REFUSED_BUDGET else ():
            if self.claims.remove(member):
                self.park(facts, member, needs_slot=why == REFUSED_SLOT)

    def _apply(self, facts: Facts, run: Run, effects: Effects, *, dequeued: list[str], now: float) -> None:
        """Change counters, queues, leases and timers."""
        for name, delta in effects.counters.items():
            facts.counters[name] += delta
        for member in dequeued:
            if not self.claims.remove(member):
                self.ready[kind_of(member)].remove(member)
                facts.held.remove(member)
                facts.waiting.remove(member)
        for task in effects.leases_set:
            self.leases.add(lease_of(run, task), task.lease_expires)
            self.deadlines.add(lease_of(run, task), task.deadline)
        for task in effects.leases_cleared:
            self.leases.remove(lease_of(run, task))
            self.deadlines.remove(lease_of(run, task))
        for entry in effects.enqueue:
            member = member_of(run, entry.task_id, entry.kind, needs_slot=entry.needs_slot)
            if entry.needs_slot and facts.counters["running"] >= facts.spec.concurrency:
                self.park(facts, member, needs_slot=True)
            else:
                self.enqueue(facts, member, entry.kind)
        self._set_timers(run, effects, now=now)

    def _set_timers(self, run: Run, effects: Effects, *, now: float) -> None:
        """Change timers, and note what is to be done once a run has ended."""
        for name, at in effects.timers_set:
            self.timers.add(name, at)
        if effects.ended and run.dependents and run.state is not RunState.CANCELLED:
            self.timers.add(f"ended|{run.batch}|{run.issue}", now)
        for name in effects.timers_cleared:
            self.timers.remove(name)

    # state.lua, close.lua, done.lua

    def set_state(self, batch: str, *, before: BatchState, state: BatchState, outbox: str, now: float) -> bool:
        """Change a batch's state, if it is the expected one."""
        facts = self.batches.get(batch)
        if facts is None or facts.state is not before:
            return False
        facts.state = state
        if state is BatchState.RUNNING:
            facts.ended = 0.0
            self.ended.remove(batch)
        if outbox:
            self.timers.add(outbox, now)
        self.refill(facts)
        return True

    def close(self, batch: str, *, before: BatchState, state: BatchState, now: float) -> bool:
        """End a batch whose runs have all ended, once."""
        facts = self.batches.get(batch)
        done = facts is None or facts.ended != 0
        if facts is not None and not done and facts.state is not before:
            return False
        mine = self.timers.remove(f"close|{batch}")
        if facts is None or done or not mine or facts.open:
            return False
        facts.state, facts.ended = state, now
        self.ended.add(batch, now)
        return True

    def finish_timer(self, name: str, *, batch: str, now: float) -> None:
        """Remove what was done for a whole batch, and have the batch closed where nothing of it is open."""
        self.timers.remove(name)
        facts = self.batches.get(batch)
        if facts is not None and not facts.ended and not facts.open:
            self.timers.add(f"close|{batch}", now)


def kind_of(member: str) -> int:
    """Return the kind of task that a member of a queue names."""
    return int(member.split("|")[3])


def lease_of(run: Run, task: Task) -> str:
    """Return the name of a task's lease."""
    return LeaseReference(run.batch, run.issue, task.id, task.fence).member
