"""The store of one shard on Redis or Valkey."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from msgspec.structs import replace

from miyabi_coordinator.adapters.redis_store import codec
from miyabi_coordinator.adapters.redis_store.committer import Committer, member_of
from miyabi_coordinator.adapters.redis_store.connection import ShardConnection
from miyabi_coordinator.adapters.redis_store.journal import Journal
from miyabi_coordinator.adapters.redis_store.queues import Queues
from miyabi_coordinator.decide import SPENT_COUNTERS, effects_of
from miyabi_coordinator.models import (
    NO_FINDINGS,
    AgentInfo,
    Batch,
    BatchState,
    Budget,
    Counters,
    Findings,
    Run,
    Spec,
    Usage,
)
from miyabi_coordinator.ports.store import Commit, Created, Position
from miyabi_coordinator.translate import events

#: Specs that a replica remembers: some kilobytes each, and one that is missing costs a read.
SPECS_REMEMBERED = 1000
_COUNTERS = ("pending", "running", "awaiting_approval", "succeeded", "failed", "skipped", "cancelled")
_FIELDS = (
    "spec", "state", "create", "end", "seq", "leased", "reserved", "reserved_tokens", *_COUNTERS, *SPENT_COUNTERS
)  # fmt: skip


class RedisStore(Queues, Journal):
    """Implements `ports.store.Store`; `committer.run` has to be running."""

    def __init__(self, connection: ShardConnection, *, shard: int = 0) -> None:
        super().__init__(connection, shard=shard)
        self.committer = Committer(self._scripts)
        self._specs: dict[str, Spec] = {}

    async def create(
        self,
        batch: Batch,
        *,
        runs: Sequence[Run],
        digest: str,
        findings: Findings = NO_FINDINGS,
        exclusive: bool = False,
    ) -> Created:
        """Write a batch, its runs and its first event, unless the request made one before, or an issue is taken."""
        ready = [
            member_of(run, entry.task_id, entry.kind, needs_slot=True)
            for run in runs
            for entry in effects_of(None, run).enqueue
        ]
        answer = await self._scripts.call(
            "create",
            batch.spec.request_id,
            digest,
            batch.id,
            codec.pack(_fields(batch, len(runs))),
            codec.encode_spec(batch.spec),
            events.accepted(batch, runs, findings=findings).SerializeToString(),
            repr(batch.created),
            codec.pack(ready),
            int(exclusive),
            *(part for run in runs for part in (str(run.issue), codec.encode_run(run))),
        )
        if len(answer) > 3:
            return Created("", repeated=False, same_body=True, taken=_taken(answer[3::2], answer[4::2]))
        made = answer[0].decode()
        if made == batch.id:
            self._remember(batch.id, batch.spec)
        # A repeat after a lost answer finds the batch that it made itself.
        return Created(made, repeated=bool(answer[1]) and made != batch.id, same_body=bool(answer[2]))

    async def open_batches(self, repository: str, issues: Sequence[int]) -> dict[int, tuple[str, ...]]:
        """Return the batches of the shard that have not ended and that these issues of a repository are in."""
        if not issues:
            return {}
        key = self._key(f"open:{repository.lower()}")
        found = await self._connection.run(lambda redis: redis.hmget(key, [str(issue) for issue in issues]))
        return _taken(issues, found)

    async def find_request(self, request_id: str, *, digest: str) -> Created | None:
        """Return what a request made before; None where it is new."""
        value = await self._connection.run_confirmed(lambda redis: redis.get(self._key(f"request:{request_id}")))
        if value is None:
            return None
        batch, known = value.decode().split(" ")
        return Created(batch, repeated=True, same_body=known == digest)

    async def commit(self, commits: Sequence[Commit]) -> list[str]:
        """Write transitions in their order, together with all that arrive meanwhile; each answer is its own."""
        return await self.committer.commit(commits)

    async def load_spec(self, batch: str) -> Spec | None:
        """Return what a batch was asked for; it never changes, so it is read once."""
        if batch not in self._specs:
            value = await self._connection.run(lambda redis: redis.hget(self._batch(batch), "spec"))
            if value is None:
                return None
            self._remember(batch, codec.decode_spec(value))
        return self._specs[batch]

    def _remember(self, batch: str, spec: Spec) -> None:
        """Keep a spec in memory; the oldest goes when there are many."""
        if len(self._specs) >= SPECS_REMEMBERED:
            self._specs.pop(next(iter(self._specs)))
        self._specs[batch] = spec

    async def load_batch(self, batch: str, *, confirmed: bool = False) -> Batch | None:
        """Return a batch as it is; where *confirmed*, as it will be after the loss of the primary."""
        return (await self.load_batches([batch], confirmed=confirmed))[0]

    async def load_batches(self, batches: Sequence[str], *, confirmed: bool = False) -> list[Batch | None]:
        """Return batches as they are, in one round trip; None for one that is not there (any more)."""
        if not batches:
            return []

        async def read(redis: Any) -> Any:
            async with redis.pipeline(transaction=False) as pipe:
                for batch in batches:
                    pipe.hmget(self._batch(batch), _FIELDS)
                return await pipe.execute()

        run = self._connection.run_confirmed if confirmed else self._connection.run
        found = await run(read)
        return [
            None if fields[0] is None else _batch_of(batch, dict(zip(_FIELDS, fields, strict=True)))
            for batch, fields in zip(batches, found, strict=True)
        ]

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
        return bool(await self._scripts.call("state", *arguments))

    async def close(self, batch: Batch, *, runs: Sequence[Run], state: int) -> bool:
        """End a batch whose runs have all ended: its last event, its state."""
        now = time.time()
        last = events.finished(batch, runs, state=BatchState(state), now=now)
        return bool(await self._scripts.call("close", batch.id, state, repr(now), int(batch.state), *last))

    async def warn(self, batch: Batch) -> bool:
        """Log that most of a batch's budget is spent; False where it is logged already."""
        event = events.budget_warning(batch, now=time.time())
        return bool(await self._scripts.call("warn", batch.id, event))

    async def list_positions(self, *, before: Position | None, limit: int) -> list[Position]:
        """Return where batches stand in the list, newest first: those behind a position (None: from the newest)."""
        key = self._key("batches")

        async def read(redis: Any) -> Any:
            async with redis.pipeline(transaction=False) as pipe:
                moment = repr(before.created) if before else "+inf"
                pipe.zrange(key, moment, moment, byscore=True, withscores=True)
                pipe.zrange(key, f"({moment}", "-inf", byscore=True, desc=True, offset=0, num=limit, withscores=True)
                return await pipe.execute()

        same_moment, older = await self._connection.run(read)
        found = (Position(score, member.decode()) for member, score in (*same_moment, *older))
        return sorted((place for place in found if before is None or place < before), reverse=True)[:limit]

    async def put_agent(self, agent: AgentInfo) -> bool:
        """Record an agent; returns whether it was told to drain."""

        async def write(redis: Any) -> Any:
            async with redis.pipeline(transaction=False) as pipe:
                pipe.hset(self._key("agents"), agent.id, codec.encode_agent(agent))
                pipe.sismember(self._key("draining"), agent.id)
                return await pipe.execute()

        answers = await self._connection.run(write)
        return bool(answers[1])

    async def remove_agent(self, agent: AgentInfo) -> None:
        """Forget an agent, unless it has attached again meanwhile."""
        value = await self._connection.run(lambda redis: redis.hget(self._key("agents"), agent.id))
        if value is not None and codec.decode_agent(value).attached == agent.attached:
            await self._scripts.call("leave", agent.id, value)

    async def list_agents(self) -> list[AgentInfo]:
        """Return all agents by id."""
        found = await self._connection.run(lambda redis: redis.hvals(self._key("agents")))
        draining = await self._connection.run(lambda redis: redis.smembers(self._key("draining")))
        agents = (codec.decode_agent(value) for value in found)
        marked = (replace(agent, draining=agent.draining or agent.id.encode() in draining) for agent in agents)
        return sorted(marked, key=lambda agent: agent.id)

    async def drain_agent(self, agent_id: str) -> AgentInfo | None:
        """Tell an agent to take no more; None where there is no such agent."""
        value = await self._connection.run(lambda redis: redis.hget(self._key("agents"), agent_id))
        if value is None:
            return None
        await self._connection.write(("SADD", self._key("draining"), agent_id))
        return replace(codec.decode_agent(value), draining=True)


