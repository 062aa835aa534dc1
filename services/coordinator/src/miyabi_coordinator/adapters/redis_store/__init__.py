"""State of the coordinator on Redis."""

from __future__ import annotations

from miyabi_coordinator.adapters.redis_store.audit import RedisAudit
from miyabi_coordinator.adapters.redis_store.connection import Durability, ShardConnection
from miyabi_coordinator.adapters.redis_store.keeper import RedisKeeper
from miyabi_coordinator.adapters.redis_store.primaries import Primaries, open_primaries
from miyabi_coordinator.adapters.redis_store.store import RedisStore
from miyabi_coordinator.adapters.redis_store.transcripts import RedisTranscripts

__all__ = [
    "Durability",
    "Primaries",
    "RedisAudit",
    "RedisKeeper",
    "RedisStore",
    "RedisTranscripts",
    "ShardConnection",
    "open_primaries",
]
