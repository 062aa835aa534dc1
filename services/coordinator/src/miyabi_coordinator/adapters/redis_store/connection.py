"""Runs operations on the primary that serves a shard, and waits out restarts, failovers and lost connections."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any, Protocol, TypeVar

from redis.asyncio import Redis
from redis.exceptions import (
    AskError,
    AuthenticationError,
    AuthorizationError,
    BusyLoadingError,
    ClusterDownError,
    MasterDownError,
    MovedError,
    ReadOnlyError,
    RedisClusterException,
    RedisError,
    ResponseError,
    TryAgainError,
)
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from miyabi_coordinator.errors import store_unavailable
from miyabi_core.errors import InternalError, MiyabiError
from miyabi_core.logging import get_logger

#: Longest time that a call waits for the store: above a failover (a few seconds), below an operator's patience.
PATIENCE = timedelta(seconds=10)
#: First pause between two tries, in seconds: a connection that was reset is there again at once.
FIRST_PAUSE_SECONDS = 0.02
#: Longest pause between two tries, in seconds: a new primary is noticed within it.
LONGEST_PAUSE_SECONDS = 0.5
#: What passes by itself: the operation is tried again.
TRANSIENT = (
    RedisConnectionError,
    RedisTimeoutError,
    BusyLoadingError,
    ReadOnlyError,
    MovedError,
    AskError,
    ClusterDownError,
    TryAgainError,
    MasterDownError,
    RedisClusterException,
    OSError,
    TimeoutError,
)
#: Beginnings of refusals without an exception class of their own that pass by themselves.
_TRANSIENT_REFUSALS = ("UNBLOCKED", "NOREPLICAS", "BUSY")

_LOG = get_logger(__name__)
T = TypeVar("T")
#: Something to do with the client of a primary; it may be run more than once.
Operation = Callable[[Any], Awaitable[T]]


class Primaries(Protocol):
    """Knows which server is the primary of a shard."""

    def primary(self, shard: int) -> Redis:
        """Return the client for commands that are answered at once."""
        ...

    def reader(self, shard: int) -> Redis:
        """Return the client for reads that block; they must not wait for one another."""
        ...

    async def refresh(self) -> None:
        """Ask the servers again who is primary of what."""
        ...


class OneServer:
    """One primary for all shards: an embedded, single or managed server."""

    def __init__(self, client: Redis, reader: Redis) -> None:
        self._client = client
        self._reader = reader

    def primary(self, shard: int) -> Redis:
        """Return the client for commands."""
        del shard
        return self._client

    def reader(self, shard: int) -> Redis:
        """Return the client for reads that block."""
        del shard
        return self._reader

    async def refresh(self) -> None:
        """There is one address, and nothing to ask."""


class ShardConnection:
    """The way to one shard.

    An operation may run more than once, and the first run may have taken effect without an answer. So it has to be
    a read, a write that says the same each time, or a script that compares first: `create` the request id, `commit`
    the run's version, `state` and `close` the batch's state, `restore` that the claim is still there. `claim` is
    none of these: what a lost answer claimed is ready again when the claim runs out.

    Args:
        primaries: Finds the server.
        shard: Which one.
        patience: Longest time that a call waits, 10 s by default.
    """

    def __init__(self, primaries: Primaries, shard: int, *, patience: timedelta = PATIENCE) -> None:
        self._primaries = primaries
        self._shard = shard
        self._patience = patience.total_seconds()

    async def run(self, operation: Operation[T]) -> T:
        """Run an operation on the shard's primary, again and again while the store is away.

        Raises:
            UnavailableError: the store did not answer in time; the operation may or may not have taken effect.
            InternalError: the store refused it for a reason that does not pass.
        """
        try:
            return await operation(self._primaries.primary(self._shard))
        except (RedisError, RedisClusterException, OSError) as error:
            return await self._again(operation, self._primaries.primary, cause=error)

    async def blocking(self, operation: Operation[T]) -> T:
        """Run a read that blocks, on a connection of its own; as `run` otherwise."""
        try:
            return await operation(self._primaries.reader(self._shard))
        except (RedisError, RedisClusterException, OSError) as error:
            return await self._again(operation, self._primaries.reader, cause=error)

    async def _again(self, operation: Operation[T], client: Callable[[int], Redis], *, cause: Exception) -> T:
        """Try until it works or the time is over."""
        clock = asyncio.get_running_loop()
        until = clock.time() + self._patience
        pause = FIRST_PAUSE_SECONDS
        while True:
            if not is_transient(cause):
                raise _refused(cause) from cause
            wait = pause * random.uniform(0.5, 1.0)  # noqa: S311 - spreads tries, hides nothing
            if clock.time() + wait >= until:
                raise store_unavailable() from cause
            _LOG.debug("store.retried", shard=self._shard, error=str(cause))
            await asyncio.sleep(wait)
            pause = min(2 * pause, LONGEST_PAUSE_SECONDS)
            try:
                async with asyncio.timeout_at(until):
                    await self._primaries.refresh()
                    return await operation(client(self._shard))
            except (RedisError, RedisClusterException, OSError) as error:
                cause = error


def is_transient(error: Exception) -> bool:
    """Tell whether the same operation can succeed later."""
    if isinstance(error, (AuthenticationError, AuthorizationError)):
        return False
    if isinstance(error, TRANSIENT):
        return True
    return isinstance(error, ResponseError) and str(error).startswith(_TRANSIENT_REFUSALS)


def _refused(error: Exception) -> MiyabiError:
    """Return the error of a refusal that does not pass."""
    _LOG.error("store.refused", error=str(error))
    return InternalError("The state store refused a command.", reason="INTERNAL")
