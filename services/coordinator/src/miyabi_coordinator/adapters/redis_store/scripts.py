"""Calls the shard's Lua scripts by their digest and loads them where the server does not know them yet."""

from __future__ import annotations

import hashlib
from importlib import resources
from typing import Any

from redis.exceptions import NoScriptError

from miyabi_coordinator import shards
from miyabi_coordinator.adapters.redis_store.connection import ShardConnection

#: Scripts whose effect needs no replica: a claim runs out by itself, a lease that was not renewed is given again,
#: an agent's entry is written with each heartbeat, a limit is found anew.
FLEETING = frozenset({"claim", "restore", "drop", "renew", "leave", "pace"})
#: Scripts that run on a server without memory too: they free some, or put in one place what they take from another.
FREEING = frozenset({"remove", "restore", "drop", "renew", "leave", "give_back"})
#: First line of the others: the server refuses them before they begin. Without it a script is refused at its first
#: command that needs memory, unless it has written already; then it goes on.
#: Source: valkey.io/topics/eval-intro, script flags.
_REFUSED_WHEN_FULL = "#!lua\n"
_FOLDER = resources.files("miyabi_coordinator.adapters.redis_store") / "lua"


class Scripts:
    """The scripts of one shard; each takes the shard's key prefix as its one declared key."""

    def __init__(self, connection: ShardConnection, shard: int) -> None:
        self._connection = connection
        self._prefix = shards.prefix(shard)
        self._known: dict[str, tuple[str, str]] = {}

    async def call(self, name: str, *arguments: Any) -> Any:
        """Run a script, again where the answer was lost. Raises as `ShardConnection.run`."""
        source, digest = self._source(name)

        async def call(redis: Any) -> Any:
            try:
                return await self._send(name, redis, "EVALSHA", digest, *arguments)
            except NoScriptError:
                # A server that was restarted, or a new primary after a failover.
                return await self._send(name, redis, "EVAL", source, *arguments)

        return await self._connection.run(call)

    async def _send(self, name: str, redis: Any, *command: Any) -> Any:
        """Send a script."""
        verb, script, *arguments = command
        whole = (verb, script, 1, self._prefix, *arguments)
        if name in FLEETING:
            return await redis.execute_command(*whole)
        return await self._connection.send(redis, whole)

    def _source(self, name: str) -> tuple[str, str]:
        """Return a script's text and digest."""
        if name not in self._known:
            first = "#!lua flags=allow-oom\n" if name in FREEING else _REFUSED_WHEN_FULL
            source = first + (_FOLDER / "common.lua").read_text() + (_FOLDER / f"{name}.lua").read_text()
            digest = hashlib.sha1(source.encode(), usedforsecurity=False).hexdigest()
            self._known[name] = (source, digest)
        return self._known[name]
