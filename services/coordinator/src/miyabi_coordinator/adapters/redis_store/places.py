"""The places under global limits on Redis or Valkey: a sorted set for each limit, in the first shard."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

from miyabi_coordinator.adapters.redis_store import codec
from miyabi_coordinator.adapters.redis_store.shard_base import ShardBase
from miyabi_coordinator.models import PlaceRequest


class RedisPlaces(ShardBase):
    """Implements `ports.places.Places`."""

    async def take(self, requests: Sequence[PlaceRequest]) -> list[bool]:
        """Take places, in one call."""
        packed = [
            codec.pack((request.holder, *(part for limit in request.limits for part in limit))) for request in requests
        ]
        answers = await self._scripts.call("take", repr(time.time()), *packed) if packed else []
        return [bool(answer) for answer in answers]

    async def give_back(self, holders: Sequence[str]) -> None:
        """Give back whatever these hold."""
        if holders:
            await self._scripts.call("give_back", *holders)

    async def used(self) -> Mapping[str, int]:
        """Return how many places are taken."""
        names = await self._names()

        async def ask(redis: Any) -> list[int]:
            async with redis.pipeline(transaction=False) as pipe:
                for name in names:
                    pipe.zcard(self._key(f"places:{name}"))
                counts: list[int] = await pipe.execute()
                return counts

        counts = await self._connection.run(ask) if names else []
        return dict(zip(names, counts, strict=True))

    async def held_before(self, moment: float) -> list[str]:
        """Return who has held a place since before a moment."""
        found: set[str] = set()
        for name in await self._names():
            key = self._key(f"places:{name}")
            held = await self._connection.run(
                lambda redis, key=key: redis.zrangebyscore(key, "-inf", f"({moment!r}")  # type: ignore[misc]
            )
            found.update(holder.decode() for holder in held)
        return sorted(found)

    async def _names(self) -> list[str]:
        """Return the limits under which places are taken."""
        members = await self._connection.run(lambda redis: redis.smembers(self._key("places")))
        return sorted(name.decode() for name in members)
