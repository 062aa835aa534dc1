"""Opens connection pools to the state store: one server, or each server of a cluster."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

import redis.asyncio
from redis.asyncio.retry import Retry
from redis.backoff import ExponentialWithJitterBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from miyabi_core.redis_connection import cancellable

#: Seconds to make a connection and to wait for an answer; a state store that is slower is as good as away.
CONNECT_TIMEOUT_SECONDS = 2.0
#: Longest wait for an answer; blocking reads ask for less.
ANSWER_TIMEOUT = timedelta(seconds=10)
#: Tries again after a lost connection, for users that do not wait themselves.
RETRIES = 3
#: Port of a host that names none.
DEFAULT_PORT = 6379

#: Host and port of a server.
Node = tuple[str, int]


@dataclass(frozen=True, slots=True)
class Address:
    """Where the state store is: `redis://[user:password@]host[:port][,host[:port]…][/database][?cluster=true]`.

    Args:
        nodes: Servers to ask first; one unless it is a cluster.
        cluster: Whether the servers form a cluster and say themselves who holds what.
        template: The URL without its hosts; it may hold a password.
    """

    nodes: tuple[Node, ...]
    cluster: bool
    template: tuple[str, str, str, str]

    @classmethod
    def parse(cls, url: str) -> Address:
        """Read a URL.

        Raises:
            ValueError: it is no URL of a Redis, or names several hosts without `cluster=true`.
        """
        parts = urlsplit(url)
        if parts.scheme not in {"redis", "rediss"}:
            raise ValueError("the URL of the state store begins with redis:// or rediss://")
        user, at, hosts = parts.netloc.rpartition("@")
        options = parse_qsl(parts.query)
        cluster = any(name == "cluster" and value.lower() in {"true", "1", "yes"} for name, value in options)
        nodes = tuple(_node(host) for host in hosts.split(","))
        if len(nodes) > 1 and not cluster:
            raise ValueError("several hosts are those of a cluster: add ?cluster=true")
        query = urlencode([(name, value) for name, value in options if name != "cluster"])
        return cls(nodes, cluster, (parts.scheme, user + at, parts.path, query))

    def url(self, node: Node) -> str:
        """Return the URL of one server."""
        scheme, user, path, query = self.template
        host, port = node
        return urlunsplit((scheme, f"{user}{f'[{host}]' if ':' in host else host}:{port}", path, query, ""))


def _node(host: str) -> Node:
    """Read `host`, `host:port` or `[IPv6]:port`."""
    parts = urlsplit(f"//{host}")
    return parts.hostname or "127.0.0.1", parts.port or DEFAULT_PORT


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
