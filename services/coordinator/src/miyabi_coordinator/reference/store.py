"""The reference rules behind the same methods as the store on Redis, as far as the use cases on batches call them."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Sequence

from miyabi_coordinator.adapters.redis_store.queues import CLAIM_SECONDS, SWEEP_LIMIT
from miyabi_coordinator.decide import SPENT_COUNTERS
from miyabi_coordinator.models import (
    NO_FINDINGS,
    Batch,
    BatchState,
    Budget,
    Counters,
    Findings,
    Funds,
    LeaseReference,
    RepositoryLimit,
    Run,
    RunState,
    Spec,
    Usage,
)
from miyabi_coordinator.ports.store import DUE, DUE_PAGE, OK, Chunk, Claim, Commit, Created, Wanted
from miyabi_coordinator.reference.facts import Facts
from miyabi_coordinator.reference.rules import REPEATED, Shard
from miyabi_coordinator.translate import events
from miyabi_coordinator.translate.frames import frame, with_sequence


class ReferenceStore:
    """Keeps everything in memory; `shard` may be looked into.

    Args:
        clock: Returns seconds since 1970.
    """

    def __init__(self, *, clock: Callable[[], float] = time.time) -> None:
        self.shard = Shard()
        self._clock = clock
        self._logs: defaultdict[str, list[bytes]] = defaultdict(list)

    async def create(
        self,
        batch: Batch,
        *,
        runs: Sequence[Run],
        digest: str,
        findings: Findings = NO_FINDINGS,
        exclusive: bool = False,
    ) -> Created:
        """Write a batch; that its issues are in others is none of the rules that are compared."""
        del digest, exclusive
        self.shard.create(batch, runs)
        self._logs[batch.id].append(events.accepted(batch, runs, findings=findings).SerializeToString())
        return Created(batch.id, repeated=False, same_body=True)

    async def commit(self, commits: Sequence[Commit]) -> list[str]:
        """Write transitions and their events."""
        now = self._clock()
        answers = self.shard.commit(commits, now=now)
        for commit, answer in zip(commits, answers, strict=True):
            if answer in {OK, DUE}:
                run = commit.decision.run
                self._logs[run.batch] += [
                    events.encode(fact, run=run, actor=commit.actor, traceparent=commit.traceparent, now=now)
                    for fact in commit.decision.facts
                ]
        return [OK if answer == REPEATED else answer for answer in answers]

    async def claim(self, wanted: Sequence[Wanted], *, limits: Sequence[RepositoryLimit] = ()) -> list[list[Claim]]:
        """Take ready tasks."""
        until = self._clock() + CLAIM_SECONDS
        return [
            [_claim(member, run, funds) for member, run, funds in group]
            for group in self.shard.claim(wanted, limits=limits, until=until)
        ]

    async def unclaim(self, claims: Sequence[Claim]) -> None:
        """Put claims back."""
        self.shard.restore(claim.member for claim in claims)

    async def drop_claims(self, claims: Sequence[Claim]) -> None:
        """Forget claims."""
        self.shard.drop([claim.member for claim in claims])

    async def restore_claims(self) -> int:
        """Put back claims that ran out."""
        return self.shard.restore(self.shard.claims.until(self._clock(), limit=1000))

    async def load_spec(self, batch: str) -> Spec | None:
        """Return what a batch was asked for."""
        facts = self.shard.batches.get(batch)
        return facts.spec if facts else None

    async def load_batch(self, batch: str, *, confirmed: bool = False) -> Batch | None:
        """Return a batch."""
        del confirmed
        facts = self.shard.batches.get(batch)
        return _batch_of(facts, len(self._logs[batch])) if facts else None

    async def load_runs(self, batch: str, issues: Sequence[int] | None = None, *, confirmed: bool = False) -> list[Run]:
        """Return runs."""
        del confirmed
        facts = self.shard.batches.get(batch)
        if facts is None:
            return []
        wanted = facts.spec.issues if issues is None else issues
        return [facts.runs[issue] for issue in wanted if issue in facts.runs]

    async def set_state(
        self, batch: str, *, before: int, state: int, reason: str, actor: str, outbox: str = ""
    ) -> bool:
        """Change a batch's state."""
        now = self._clock()
        moved = self.shard.set_state(batch, before=BatchState(before), state=BatchState(state), outbox=outbox, now=now)
        if moved:
            event = events.state_changed(batch, before=before, after=state, reason=reason, actor=actor, now=now)
            self._logs[batch].append(event)
        return moved

    async def close(self, batch: Batch, *, runs: Sequence[Run], state: int) -> bool:
        """End a batch."""
        now = self._clock()
        closed = self.shard.close(batch.id, before=batch.state, state=BatchState(state), now=now)
        if closed:
            self._logs[batch.id] += events.finished(batch, runs, state=BatchState(state), now=now)
        return closed

    async def warn(self, batch: Batch) -> bool:
        """Log that most of a batch's budget is spent, once."""
        self.shard.timers.remove(f"warn|{batch.id}")
        facts = self.shard.batches[batch.id]
        if facts.warned != 1:
            return False
        facts.warned = 2
        self._logs[batch.id].append(events.budget_warning(batch, now=self._clock()))
        return True

    async def read_log(self, batch: str, *, after: int) -> list[Chunk]:
        """Return committed events after a sequence, one a chunk."""
        log = enumerate(self._logs[batch][after:], start=after + 1)
        return [Chunk(batch, number, number, frame(with_sequence(event, number))) for number, event in log]

    async def expired(self, now: float) -> list[LeaseReference]:
        """Return leases that nobody renewed."""
        return [LeaseReference.of_member(member) for member in self.shard.leases.until(now, limit=SWEEP_LIMIT)]

    async def due(self, now: float, *, start: int = 0) -> list[str]:
        """Return timers whose time has come."""
        return self.shard.timers.until(now, limit=start + DUE_PAGE)[start:]

    async def drop_timers(self, timers: Sequence[str]) -> None:
        """Remove entries."""
        for name in timers:
            self.shard.timers.remove(name)

    async def finish_timer(self, name: str, *, batch: str) -> None:
        """Remove what was done for a whole batch."""
        self.shard.finish_timer(name, batch=batch, now=self._clock())

    async def drop_leases(self, leases: Sequence[LeaseReference]) -> None:
        """Remove leases."""
        for lease in leases:
            self.shard.leases.remove(lease.member)
            self.shard.deadlines.remove(lease.member)


def _claim(member: str, run: Run, funds: Funds) -> Claim:
    """Return a claim of a member of a queue."""
    batch, issue, task_id, kind, _ = member.split("|")
    return Claim(batch, int(issue), task_id, int(kind), run, member, funds)


def _batch_of(facts: Facts, sequence: int) -> Batch:
    """Return a batch of its facts."""
    names = [field for field in Counters.__struct_fields__ if field in {state.name.lower() for state in RunState}]
    return Batch(
        id=facts.id,
        spec=facts.spec,
        state=facts.state,
        counters=Counters(**{name: facts.counters[name] for name in names}),
        leased=facts.counters["leased"],
        spent=Usage(*(facts.counters[name] for name in SPENT_COUNTERS)),
        reserved=Budget(facts.counters["reserved"], facts.counters["reserved_tokens"]),
        created=facts.created,
        ended=facts.ended,
        last_sequence=sequence,
    )
