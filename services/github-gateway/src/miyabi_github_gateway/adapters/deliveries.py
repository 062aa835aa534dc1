"""Remembers webhooks in the state store, so that each is acted on once, whichever replica it reaches."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta

import redis.asyncio
from redis.exceptions import RedisError

from miyabi_core.errors import UnavailableError
from miyabi_core.logging import get_logger

#: GitHub lets a delivery be sent again for three days; it is the same delivery then.
LEAST_KEPT = timedelta(days=3)
#: A claim whose process died before it had acted ends by itself: GitHub may deliver it again. An answer takes 8 s.
CLAIM = timedelta(seconds=60)
#: The counts of an hour are looked at in that hour only.
_HOUR_SECONDS = 3600

_LOG = get_logger(__name__)


class RedisDeliveries:
    """Implements `ports.Deliveries`.

    Args:
        client: State store.
        window: How old an event may be that starts something; what is remembered is remembered for longer.
        clock: Seconds since the epoch; tests give their own.
    """

    def __init__(
        self, client: redis.asyncio.Redis, *, window: timedelta, clock: Callable[[], float] = time.time
    ) -> None:
        self._client = client
        self._kept = max(LEAST_KEPT, 2 * window)
        self._clock = clock

    async def claim(self, names: Sequence[str]) -> bool:
        """Claim a delivery by its names for a minute; one that is there already gives the claim up."""
        async with _answering(), self._client.pipeline(transaction=True) as pipeline:
            for name in names:
                pipeline.set(_key(name), 1, ex=CLAIM, nx=True)
            return all(await pipeline.execute())

    async def keep(self, names: Sequence[str]) -> None:
        """Remember what was acted on; where the store is away, a repeat is told apart by what it started only."""
        try:
            async with self._client.pipeline(transaction=True) as pipeline:
                for name in names:
                    pipeline.set(_key(name), 1, ex=self._kept)
                await pipeline.execute()
        except RedisError as error:
            _LOG.warning("delivery.not_kept", error_type=type(error).__name__)

    async def release(self, names: Sequence[str]) -> None:
        """Forget a claim; where the store is away it stays, and the delivery is not acted on again."""
        try:
            await self._client.delete(*map(_key, names))
        except RedisError as error:
            _LOG.warning("delivery.not_released", error_type=type(error).__name__)

    async def allowed(self, repository: str, *, per_hour: int) -> bool:
        """Count a batch; the hour is that of the clock."""
        key = f"gateway:triggered:{repository.casefold()}:{int(self._clock()) // _HOUR_SECONDS}"
        async with _answering(), self._client.pipeline(transaction=True) as pipeline:
            pipeline.incr(key)
            pipeline.expire(key, 2 * _HOUR_SECONDS)
            count, _ = await pipeline.execute()
        return int(count) <= per_hour


@asynccontextmanager
async def _answering() -> AsyncIterator[None]:
    """Map the store's errors.

    Raises:
        UnavailableError: it does not answer.
    """
    try:
        yield
    except RedisError as error:
        raise UnavailableError("the state store does not answer", reason="STORE_UNAVAILABLE") from error


def _key(name: str) -> str:
    """Return the key of a delivery's name."""
    return f"gateway:delivery:{name}"
