"""What the Lua scripts of a shard do, function by function, on Python's own values."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

from msgspec.structs import replace

from miyabi_coordinator.adapters.redis_store.committer import member_of
from miyabi_coordinator.decide import SPENT_COUNTERS, effects_of
from miyabi_coordinator.models import (
    Batch,
    BatchState,
    Budget,
    Effects,
    Funds,
    Guards,
    RepositoryLimit,
    Run,
    RunState,
    TaskKind,
)
from miyabi_coordinator.ports.store import (
    CONFLICT,
    DUE,
    LEASE_LOST,
    OK,
    REFUSED_PARALLEL,
    REFUSED_RESERVE,
    REFUSED_SLOT,
    REFUSED_STATE,
    Commit,
    Wanted,
)
from miyabi_coordinator.reference.facts import Facts, batch_of, kind_of, lease_of, needs_slot
from miyabi_coordinator.reference.sorted_set import SortedSet

#: A repeat after a lost answer: the scripts answer it as written, and write nothing.
REPEATED = "repeated"
#: Heads of a queue that one claim looks at for a kind, as in `claim.lua`.
MOST_TRIED = 1000
_FREED = frozenset({"running", "leased"})
_PAID = frozenset({"reserved", "reserved_tokens"})
_TOKENS = [name for name in SPENT_COUNTERS if name.endswith("_tokens")]


class Shard:
    """The queues of one shard and its batches."""

    def __init__(self) -> None:
        self.batches: dict[str, Facts] = {}
        self.ready: defaultdict[int, SortedSet] = defaultdict(SortedSet)
        self.claims, self.leases, self.deadlines = SortedSet(), SortedSet(), SortedSet()
        self.timers, self.ended = SortedSet(), SortedSet()
        self.limited: defaultdict[tuple[str, int], SortedSet] = defaultdict(SortedSet)
        self.vtime = 0.0

    # common.lua

    def enqueue(self, facts: Facts, member: str, kind: int) -> None:
        """Queue a task by weighted fair queueing; priority moves it forward by as many tasks."""
        facts.vft = max(self.vtime, facts.vft) + 1 / max(facts.spec.weight, 1)
        self.ready[kind].add(member, facts.vft - facts.spec.priority)
        self.queue_slot(facts, member, 1)

    def queue_slot(self, facts: Facts, member: str, delta: int) -> None:
        """Count the tasks among ready and claims that will take one of the batch's slots."""
        if needs_slot(member):
            facts.queued += delta

    def park(self, facts: Facts, member: str, *, why: str) -> None:
        """Put a task aside that its batch does not allow now: for a slot, for money, or for a free lease."""
        queues = {REFUSED_SLOT: facts.waiting, REFUSED_RESERVE: facts.unpaid}
        queues.get(why, facts.held).add(member, facts.vft)

    def refill(self, facts: Facts) -> None:
        """Move parked tasks back to ready, as many as the batch may lease now."""
        if facts.state is not BatchState.RUNNING:
            return
        if facts.paid:
            self._unpark(facts, facts.unpaid, 1000)
        free = facts.spec.max_parallel_tasks - facts.counters["leased"]
        free -= self._unpark(facts, facts.held, free)
        slots = facts.spec.concurrency - facts.counters["running"] - facts.queued
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

    def claim(
        self, wanted: Sequence[Wanted], *, limits: Sequence[RepositoryLimit] = (), until: float
    ) -> list[list[tuple[str, Run, Funds]]]:
        """Take ready tasks, fairest first; what its batch or its repository does not allow is parked."""
        free = {(limit.repository, limit.kind): max(0, limit.free) for limit in limits}
        for name in sorted((name for name in self.limited if self.limited[name]), key="{0[0]}|{0[1]}".format):
            count = self._free_of(name, free)
            parked = self.limited[name]
            most = min(len(parked), MOST_TRIED if count is None else count)
            waiting = [entry for entry in (parked.pop() for _ in range(most)) if entry]
            for member, _ in waiting:
                if facts := self.batches.get(batch_of(member)):
                    self.enqueue(facts, member, kind_of(member))
        views: dict[str, list[int]] = {}
        return [self._serve(group, free=free, views=views, until=until) for group in wanted]

    def _free_of(self, name: tuple[str, int], free: dict[tuple[str, int], int]) -> int | None:
        """Return how many may still start under a limit; None where there is none."""
        if name not in free and name[1] == 0 and ("", 0) in free:
            free[name] = free["", 0]
        return free.get(name)

    def _serve(
        self, group: Wanted, *, free: dict[tuple[str, int], int], views: dict[str, list[int]], until: float
    ) -> list[tuple[str, Run, Funds]]:
        """Claim for one group of free slots."""
        found: list[tuple[str, Run, Funds]] = []
        for _ in range(MOST_TRIED):
            head = self._pop(group.kinds) if len(found) < group.count else None
            if head is None:
                break
            member, score = head
            facts = self.batches.get(batch_of(member))
            if facts is None:
                continue
            self.vtime = max(self.vtime, score + facts.spec.priority)
            run = self._try(facts, member, free=free, views=views, until=until)
            if run is not None:
                leased = views[facts.id][1] - 1
                found.append((member, run, replace(self.funds(facts), leased=leased)))
        return found

    def _pop(self, kinds: Sequence[int]) -> tuple[str, float] | None:
        """Take the fairest task of the kinds; of two alike the later step."""
        heads = [(entry[1], -kind) for kind in kinds if (entry := self.ready[kind].first())]
        return self.ready[-min(heads)[1]].pop() if heads else None

    def funds(self, facts: Facts) -> Funds:
        """Return the money of a batch."""
        counters = facts.counters
        spent = Budget(counters["spent_cost_usd_micros"], sum(counters[name] for name in _TOKENS))
        return Funds(facts.spec.budget, spent, Budget(counters["reserved"], counters["reserved_tokens"]))

    def _try(
        self,
        facts: Facts,
        member: str,
        *,
        free: dict[tuple[str, int], int],
        views: dict[str, list[int]],
        until: float,
    ) -> Run | None:
        """Claim one task, if its batch allows it; claims of the same call count as leased."""
        running, leased = views.setdefault(facts.id, [facts.counters["running"], facts.counters["leased"]])
        self.queue_slot(facts, member, -1)
        if needs_slot(member) and running >= facts.spec.concurrency:
            self.park(facts, member, why=REFUSED_SLOT)
            return None
        if facts.state is not BatchState.RUNNING or leased >= facts.spec.max_parallel_tasks:
            self.park(facts, member, why=REFUSED_PARALLEL)
            return None
        kind = kind_of(member)
        names = [(facts.spec.repository, 0), ("*", kind)]
        if kind != TaskKind.PULL_REQUEST or not facts.spec.dry_run:
            names.append((facts.spec.repository, kind))
        full = next((name for name in names if (left := self._free_of(name, free)) is not None and left <= 0), None)
        if full is not None:
            self.limited[full].add(member, facts.vft)
            return None
        for name in names:
            if name in free:
                free[name] -= 1
        views[facts.id] = [running + needs_slot(member), leased + 1]
        self.claims.add(member, until)
        self.queue_slot(facts, member, 1)
        return facts.runs[int(member.split("|")[1])]

    # restore.lua

    def restore(self, members: Iterable[str]) -> int:
        """Put claims back to ready."""
        restored = 0
        for member in members:
            facts = self.batches.get(member.split("|", 1)[0])
            if self.claims.remove(member) and facts:
                self.queue_slot(facts, member, -1)
                self.enqueue(facts, member, kind_of(member))
                restored += 1
        return restored

    # drop.lua

    def drop(self, members: Iterable[str]) -> None:
        """Forget claims; each had counted as a lease."""
        gone = [member for member in members if self.claims.remove(member)]
        for member in gone:
            if facts := self.batches.get(batch_of(member)):
                self.queue_slot(facts, member, -1)
        for batch in dict.fromkeys(map(batch_of, gone)):
            if facts := self.batches.get(batch):
                self.refill(facts)

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
        funds = self.funds(facts)
        for dimension in ("usd_micros", "tokens"):
            limit, spent, reserved, more = (
                getattr(amount, dimension) for amount in (funds.limit, funds.spent, funds.reserved, guards.reserve)
            )
            if limit and more > 0 and spent + reserved + more > limit:
                return REFUSED_RESERVE
        return ""

    def commit(self, commits: Sequence[Commit], *, now: float) -> list[str]:
        """Write transitions in their order; each answer is one of the constants of the port, or REPEATED."""
        answers = [self._commit(commit, now=now) for commit in commits]
        for batch in dict.fromkeys(commit.decision.run.batch for commit in commits):
            facts = self.batches.get(batch)
            if facts is not None and (facts.freed or facts.paid):
                self.refill(facts)
                facts.freed = facts.paid = False
        return answers

    def _commit(self, commit: Commit, *, now: float) -> str:
        """Write a transition, or say why not."""
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
        due = self._apply(facts, run, effects, dequeued=dequeued, now=now)
        for name in commit.done_timers:
            self.timers.remove(name)
        if effects.ended and not facts.open:
            self.timers.add(f"close|{facts.id}", now)
            due = True
        fallen = {name for name, delta in effects.counters.items() if delta < 0}
        facts.freed |= bool(fallen & _FREED) or bool(dequeued and not effects.leases_set)
        facts.paid |= bool(fallen & _PAID)
        return DUE if self._warn(facts, now=now) or due else OK

    def _warn(self, facts: Facts, *, now: float) -> bool:
        """Note, once, that most of a budget is spent."""
        funds = self.funds(facts)
        near = any(
            limit > 0 and spent * 5 >= limit * 4
            for limit, spent in (
                (funds.limit.usd_micros, funds.spent.usd_micros),
                (funds.limit.tokens, funds.spent.tokens),
            )
        )
        if facts.warned or not near:
            return False
        facts.warned = 1
        self.timers.add(f"warn|{facts.id}", now)
        return True

    def _park_refused(self, facts: Facts, members: Iterable[str], *, why: str) -> None:
        """Put aside what was claimed; where no money can come back it is decided again at once."""
        for member in members:
            if not self.claims.remove(member):
                continue
            counters = facts.counters
            self.queue_slot(facts, member, -1)
            reserved = counters["reserved"] + counters["reserved_tokens"]
            back = reserved if needs_slot(member) else counters["leased"]
            if why == REFUSED_RESERVE and not back:
                self.enqueue(facts, member, kind_of(member))
            else:
                self.park(facts, member, why=why)
        facts.freed = True

    def _apply(self, facts: Facts, run: Run, effects: Effects, *, dequeued: list[str], now: float) -> bool:
        """Change counters, queues, leases and timers; tells whether something is to be done at once."""
        for name, delta in effects.counters.items():
            facts.counters[name] += delta
        for member in dequeued:
            queued = self.claims.remove(member)
            if not queued:
                queued = self.ready[kind_of(member)].remove(member)
                facts.held.remove(member)
                facts.waiting.remove(member)
                facts.unpaid.remove(member)
                for parked in self.limited.values():
                    parked.remove(member)
            self.queue_slot(facts, member, -queued)
        for task in effects.leases_set:
            self.leases.add(lease_of(run, task), task.lease_expires)
            self.deadlines.add(lease_of(run, task), task.deadline)
        for task in effects.leases_cleared:
            self.leases.remove(lease_of(run, task))
            self.deadlines.remove(lease_of(run, task))
        for entry in effects.enqueue:
            member = member_of(run, entry.task_id, entry.kind, needs_slot=entry.needs_slot)
            if entry.needs_slot and facts.counters["running"] >= facts.spec.concurrency:
                self.park(facts, member, why=REFUSED_SLOT)
            else:
                self.enqueue(facts, member, entry.kind)
        return self._set_timers(run, effects, now=now)

    def _set_timers(self, run: Run, effects: Effects, *, now: float) -> bool:
        """Change timers, and note what is to be done once a run has ended; tells whether that is now."""
        due = any(at <= now for _, at in effects.timers_set)
        for name, at in effects.timers_set:
            self.timers.add(name, at)
        if effects.ended and run.dependents and run.state is not RunState.CANCELLED:
            self.timers.add(f"ended|{run.batch}|{run.issue}", now)
            due = True
        for name in effects.timers_cleared:
            self.timers.remove(name)
        return due

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
        facts.paid = True
        self.refill(facts)
        facts.paid = False
        return True

    def close(self, batch: str, *, before: BatchState, state: BatchState, now: float) -> bool:
        """End a batch whose runs have all ended, once."""
        facts = self.batches.get(batch)
        done = facts is None or facts.ended != 0
        if facts is not None and not done and facts.state is not before:
            return False
        if facts is not None and not done and facts.warned == 1:
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
