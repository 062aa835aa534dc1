"""Opens connection pools to the state store: one server, or each server of a cluster."""

from __future__ import annotations

from datetime import timedelta

import redis.asyncio
from redis.asyncio.retry import Retry
from redis.backoff import ExponentialWithJitterBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from miyabi_core.store.address import Address
from miyabi_core.store.connection import cancellable

#: Seconds to make a connection and to wait for an answer; a state store that is slower is as good as away.
CONNECT_TIMEOUT_SECONDS = 2.0
#: Longest wait for an answer; blocking reads ask for less.
ANSWER_TIMEOUT = timedelta(seconds=10)
#: Tries again after a lost connection, for users that do not wait themselves.
RETRIES = 3


def connect(
    url: str, *, max_connections: int = 50, answer_timeout: timedelta = ANSWER_TIMEOUT, retries: int = RETRIES
) -> redis.asyncio.Redis:
    """Open a pool; nothing is sent before the first command.

    Args:
        url: `redis://` or `rediss://`, of one server.
        max_connections: Most connections at once; a command beyond it waits for one.
        answer_timeout: Longest wait for an answer, and for a free connection; 10 s by default.
        retries: How often a command that finds no connection is tried again; 3 by default.

    Returns:
        A client whose answers are bytes.

    Raises:
        ValueError: the URL is that of a cluster, which takes a client for each of its servers.
    """
    address = Address.parse(url)
    if address.cluster:
        raise ValueError("this service keeps its state on one server, not on a cluster")
    pool = redis.asyncio.BlockingConnectionPool.from_url(
        url,
        max_connections=max_connections,
        timeout=answer_timeout.total_seconds(),
        socket_connect_timeout=CONNECT_TIMEOUT_SECONDS,
        socket_timeout=answer_timeout.total_seconds(),
        health_check_interval=30,
        retry=Retry(ExponentialWithJitterBackoff(cap=1.0, base=0.05), retries=retries),
        retry_on_error=[RedisConnectionError, RedisTimeoutError],
        decode_responses=False,
    )
    return redis.asyncio.Redis.from_pool(cancellable(pool))
