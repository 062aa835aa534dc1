"""Remembers where own writes went, so that the next one need not be looked for page by page."""

from __future__ import annotations

from datetime import timedelta

import redis.asyncio
from redis.exceptions import RedisError

#: A batch is over by then; what is forgotten is looked for at GitHub.
KEPT = timedelta(days=7)


class Written:
    """A note in the state store per object that was written; a help only: GitHub has the truth."""

    def __init__(self, client: redis.asyncio.Redis) -> None:
        self._client = client

    async def where(self, name: str) -> str:
        """Return what was noted of an object; empty where nothing was, or where the store does not answer."""
        try:
            found = await self._client.get(_key(name))
        except RedisError:
            return ""
        return found.decode() if isinstance(found, bytes) else ""

    async def note(self, name: str, where: str) -> None:
        """Note where an object is."""
        try:
            await self._client.set(_key(name), where, ex=KEPT)
        except RedisError:
            return


def _key(name: str) -> str:
    """Return the key of an object; names of repositories have no case."""
    return f"gateway:written:{name.casefold()}"
