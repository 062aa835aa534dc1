"""State of the coordinator on Redis."""

from __future__ import annotations

from miyabi_coordinator.adapters.redis_store.connection import OneServer, ShardConnection
from miyabi_coordinator.adapters.redis_store.store import RedisStore

__all__ = ["OneServer", "RedisStore", "ShardConnection"]
