"""State of the coordinator on Redis."""

from __future__ import annotations

from miyabi_coordinator.adapters.redis_store.store import RedisStore

__all__ = ["RedisStore"]
