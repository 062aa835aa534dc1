"""Runs operations on the primary that serves a shard, and waits out restarts, failovers and lost connections."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar

from prometheus_client import Counter
from redis.asyncio import Redis
from redis.exceptions import (
    AskError,
    AuthenticationError,
    AuthorizationError,
    ClusterDownError,
    MovedError,
    OutOfMemoryError,
    ReadOnlyError,
    RedisError,
    ResponseError,
    TryAgainError,
)
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from miyabi_coordinator import shards
from miyabi_coordinator.adapters.redis_store.primaries import Primaries
from miyabi_coordinator.errors import store_full, store_unavailable
from miyabi_core.deadlines import left_of_call
from miyabi_core.errors import InternalError, MiyabiError
from miyabi_core.logging import get_logger
from miyabi_core.metrics import REGISTRY

#: Longest time that a call waits for the store: above a failover (a few seconds), below an operator's patience.
PATIENCE = timedelta(seconds=10)
#: First pause between two tries, in seconds: a connection that was reset is there again at once.
FIRST_PAUSE_SECONDS = 0.02
#: Longest pause between two tries, in seconds: a new primary is noticed within it.
LONGEST_PAUSE_SECONDS = 0.5
#: Seconds of the caller's time that are kept for the answer's way back.
ANSWER_SECONDS = 0.1
#: Longest wait for replicas, in milliseconds; one that lives confirms within a round trip.
REPLICA_TIMEOUT_MILLISECONDS = 1000
#: Refusals without an exception class of their own that pass by themselves, by how they begin.
_PASSING = ("UNBLOCKED", "NOREPLICAS", "BUSY ")
#: How a server refuses writes whose append-only file or snapshot it cannot write.
_NO_DISK = "MISCONF"

RETRIES = Counter(
    "miyabi_store_retries_total",
    "Operations on the state store that were tried again, by why.",
    ["reason"],
    registry=REGISTRY,
)

_LOG = get_logger(__name__)
T = TypeVar("T")
#: Something to do with the client of a primary; it may be run more than once.
Operation = Callable[[Any], Awaitable[T]]


class NotConfirmedError(RedisError):
    """Fewer replicas than asked for have what was written."""


@dataclass(frozen=True, slots=True)
class Durability:
    """When a write counts and how long one waits for it.

    Args:
        min_replicas: Replicas that have to have a write before it is acknowledged, 0 by default.
        patience: Longest time that a call waits for the store, 10 s by default.
    """

    min_replicas: int = 0
    patience: timedelta = PATIENCE


class ShardConnection:
    """The way to one shard.

    An operation may run more than once, and the first run may have taken effect without an answer. So it has to be
    a read, a write that says the same each time, or a script that compares first: `create` the request id, `commit`
    the run's version, `state` and `close` the batch's state, `restore` that the claim is still there. `claim` is
    none of these: what a lost answer claimed is ready again when the claim runs out.

    Args:
        primaries: Finds the server.
        shard: Which one.
        durability: When a write counts.
    """

    def __init__(self, primaries: Primaries, shard: int, *, durability: Durability | None = None) -> None:
        self._primaries = primaries
        self._shard = shard
        self._durability = durability or Durability()
        self._mark = f"{shards.prefix(shard)}mark"

    async def run(self, operation: Operation[T]) -> T:
        """Run an operation on the shard's primary, again and again while the store is away.

        Raises:
            UnavailableError: the store did not answer in time; the operation may or may not have taken effect.
            ResourceExhaustedError: the store has no room; nothing was written.
            InternalError: the store refused it for a reason that does not pass.
        """
        try:
            return await operation(self._primaries.primary(self._shard))
        except (RedisError, OSError) as error:
            return await self._again(operation, self._primaries.primary, cause=error)

    async def run_confirmed(self, operation: Operation[T]) -> T:
        """Run an operation and return when all that it wrote or saw would outlive the primary; raises as `run`.

        A read is confirmed too: what it saw may have been written a moment ago by a caller that got no answer.
        """
        if not self._durability.min_replicas:
            return await self.run(operation)
        return await self.run(lambda redis: self._confirmed(redis, operation))

    async def write(self, command: tuple[Any, ...]) -> Any:
        """Run one command and have it confirmed; raises as `run`."""
        return await self.run(lambda redis: self.send(redis, command))

    async def send(self, redis: Any, command: tuple[Any, ...]) -> Any:
        """Send a command to a client that `run` gave; where replicas count, with their confirmation behind it.

        Both go in one plain pipeline, so on one connection.

        Raises:
            RedisError: the server is away or refuses, or too few replicas have the write.
        """
        if not self._durability.min_replicas:
            return await redis.execute_command(*command)
        async with redis.pipeline(transaction=False) as pipe:
            pipe.execute_command(*command)
            self._ask_replicas(pipe)
            answer, marked, replicas = await pipe.execute(raise_on_error=False)
        self._check(answer, marked, replicas)
        return answer

    async def blocking(self, operation: Operation[T]) -> T:
        """Run a read that blocks, on a connection of its own; otherwise as `run_confirmed`."""
        try:
            return await self._confirmed(self._primaries.reader(self._shard), operation)
        except (RedisError, OSError) as error:
            return await self._again(
                lambda redis: self._confirmed(redis, operation), self._primaries.reader, cause=error
            )

    async def _confirmed(self, redis: Any, operation: Operation[T]) -> T:
        """Run an operation and then, where it saw anything, have all that the server holds confirmed."""
        answer = await operation(redis)
        if self._durability.min_replicas and answer:
            async with redis.pipeline(transaction=False) as pipe:
                self._ask_replicas(pipe)
                marked, replicas = await pipe.execute(raise_on_error=False)
            self._check(marked, replicas)
        return answer

    def _ask_replicas(self, pipe: Any) -> None:
        """Add the question. WAIT asks about the connection's own last write: after none it always says yes."""
        pipe.set(self._mark, b"")
        pipe.execute_command("WAIT", self._durability.min_replicas, REPLICA_TIMEOUT_MILLISECONDS)

    def _check(self, *answers: Any) -> None:
        """Raise the first error, or that there are too few replicas."""
        for answer in answers:
            if isinstance(answer, Exception):
                raise answer
        if answers[-1] < self._durability.min_replicas:
            raise NotConfirmedError(f"{answers[-1]} of {self._durability.min_replicas} replicas have the write")

    async def _again(self, operation: Operation[T], client: Callable[[int], Redis], *, cause: Exception) -> T:
        """Try until it works or the time is over."""
        clock = asyncio.get_running_loop()
        until = clock.time() + left_of_call(at_most=self._durability.patience) - ANSWER_SECONDS
        pause = FIRST_PAUSE_SECONDS
        while True:
            failed = clock.time()
            if not is_passing(cause):
                raise refusal(cause) from cause
            RETRIES.labels(reason=type(cause).__name__).inc()
            wait = pause * random.uniform(0.5, 1.0)  # noqa: S311 - spreads tries, hides nothing
            if failed + wait >= until:
                raise store_unavailable() from cause
            await asyncio.sleep(wait)
            pause = min(2 * pause, LONGEST_PAUSE_SECONDS)
            try:
                async with asyncio.timeout_at(until):
                    await self._primaries.refresh(cause, since=failed)
                    return await operation(client(self._shard))
            except (RedisError, OSError) as error:
                cause = error


#: What passes by itself: the operation is tried again.
_PASSING_ERRORS = (
    RedisConnectionError,
    RedisTimeoutError,
    ReadOnlyError,
    MovedError,
    AskError,
    ClusterDownError,
    TryAgainError,
    NotConfirmedError,
    OSError,
)


def is_passing(error: Exception) -> bool:
    """Tell whether the same operation can succeed soon."""
    if isinstance(error, (AuthenticationError, AuthorizationError)):
        return False
    if isinstance(error, _PASSING_ERRORS):
        return True
    return isinstance(error, ResponseError) and str(error).startswith(_PASSING)


def refusal(error: Exception) -> MiyabiError:
    """Return the error of a refusal that does not pass by itself."""
    _LOG.error("store.refused", error=str(error))
    if isinstance(error, OutOfMemoryError) or str(error).startswith(_NO_DISK):
        return store_full()
    return InternalError("The state store refused a command.", reason="INTERNAL")
