"""What every part of a shard's store has: the way to the server, the scripts and the key names."""

from __future__ import annotations

from miyabi_coordinator import shards
from miyabi_coordinator.adapters.redis_store.connection import ShardConnection
from miyabi_coordinator.adapters.redis_store.scripts import Scripts


class ShardBase:
    """Base of the parts of `RedisStore`."""

    def __init__(self, connection: ShardConnection, *, shard: int = 0) -> None:
        self._connection = connection
        self._prefix = shards.prefix(shard)
        self._scripts = Scripts(connection, shard)

    def _key(self, name: str) -> str:
        """Return a key of the shard."""
        return f"{self._prefix}{name}"

    def _batch(self, batch: str) -> str:
        """Return the key of a batch, which other keys of the batch begin with."""
        return f"{self._prefix}batch:{batch}"
