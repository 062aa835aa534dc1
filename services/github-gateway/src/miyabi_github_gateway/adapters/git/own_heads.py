"""Remembers which commit this system last pushed to a branch, on all replicas."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import redis.asyncio
from redis.exceptions import RedisError

from miyabi_core.errors import UnavailableError
from miyabi_github_gateway.adapters.git.push import RefUpdate

#: A branch that nobody pushed to for that long is not rewritten any more; what is forgotten is left alone.
KEPT = timedelta(days=30)


class OwnHeads:
    """The commits at which the branches of this system stand, as far as it pushed them itself."""

    def __init__(self, client: redis.asyncio.Redis) -> None:
        self._client = client

    async def are(self, repository: str, updates: Sequence[RefUpdate]) -> dict[str, str]:
        """Return, for the refs of *updates*, the commit that was last pushed; refs that never were are left out.

        Raises:
            UnavailableError: the state store does not answer.
        """
        if not updates:
            return {}
        try:
            found = await self._client.mget([_key(repository, update.ref) for update in updates])
        except RedisError as error:
            raise UnavailableError("the state store does not answer", reason="STORE_UNAVAILABLE") from error
        return {update.ref: oid.decode() for update, oid in zip(updates, found, strict=True) if isinstance(oid, bytes)}

    async def pushed(self, repository: str, updates: Sequence[RefUpdate]) -> None:
        """Take note of updates that GitHub has accepted.

        Raises:
            UnavailableError: the state store does not answer.
        """
        try:
            async with self._client.pipeline(transaction=False) as pipeline:
                for update in updates:
                    pipeline.set(_key(repository, update.ref), update.new, ex=KEPT)
                await pipeline.execute()
        except RedisError as error:
            raise UnavailableError("the state store does not answer", reason="STORE_UNAVAILABLE") from error


def _key(repository: str, ref: str) -> str:
    """Return the key of a branch."""
    return f"gateway:pushed:{repository.casefold()}:{ref}"
