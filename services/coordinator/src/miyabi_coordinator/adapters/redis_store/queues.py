"""The queues of a shard: ready tasks, claims, leases, timers."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Collection, Sequence
from typing import Any

from miyabi_coordinator.adapters.redis_store import codec
from miyabi_coordinator.adapters.redis_store.shard_base import ShardBase
from miyabi_coordinator.decide import kind_of_task
from miyabi_coordinator.models import BatchState, Budget, Funds, LeaseReference, RepositoryLimit, TaskKind
from miyabi_coordinator.ports.store import DUE_PAGE, Claim, Wanted

#: Seconds after which a claimed task that nobody leased is ready again.
CLAIM_SECONDS = 5.0
#: Most expired leases of one sweep.
SWEEP_LIMIT = 500


class Queues(ShardBase):
    """What waits for an agent, for its agent's outcome, or for a time."""

    async def claim(self, wanted: Sequence[Wanted], *, limits: Sequence[RepositoryLimit] = ()) -> list[list[Claim]]:
        """Take ready tasks for groups of free slots, fairest first; returns the claims of each group."""
        until = repr(time.time() + CLAIM_SECONDS)
        known = [part for limit in limits for part in (limit.repository, str(limit.kind), max(0, limit.free))]
        groups = [codec.pack((group.count, *(str(kind) for kind in group.kinds))) for group in wanted]
        found = await self._scripts.call("claim", until, codec.pack(known), *groups)
        return [_claims(group) for group in found]

    async def queue_sizes(self) -> dict[int, int]:
        """Return how many tasks of each kind are ready or leased; a lease names its task, whose id names its kind.

        What is ready in a paused batch waits on purpose, until the batch goes on: it does not count.
        """

        async def ask(redis: Any) -> list[Any]:
            pipe = redis.pipeline(transaction=False)
            for kind in TaskKind:
                pipe.zrange(self._key(f"ready:{int(kind)}"), 0, -1)
            pipe.zrange(self._key("leases"), 0, -1)
            answers: list[Any] = await pipe.execute()
            return answers

        *ready, leases = await self._connection.run(ask)
        batches = [[member.partition(b"|")[0].decode() for member in members] for members in ready]
        paused = await self._paused({batch for found in batches for batch in found})
        sizes = Counter[int]()
        for kind, found in zip(TaskKind, batches, strict=True):
            sizes[int(kind)] = sum(batch not in paused for batch in found)
        sizes.update(int(kind_of_task(LeaseReference.of_member(member.decode()).task_id)) for member in leases)
        return {kind: count for kind, count in sizes.items() if count}

    async def _paused(self, batches: Collection[str]) -> set[str]:
        """Return which of some batches are paused."""

        async def ask(redis: Any) -> list[Any]:
            pipe = redis.pipeline(transaction=False)
            for batch in batches:
                pipe.hget(self._key(f"batch:{batch}"), "state")
            answers: list[Any] = await pipe.execute()
            return answers

        states = await self._connection.run(ask) if batches else []
        paused = str(int(BatchState.PAUSED)).encode()
        return {batch for batch, state in zip(batches, states, strict=True) if state == paused}

    async def unclaim(self, claims: Sequence[Claim]) -> None:
        """Put claims back that found no agent."""
        if claims:
            await self._scripts.call("restore", repr(time.time()), *(claim.member for claim in claims))

    async def drop_claims(self, claims: Sequence[Claim]) -> None:
        """Forget claims of tasks that are no longer ready."""
        if claims:
            await self._scripts.call("drop", *(claim.member for claim in claims))

    async def restore_claims(self) -> int:
        """Put back claims whose dispatcher is gone; returns how many."""
        return int(await self._scripts.call("restore", repr(time.time())))

    async def renew(self, leases: Sequence[LeaseReference], *, expires: float) -> list[LeaseReference]:
        """Renew leases; returns those that are no longer valid."""
        if not leases:
            return []
        lost = await self._scripts.call("renew", repr(expires), *(lease.member for lease in leases))
        return [LeaseReference.of_member(member.decode()) for member in lost]

    async def expired(self, now: float) -> list[LeaseReference]:
        """Return leases that nobody renewed."""
        found = await self._connection.run(
            lambda redis: redis.zrangebyscore(self._key("leases"), "-inf", repr(now), 0, SWEEP_LIMIT)
        )
        return [LeaseReference.of_member(member.decode()) for member in found]

    async def drop_leases(self, leases: Sequence[LeaseReference]) -> None:
        """Remove leases whose task is over."""
        members = [lease.member for lease in leases]
        if members:
            await self._connection.run(lambda redis: redis.zrem(self._key("leases"), *members))
            await self._connection.run(lambda redis: redis.zrem(self._key("deadlines"), *members))

    async def due(self, now: float, *, start: int = 0) -> list[str]:
        """Return the names of timers and outbox entries whose time has come, oldest first: a page."""
        found = await self._connection.run(
            lambda redis: redis.zrangebyscore(self._key("timers"), "-inf", repr(now), start, DUE_PAGE)
        )
        return [name.decode(errors="replace") for name in found]

    async def drop_timers(self, timers: Sequence[str]) -> None:
        """Remove entries that need no transition."""
        if timers:
            await self._connection.run(lambda redis: redis.zrem(self._key("timers"), *timers))

    async def finish_timer(self, name: str, *, batch: str) -> None:
        """Remove what was done for a whole batch; one of which nothing is open is closed next."""
        await self._scripts.call("done", repr(time.time()), name, batch)


def _claims(found: Sequence[Any]) -> list[Claim]:
    """Return the claims of one group: member, run and money in turn."""
    claims = []
    for index in range(0, len(found), 3):
        member = found[index].decode()
        batch, issue, task_id, kind, _ = member.split("|")
        usd_limit, usd_spent, usd_reserved, token_limit, tokens_spent, tokens_reserved, leased = found[index + 2]
        limit, spent = Budget(usd_limit, token_limit), Budget(usd_spent, tokens_spent)
        funds = Funds(limit, spent, Budget(usd_reserved, tokens_reserved), leased)
        run = codec.decode_run(found[index + 1])
        claims.append(Claim(batch, int(issue), task_id, int(kind), run, member, funds))
    return claims
