"""Runs batches on a simulated clock: the real decision function and the scheduler's rules, with made-up agents."""

from __future__ import annotations

import heapq
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from itertools import count

from miyabi_coordinator.decide import closing_state, decide
from miyabi_coordinator.decide.ordering import freed_by, shares_of, waiting_for
from miyabi_coordinator.models import (
    ApprovalDecided,
    BackoffElapsed,
    Batch,
    Decision,
    Done,
    Failed,
    Input,
    LeaseExpired,
    LeaseGranted,
    LeaseReference,
    OrderSettled,
    OutcomeReceived,
    PrerequisiteEnded,
    Released,
    RepositoryLimit,
    Run,
    RunState,
    Task,
    TaskKind,
    TaskState,
    Usage,
    WayFreed,
)
from miyabi_coordinator.ports.store import DUE, OK, Commit, Wanted
from miyabi_coordinator.reference.facts import Facts
from miyabi_coordinator.reference.rules import Shard

#: What an agent makes of a task: how long it takes, and what comes out; None is an agent that dies with it.
Work = Callable[[Run, Task], tuple[float, Done | Failed | Released | None]]
#: Seconds after which a dead agent's lease is taken back.
LEASE_SECONDS = 15.0
#: Seconds that a task may take.
DEADLINE_SECONDS = 900.0
#: Length of the window in which pull requests are counted.
HOUR = 3600.0


@dataclass(slots=True)
class Seen:
    """What happened to a batch."""

    submitted: float
    first_lease: float = -1.0
    ended: float = -1.0
    leases: int = 0
    #: Slot seconds while there was something to wait for.
    busy_seconds: float = 0.0


