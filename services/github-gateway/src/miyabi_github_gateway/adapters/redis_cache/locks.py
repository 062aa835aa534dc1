"""Locks in the state store: one replica at a time writes an object."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import redis.asyncio
from redis.asyncio.lock import Lock
from redis.exceptions import LockError, RedisError

from miyabi_core.errors import UnavailableError
from miyabi_core.logging import get_logger

#: A lock whose holder died is free after that; a living holder renews it.
TTL_SECONDS = 10.0
#: Three renewals fit into the time to live, so that one lost answer does not lose the lock.
RENEW_SECONDS = 3.0
#: A write waits for GitHub's pace at most about a minute; whoever waits longer for its end is told to come back.
WAIT_SECONDS = 60.0
#: How often a taken lock is tried again: a write takes 100 ms at least.
POLL_SECONDS = 0.05

_LOG = get_logger(__name__)


class RedisLocks:
    """Implements `ports.Locks` with redis-py's lock (SET NX with a random value, released by script).

    The lock keeps the usual case clean; what makes a write safe is that it looks first, so that a lock that is lost, as
    in a failover, costs a duplicate at worst where two writers also do not see each other's object at GitHub.
    """

    def __init__(self, client: redis.asyncio.Redis) -> None:
        self._client = client

    @asynccontextmanager
    async def hold(self, name: str) -> AsyncIterator[None]:
        """Hold the lock of a name for the length of the block.

        Raises:
            UnavailableError: the holder did not let go in time, or the state store does not answer.
        """
        lock = self._client.lock(
            f"gateway:lock:{name}", timeout=TTL_SECONDS, sleep=POLL_SECONDS, blocking_timeout=WAIT_SECONDS
        )
        try:
            taken = await lock.acquire()
        except RedisError as error:
            raise UnavailableError("the state store does not answer", reason="STORE_UNAVAILABLE") from error
        if not taken:
            raise UnavailableError("the same object is being written elsewhere", reason="STORE_UNAVAILABLE")
        failure: Exception | None = None
        try:
            async with asyncio.TaskGroup() as tasks:
                renewing = tasks.create_task(_renew(lock))
                try:
                    yield
                except Exception as error:  # noqa: BLE001 - raised again below: a TaskGroup would wrap it in a group
                    failure = error
                renewing.cancel()
        finally:
            with suppress(LockError, RedisError):
                await lock.release()
        if failure is not None:
            raise failure


async def _renew(lock: Lock) -> None:
    """Keep a lock until cancelled; one that is lost is only noted, since the write has looked before."""
    while True:
        await asyncio.sleep(RENEW_SECONDS)
        try:
            await lock.reacquire()
        except (LockError, RedisError) as error:
            _LOG.warning("lock.lost", error_type=type(error).__name__)
