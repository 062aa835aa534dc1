"""The store of one shard on Redis or Valkey."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Sequence
from functools import partial
from typing import Any

from msgspec.structs import replace

from miyabi_coordinator import shards
from miyabi_coordinator.adapters.redis_store import codec
from miyabi_coordinator.adapters.redis_store.committer import EVENTS_KEPT, Committer, member_of
from miyabi_coordinator.adapters.redis_store.connection import ShardConnection
from miyabi_coordinator.adapters.redis_store.scripts import Scripts
from miyabi_coordinator.decide import SPENT_COUNTERS, effects_of, kind_of_task
from miyabi_coordinator.models import (
    AgentInfo,
    Batch,
    BatchState,
    Counters,
    LeaseReference,
    Run,
    Spec,
    TaskKind,
    Usage,
)
from miyabi_coordinator.ports.store import Claim, Commit, Created, LoggedEvent
from miyabi_coordinator.translate import events

#: Seconds after which a claimed task that nobody leased is ready again.
CLAIM_SECONDS = 5.0
#: Longest blocking read; shorter than the client's answer timeout.
BLOCK_MILLISECONDS = 2000
#: Entries of one read of a stream.
PAGE = 500
#: Most timers and expired leases of one sweep.
SWEEP_LIMIT = 500
_COUNTERS = ("pending", "running", "awaiting_approval", "succeeded", "failed", "skipped", "cancelled")
_FIELDS = ("spec", "state", "create", "end", "leased", "reserved", *_COUNTERS, *SPENT_COUNTERS)


class RedisStore:
    """Implements `ports.store.Store`; `committer.run` has to be running."""

    def __init__(self, connection: ShardConnection, *, shard: int = 0) -> None:
        self._connection = connection
        self._prefix = shards.prefix(shard)
        self._scripts = Scripts(connection, shard)
        self.committer = Committer(self._scripts)
        self._specs: dict[str, Spec] = {}

    def _batch(self, batch: str) -> str:
        return f"{self._prefix}batch:{batch}"

    async def create(self, batch: Batch, *, runs: Sequence[Run], digest: str) -> Created:
        """Write a batch, its runs and its first event, unless the request made one before."""
        ready = [
            (member_of(run, entry.task_id, entry.kind, needs_slot=True), str(entry.kind))
            for run in runs
            for entry in effects_of(None, run).enqueue
        ]
        packed = codec.pack([(str(run.issue), codec.encode_run(run)) for run in runs])
        first = events.accepted(batch, runs).SerializeToString()
        answer = await self._scripts.call(
            "create",
            EVENTS_KEPT,
            batch.spec.request_id,
            digest,
            batch.id,
            codec.pack(_fields(batch, len(runs))),
            packed,
            codec.pack(ready),
            first,
            repr(batch.created),
        )
        made = answer[0].decode()
        # A repeat after a lost answer finds the batch that it made itself.
        return Created(made, repeated=bool(answer[1]) and made != batch.id, same_body=bool(answer[2]))

    async def find_request(self, request_id: str, *, digest: str) -> Created | None:
        """Return what a request made before; None where it is new."""
        value = await self._connection.run_confirmed(lambda redis: redis.get(f"{self._prefix}request:{request_id}"))
        if value is None:
            return None
        batch, known = value.decode().split(" ")
        return Created(batch, repeated=True, same_body=known == digest)

    async def commit(self, commit: Commit) -> str:
        """Write a transition, together with all that arrive meanwhile."""
        return await self.committer.commit(commit)

    async def claim(self, wanted: dict[int, int]) -> list[Claim]:
        """Take up to that many ready tasks of each kind, fairest first."""
        until = repr(time.time() + CLAIM_SECONDS)
        counts = [part for kind, count in wanted.items() for part in (kind, count)]
        found = await self._scripts.call("claim", until, *counts)
        claims = []
        for member, value in found:
            batch, issue, task_id, kind, _ = member.decode().split("|")
            claims.append(Claim(batch, int(issue), task_id, int(kind), codec.decode_run(value), member.decode()))
        return claims

    async def unclaim(self, claims: Sequence[Claim]) -> None:
        """Put claims back that found no agent."""
        if claims:
            await self._scripts.call("restore", repr(time.time()), *(claim.member for claim in claims))

    async def drop_claims(self, claims: Sequence[Claim]) -> None:
        """Forget claims of tasks that are no longer ready."""
        if claims:
            await self._connection.run(
                lambda redis: redis.zrem(f"{self._prefix}claims", *(claim.member for claim in claims))
            )

    async def restore_claims(self) -> int:
        """Put back claims whose dispatcher is gone; returns how many."""
        return int(await self._scripts.call("restore", repr(time.time())))

    async def load_spec(self, batch: str) -> Spec | None:
        """Return what a batch was asked for; it never changes, so it is read once."""
        if batch not in self._specs:
            value = await self._connection.run(lambda redis: redis.hget(self._batch(batch), "spec"))
            if value is None:
                return None
            if len(self._specs) >= 1000:
                self._specs.pop(next(iter(self._specs)))
            self._specs[batch] = codec.decode_spec(value)
        return self._specs[batch]

    async def load_batch(self, batch: str, *, confirmed: bool = False) -> Batch | None:
        """Return a batch as it is; where *confirmed*, as it will be after the loss of the primary."""

        async def read(redis: Any) -> Any:
            async with redis.pipeline(transaction=False) as pipe:
                pipe.hmget(self._batch(batch), _FIELDS)
                pipe.xrevrange(f"{self._batch(batch)}:log", count=1)
                return await pipe.execute()

        run = self._connection.run_confirmed if confirmed else self._connection.run
        fields, last = await run(read)
        if fields[0] is None:
            return None
        sequence = int(last[0][0].split(b"-")[1]) if last else 0
        return _batch_of(batch, dict(zip(_FIELDS, fields, strict=True)), sequence)

    async def load_runs(self, batch: str, issues: Sequence[int] | None = None, *, confirmed: bool = False) -> list[Run]:
        """Return runs, all of them without *issues*, in the batch's order; those that are not there are left out."""
        if issues is None:
            spec = await self.load_spec(batch)
            issues = spec.issues if spec else ()
        if not issues:
            return []
        run = self._connection.run_confirmed if confirmed else self._connection.run
        found = await run(lambda redis: redis.hmget(f"{self._batch(batch)}:runs", [str(issue) for issue in issues]))
        return [codec.decode_run(value) for value in found if value is not None]

    async def set_state(
        self, batch: str, *, before: int, state: int, reason: str, actor: str, outbox: str = ""
    ) -> bool:
        """Change a batch's state from *before*; False where it is another one by now."""
        now = time.time()
        event = events.state_changed(batch, before=before, after=state, reason=reason, actor=actor, now=now)
        arguments = (batch, int(state), int(before), event, outbox, repr(now))
        return bool(await self._scripts.call("state", EVENTS_KEPT, *arguments))

    async def close(self, batch: Batch, *, runs: Sequence[Run], state: int) -> bool:
        """End a batch whose runs have all ended: its last event, its state."""
        now = time.time()
        last = events.finished(batch, runs, state=BatchState(state), now=now)
        return bool(
            await self._scripts.call(
                "close", EVENTS_KEPT, batch.id, state, repr(now), codec.pack(last), int(batch.state)
            )
        )

    async def read_log(self, batch: str, *, after: int, limit: int = PAGE) -> list[LoggedEvent]:
        """Return committed events after a sequence, oldest first."""
        entries = await self._connection.run_confirmed(
            lambda redis: redis.xrange(f"{self._batch(batch)}:log", min=f"0-{after + 1}", count=limit)
        )
        logged = []
        for identifier, fields in entries:
            sequence = int(identifier.split(b"-")[1])
            logged.append((sequence, codec.with_sequence(fields[b"e"], sequence)))
        return logged

    async def last_event(self) -> str:
        """Return the position of the newest event of the shard."""
        newest = await self._connection.run(lambda redis: redis.xrevrange(f"{self._prefix}events", count=1))
        return newest[0][0].decode() if newest else "0-0"

    async def read_events(self, position: str, *, limit: int = PAGE) -> tuple[str, list[tuple[str, int, bytes]]]:
        """Return events of all batches after a position, oldest first: the new position; batch, sequence, message."""
        entries = await self._connection.run_confirmed(
            lambda redis: redis.xrange(f"{self._prefix}events", min=f"({position}", count=limit)
        )
        if not entries:
            return position, []
        return entries[-1][0].decode(), [_event_of(fields) for _, fields in entries]

    async def follow(self, position: str) -> AsyncIterator[tuple[str, list[tuple[str, int, bytes]]]]:
        """Yield committed events of all batches after a position: the new position; batch, sequence, message."""
        stream = f"{self._prefix}events"
        while True:
            answer = await self._connection.blocking(partial(_read_on, stream=stream, position=position))
            entries = next(iter(answer.values()))[0] if isinstance(answer, dict) and answer else _entries(answer)
            if entries:
                position = entries[-1][0].decode()
                yield position, [_event_of(fields) for _, fields in entries]

    async def renew(self, leases: Sequence[LeaseReference], *, expires: float) -> list[LeaseReference]:
        """Renew leases; returns those that are no longer valid."""
        if not leases:
            return []
        lost = await self._scripts.call("renew", repr(expires), *(lease.member for lease in leases))
        return [LeaseReference.of_member(member.decode()) for member in lost]

    async def expired(self, now: float) -> list[LeaseReference]:
        """Return leases that nobody renewed."""
        found = await self._connection.run(
            lambda redis: redis.zrangebyscore(f"{self._prefix}leases", "-inf", repr(now), 0, SWEEP_LIMIT)
        )
        return [LeaseReference.of_member(member.decode()) for member in found]

    async def due(self, now: float) -> list[str]:
        """Return timers and outbox entries whose time has come."""
        found = await self._connection.run(
            lambda redis: redis.zrangebyscore(f"{self._prefix}timers", "-inf", repr(now), 0, SWEEP_LIMIT)
        )
        return [name.decode() for name in found]

    async def drop_timers(self, timers: Sequence[str]) -> None:
        """Remove entries that need no transition."""
        if timers:
            await self._connection.run(lambda redis: redis.zrem(f"{self._prefix}timers", *timers))

    async def finish_timer(self, name: str, *, batch: str) -> None:
        """Remove what was done for a whole batch; one of which nothing is open is closed next."""
        await self._scripts.call("done", repr(time.time()), name, batch)

    async def drop_leases(self, leases: Sequence[LeaseReference]) -> None:
        """Remove leases whose task is over."""
        members = [lease.member for lease in leases]
        if members:
            await self._connection.run(lambda redis: redis.zrem(f"{self._prefix}leases", *members))
            await self._connection.run(lambda redis: redis.zrem(f"{self._prefix}deadlines", *members))

    async def list_batches(self, *, before: str, limit: int) -> list[Batch]:
        """Return batches older than a batch id (empty: all), newest first."""
        start = 0
        if before:
            rank = await self._connection.run(lambda redis: redis.zrevrank(f"{self._prefix}batches", before))
            start = 0 if rank is None else rank + 1
        found = await self._connection.run(
            lambda redis: redis.zrevrange(f"{self._prefix}batches", start, start + limit - 1)
        )
        loaded = [await self.load_batch(member.decode()) for member in found]
        return [batch for batch in loaded if batch is not None]

    async def queue_sizes(self) -> dict[int, int]:
        """Return how many tasks of each kind are ready or leased; a lease names its task, whose id names its kind."""

        async def ask(redis: Any) -> list[Any]:
            pipe = redis.pipeline(transaction=False)
            for kind in TaskKind:
                pipe.zcard(f"{self._prefix}ready:{int(kind)}")
            pipe.zrange(f"{self._prefix}leases", 0, -1)
            answers: list[Any] = await pipe.execute()
            return answers

        *ready, leases = await self._connection.run(ask)
        sizes = {int(kind): int(count) for kind, count in zip(TaskKind, ready, strict=True)}
        for member in leases:
            kind = kind_of_task(LeaseReference.of_member(member.decode()).task_id)
            sizes[int(kind)] += 1
        return {kind: count for kind, count in sizes.items() if count}

    async def put_agent(self, agent: AgentInfo) -> bool:
        """Record an agent; returns whether it was told to drain."""

        async def write(redis: Any) -> Any:
            async with redis.pipeline(transaction=False) as pipe:
                pipe.hset(f"{self._prefix}agents", agent.id, codec.encode_agent(agent))
                pipe.sismember(f"{self._prefix}draining", agent.id)
                return await pipe.execute()

        answers = await self._connection.run(write)
        return bool(answers[1])

    async def remove_agent(self, agent: AgentInfo) -> None:
        """Forget an agent, unless it has attached again since, here or elsewhere."""
        value = await self._connection.run(lambda redis: redis.hget(f"{self._prefix}agents", agent.id))
        if value is not None and codec.decode_agent(value).attached == agent.attached:
            await self._scripts.call("leave", agent.id, value)

    async def list_agents(self) -> list[AgentInfo]:
        """Return all agents by id."""
        found = await self._connection.run(lambda redis: redis.hvals(f"{self._prefix}agents"))
        draining = await self._connection.run(lambda redis: redis.smembers(f"{self._prefix}draining"))
        agents = (codec.decode_agent(value) for value in found)
        marked = (replace(agent, draining=agent.draining or agent.id.encode() in draining) for agent in agents)
        return sorted(marked, key=lambda agent: agent.id)

    async def drain_agent(self, agent_id: str) -> AgentInfo | None:
        """Tell an agent to take no more; None where there is no such agent."""
        value = await self._connection.run(lambda redis: redis.hget(f"{self._prefix}agents", agent_id))
        if value is None:
            return None
        await self._connection.write(("SADD", f"{self._prefix}draining", agent_id))
        return replace(codec.decode_agent(value), draining=True)