@dataclass(slots=True)
class Simulation:
    """One shard, a pool of slots, and time that passes as fast as it is computed.

    Args:
        slots: Of all agents together.
        work: Says what agents make of tasks.
        pulls_per_hour: Pull requests that may be opened in an hour, over all batches; 0 sets no limit.
        on_decision: Sees each committed decision with its moment.
    """

    slots: int
    work: Work
    pulls_per_hour: int = 0
    on_decision: Callable[[Decision, float], None] | None = None
    shard: Shard = field(default_factory=Shard)
    now: float = 0.0
    decisions: int = 0
    seen: dict[str, Seen] = field(default_factory=dict)
    _free: int = 0
    _events: list[tuple[float, int, Callable[[], None]]] = field(default_factory=list)
    _order: Iterable[int] = field(default_factory=count)
    _pulls: defaultdict[int, int] = field(default_factory=lambda: defaultdict(int))

    def __post_init__(self) -> None:
        self._free = self.slots

    def at(self, moment: float, action: Callable[[], None]) -> None:
        """Do something at a moment."""
        heapq.heappush(self._events, (moment, next(iter(self._order)), action))

    def submit(self, batch: Batch, runs: Iterable[Run]) -> None:
        """Hand over a batch now."""
        self.shard.create(batch, runs)
        self.seen[batch.id] = Seen(self.now)

    def run(self, *, until: float = float("inf")) -> None:
        """Let time pass until nothing is left to happen, or until a moment."""
        self._settle()
        while self._events and self._events[0][0] <= until:
            self.now, _, action = heapq.heappop(self._events)
            action()
            while self._events and self._events[0][0] <= self.now:
                heapq.heappop(self._events)[2]()
            self._settle()
        if until != float("inf"):
            self.now = max(self.now, until)

    def apply(self, batch: str, issue: int, event: Input, *, lease: LeaseReference | None = None) -> tuple[str, Run]:
        """Decide on an event and commit it; a refusal of the run is an empty answer."""
        facts = self.shard.batches[batch]
        run = facts.runs[issue]
        decision = decide(run, facts.spec, event, self.now)
        if not decision.changed:
            return "", run
        (answer,) = self.shard.commit([Commit(decision, run.version, lease)], now=self.now)
        if answer not in {OK, DUE}:
            return answer, run
        self.decisions += 1
        for _, moment in decision.effects.timers_set:
            self.at(moment, _nothing)
        if self.on_decision:
            self.on_decision(decision, self.now)
        return OK, decision.run

    def _settle(self) -> None:
        """Do what is due now, then give work to free slots."""
        while due := self.shard.timers.until(self.now, limit=500):
            for name in due:
                self.shard.timers.remove(name)
                self._do(name)
        while self._free and self._serve():
            pass

    def _do(self, name: str) -> None:
        """Do what the sweeper does for an entry."""
        what, batch, *rest = name.split("|")
        facts = self.shard.batches[batch]
        if what == "backoff":
            self.apply(batch, int(rest[0]), BackoffElapsed(rest[1]))
        elif what == "ended":
            run = facts.runs[int(rest[0])]
            for dependent in run.dependents:
                self.apply(batch, dependent, PrerequisiteEnded(run.issue, run.state is RunState.SUCCEEDED))
        elif what == "order":
            number, runs = int(rest[0]), facts.runs
            self.apply(batch, number, OrderSettled(shares_of(runs[number], runs.values())))
        elif what == "left":
            number = int(rest[0])
            event = freed_by(facts.runs[number]) or WayFreed(number, "was ready for approval")
            for run in waiting_for(number, facts.runs.values()):
                self.apply(batch, run.issue, event)
        elif what == "close":
            facts.state, facts.ended = closing_state(facts.runs.values()), self.now
            self.seen[batch].ended = self.now

    def _serve(self) -> bool:
        """Lease ready tasks, fairest first; tells whether there may be more."""
        wanted = self._free
        group = Wanted(tuple(map(int, TaskKind)), wanted)
        (claims,) = self.shard.claim([group], limits=self._quota(), until=self.now + LEASE_SECONDS)
        for member, run, _ in claims:
            self._lease(run, member.split("|")[2])
        return bool(claims)

    def _quota(self) -> list[RepositoryLimit]:
        """Return how many pull requests may be opened now; the next hour brings new ones."""
        if not self.pulls_per_hour:
            return []
        kind, hour = int(TaskKind.PULL_REQUEST), int(self.now // HOUR)
        left = self.pulls_per_hour - self._pulls[hour]
        waiting = len(self.shard.ready[kind]) + len(self.shard.limited["*", kind])
        if left <= 0 and waiting and not self._pulls.get(-hour - 1):
            self._pulls[-hour - 1] = 1
            self.at((hour + 1) * HOUR, _nothing)
        return [RepositoryLimit("*", kind, max(0, left))]

    def _lease(self, run: Run, task_id: str) -> None:
        """Lease a claimed task and let an agent work on it."""
        granted = LeaseGranted(task_id, "agent", self.now + LEASE_SECONDS, self.now + DEADLINE_SECONDS)
        answer, after = self.apply(run.batch, run.issue, granted)
        task = after.task(task_id)
        if answer != OK or task is None or task.state is not TaskState.LEASED:
            return
        self._free -= 1
        seen = self.seen[run.batch]
        seen.leases += 1
        if seen.first_lease < 0:
            seen.first_lease = self.now
        if task.kind is TaskKind.PULL_REQUEST:
            self._pulls[int(self.now // HOUR)] += 1
        seconds, result = self.work(after, task)
        ending = LEASE_SECONDS if result is None else seconds
        self.at(self.now + ending, lambda: self._end(after, task, result))

    def _end(self, run: Run, task: Task, result: Done | Failed | Released | None) -> None:
        """End a lease: with what came out, or because its agent died."""
        self._free += 1
        reference = LeaseReference(run.batch, run.issue, task.id, task.fence)
        event: Input = LeaseExpired(task.id, task.fence)
        if result is not None:
            event = OutcomeReceived(task.id, task.fence, result, Usage(cost_usd_micros=1000, calls=1))
        self.seen[run.batch].busy_seconds += self.now - task.started
        _, after = self.apply(run.batch, run.issue, event, lease=reference)
        if after.state is RunState.AWAITING_APPROVAL and not after.approved:
            self.apply(run.batch, run.issue, ApprovalDecided(approved=True))

    def facts(self, batch: str) -> Facts:
        """Return a batch as it is."""
        return self.shard.batches[batch]


def _nothing() -> None:
    """Time has come: `_settle` looks what for."""
