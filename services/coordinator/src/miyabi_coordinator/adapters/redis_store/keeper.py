"""Measurements and retention of one shard on Redis or Valkey."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from miyabi_coordinator import shards
from miyabi_coordinator.adapters.redis_store import codec
from miyabi_coordinator.adapters.redis_store.connection import ShardConnection
from miyabi_coordinator.adapters.redis_store.scripts import Scripts
from miyabi_coordinator.models.measured import Measured, measured_of


class RedisKeeper:
    """Implements `ports.keeper.Keeper`."""

    def __init__(self, connection: ShardConnection, *, shard: int = 0) -> None:
        self._connection = connection
        self._prefix = shards.prefix(shard)
        self._scripts = Scripts(connection, shard)

    async def add_measured(self, scope: str, counts: Mapping[str, int]) -> None:
        """Add counts; a repeat after a lost answer counts twice, which a mean of many bears."""
        key = f"{self._prefix}measured:{scope}"

        async def add(redis: Any) -> None:
            async with redis.pipeline(transaction=False) as pipe:
                for name, count in counts.items():
                    pipe.hincrby(key, name, count)
                await pipe.execute()

        await self._connection.run(add)

    async def load_measured(self, scope: str) -> Measured:
        """Return what was measured."""
        found = await self._connection.run(lambda redis: redis.hgetall(f"{self._prefix}measured:{scope}"))
        return measured_of({name.decode(): int(count) for name, count in found.items()})

    async def ended_before(self, moment: float, *, limit: int) -> list[str]:
        """Return batches that ended before a moment, oldest first."""
        key = f"{self._prefix}ended"
        found = await self._connection.run(lambda redis: redis.zrangebyscore(key, "-inf", f"({moment!r}", 0, limit))
        return [batch.decode() for batch in found]

    async def remove(self, batch: str, *, ended_before: float) -> bool:
        """Remove a batch with all its keys."""
        key = f"{self._prefix}batch:{batch}"
        spec = await self._connection.run(lambda redis: redis.hget(key, "spec"))
        request = codec.decode_spec(spec).request_id if spec else ""
        return bool(await self._scripts.call("remove", batch, repr(ended_before), request))