def _fields(batch: Batch, total: int) -> list[str | bytes]:
    """Return the hash of a new batch, flat."""
    spec = batch.spec
    fields: dict[str, str | bytes] = dict.fromkeys(_FIELDS, "0")
    fields |= {
        "spec": codec.encode_spec(spec),
        "state": str(int(batch.state)),
        "create": repr(batch.created),
        "pending": str(total),
        "concurrency": str(spec.concurrency),
        "max_parallel": str(spec.max_parallel_tasks),
        "budget_usd": str(spec.budget.usd_micros),
        "budget_tokens": str(spec.budget.tokens),
        "weight": str(spec.weight),
        "priority": str(spec.priority),
        "vft": "0",
    }
    return [part for pair in fields.items() for part in pair]


def _batch_of(batch: str, fields: dict[str, bytes], sequence: int) -> Batch:
    """Return a batch of its hash."""
    return Batch(
        id=batch,
        spec=codec.decode_spec(fields["spec"]),
        state=BatchState(int(fields["state"])),
        counters=Counters(*(int(fields[name]) for name in _COUNTERS)),
        leased=int(fields["leased"]),
        spent=Usage(*(int(fields[name]) for name in SPENT_COUNTERS)),
        reserved_usd_micros=int(fields["reserved"]),
        created=float(fields["create"]),
        ended=float(fields["end"]),
        last_sequence=sequence,
    )


async def _read_on(redis: Any, *, stream: str, position: str) -> Any:
    """Wait a while for entries after a position."""
    return await redis.xread({stream: position}, count=PAGE, block=BLOCK_MILLISECONDS)


def _entries(answer: Any) -> list[tuple[bytes, dict[bytes, bytes]]]:
    """Return the entries of the one stream that was read."""
    return answer[0][1] if answer else []


def _event_of(fields: dict[bytes, bytes]) -> tuple[str, int, bytes]:
    """Return batch, sequence and message of an entry."""
    sequence = int(fields[b"s"])
    return fields[b"b"].decode(), sequence, codec.with_sequence(fields[b"e"], sequence)
