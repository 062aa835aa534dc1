"""State of the coordinator on Redis."""

from __future__ import annotations

from miyabi_coordinator.adapters.redis_store.audit import RedisAudit
from miyabi_coordinator.adapters.redis_store.connection import Durability, ShardConnection
from miyabi_coordinator.adapters.redis_store.keeper import RedisKeeper
from miyabi_coordinator.adapters.redis_store.primaries import Primaries, open_primaries
from miyabi_coordinator.adapters.redis_store.store import RedisStore

__all__ = [
    "Durability",
    "Primaries",
    "RedisAudit",
    "RedisKeeper",
    "RedisStore",
    "ShardConnection",
    "open_primaries",
]