def _taken(issues: Sequence[Any], batches: Sequence[bytes | None]) -> dict[int, tuple[str, ...]]:
    """Return the batches of each issue that is in some."""
    return {int(issue): tuple(names.decode().split(" ")) for issue, names in zip(issues, batches, strict=True) if names}


def _fields(batch: Batch, total: int) -> list[str]:
    """Return the hash of a new batch but for its spec, flat."""
    spec = batch.spec
    fields = dict.fromkeys(_FIELDS[1:], "0") | {
        "repository": spec.repository,
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
        "warned": "0",
        "queued": "0",
        "dry_run": str(int(spec.dry_run)),
    }
    return [part for pair in fields.items() for part in pair]


def _batch_of(batch: str, fields: dict[str, bytes]) -> Batch:
    """Return a batch of its hash."""
    return Batch(
        id=batch,
        spec=codec.decode_spec(fields["spec"]),
        state=BatchState(int(fields["state"])),
        counters=Counters(*(int(fields[name]) for name in _COUNTERS)),
        leased=int(fields["leased"]),
        spent=Usage(*(int(fields[name]) for name in SPENT_COUNTERS)),
        reserved=Budget(int(fields["reserved"]), int(fields["reserved_tokens"])),
        created=float(fields["create"]),
        ended=float(fields["end"]),
        last_sequence=int(fields["seq"]),
    )
