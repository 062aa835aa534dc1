"""Opens the connection pool to the state store."""

from __future__ import annotations

import redis.asyncio
from redis.asyncio.retry import Retry
from redis.backoff import ExponentialWithJitterBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

#: Seconds to make a connection and to wait for an answer; a state store that is slower is as good as away.
CONNECT_TIMEOUT_SECONDS = 2.0
#: Longest wait for an answer; blocking reads ask for less.
ANSWER_TIMEOUT_SECONDS = 10.0


def connect(url: str, *, max_connections: int = 50) -> redis.asyncio.Redis:
    """Open a pool; nothing is sent before the first command.

    Args:
        url: `redis://` or `rediss://`.
        max_connections: Most connections at once; a command beyond it waits for one.

    Returns:
        A client whose answers are bytes. A command that finds no connection is tried again a few times.
    """
    pool = redis.asyncio.BlockingConnectionPool.from_url(
        url,
        max_connections=max_connections,
        timeout=ANSWER_TIMEOUT_SECONDS,
        socket_connect_timeout=CONNECT_TIMEOUT_SECONDS,
        socket_timeout=ANSWER_TIMEOUT_SECONDS,
        health_check_interval=30,
        retry=Retry(ExponentialWithJitterBackoff(cap=1.0, base=0.05), retries=3),
        retry_on_error=[RedisConnectionError, RedisTimeoutError],
        decode_responses=False,
    )
    return redis.asyncio.Redis.from_pool(pool)
