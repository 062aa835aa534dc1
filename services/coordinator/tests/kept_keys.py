"""What stands in a store, and how batches that are no longer kept are swept out of it."""

from __future__ import annotations

import time
from datetime import timedelta

from miyabi_coordinator.adapters.redis_store import RedisKeeper, ShardConnection, open_primaries
from miyabi_coordinator.service.sweeping.retention import Retention

DAYS = timedelta(days=30)


async def everything(client):
    """Return all that is stored, as text: each key, and what sorted sets, sets and strings hold."""
    found = []
    async for key in client.scan_iter():
        match await client.type(key):
            case b"zset":
                found += [key, *await client.zrange(key, 0, -1)]
            case b"set":
                found += [key, *await client.smembers(key)]
            case b"string":
                found += [key, await client.get(key)]
            case _:
                found.append(key)
    return [entry.decode() for entry in found]


async def sweep(url, *, ahead=DAYS + timedelta(minutes=1)):
    """Sweep as if it were later."""
    primaries = open_primaries(url, shards=1)
    try:
        keeper = RedisKeeper(ShardConnection(primaries, 0))
        await Retention(keeper, keep=DAYS, clock=lambda: time.time() + ahead.total_seconds()).sweep()
    finally:
        await primaries.aclose()
