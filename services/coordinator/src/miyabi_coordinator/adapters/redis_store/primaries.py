"""Finds the primary of each shard: one server, or the cluster's word for it."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any, Protocol, cast

from redis.asyncio import Redis
from redis.exceptions import ClusterDownError, MovedError, ReadOnlyError, RedisError

from miyabi_coordinator.shards import TAGS, slot_of
from miyabi_core.logging import get_logger
from miyabi_core.store.address import Address, Node
from miyabi_core.store.redis import connect

#: Longest wait for one answer before a call is tried again; a script takes milliseconds.
ANSWER_TIMEOUT = timedelta(seconds=3)
#: The same for a read that blocks: what it may block, two seconds, and then as long as any answer.
READ_TIMEOUT = timedelta(seconds=5)
#: Longest wait for one server's view of its cluster; the next is asked then.
VIEW_TIMEOUT_SECONDS = 1.0

_LOG = get_logger(__name__)


class Primaries(Protocol):
    """Knows which server is the primary of a shard."""

    def primary(self, shard: int) -> Redis:
        """Return the client for commands that are answered at once.

        Raises:
            ClusterDownError: it is not known yet.
        """
        ...

    def reader(self, shard: int) -> Redis:
        """Return the client for reads that block, so that commands do not wait for them; raises as `primary`."""
        ...

    async def refresh(self, cause: Exception, *, since: float) -> None:
        """Learn from a failure at a time of the loop who is primary now.

        Raises:
            RedisError: no server could be asked.
        """
        ...

    async def aclose(self) -> None:
        """Close all connections."""
        ...


class OneServer:
    """One primary for all shards: embedded, single, or managed behind one address."""

    def __init__(self, address: Address, *, shards: int) -> None:
        self._client, self._reader = _clients(address, address.nodes[0], shards)

    def primary(self, shard: int) -> Redis:
        """Return the client for commands."""
        del shard
        return self._client

    def reader(self, shard: int) -> Redis:
        """Return the client for reads that block."""
        del shard
        return self._reader

    async def refresh(self, cause: Exception, *, since: float) -> None:
        """Look the address up again where it led to a replica: the name of a managed server moves in a failover."""
        del since
        if isinstance(cause, ReadOnlyError):
            for client in (self._client, self._reader):
                await client.connection_pool.disconnect(inuse_connections=False)

    async def aclose(self) -> None:
        """Close all connections."""
        await self._client.aclose()
        await self._reader.aclose()


class ClusterPrimaries:
    """The primaries of a Redis or Valkey cluster: a client for each, and the cluster's word for who holds what.

    redis-py's own cluster client is not used: its `WAIT` confirms replicas falsely, and commands that block would
    share its connections.

    Args:
        address: Servers to ask first.
        shards: How many shards there are.
    """

    def __init__(self, address: Address, *, shards: int) -> None:
        self._address = address
        self._shards = shards
        self._clients: dict[Node, tuple[Redis, Redis]] = {}
        self._owners: dict[int, Node] = {}
        self._known: set[Node] = set(address.nodes)
        self._asking = asyncio.Lock()
        self._asked_at = float("-inf")

    def primary(self, shard: int) -> Redis:
        """Return the client of the shard's primary."""
        return self._of(self._owner(shard))[0]

    def reader(self, shard: int) -> Redis:
        """Return the client of the shard's primary for reads that block."""
        return self._of(self._owner(shard))[1]

    async def refresh(self, cause: Exception, *, since: float) -> None:
        """Follow a redirection, or ask the servers, one after the other in random order; all that wait ask once."""
        if isinstance(cause, MovedError) and cause.host:
            self._move(int(cause.slot_id), (cause.host, int(cause.port)))
            return
        async with self._asking:
            if self._asked_at < since:
                await self._ask()
                self._asked_at = asyncio.get_running_loop().time()

    async def aclose(self) -> None:
        """Close all connections."""
        for client, reader in self._clients.values():
            await client.aclose()
            await reader.aclose()

    async def _ask(self) -> None:
        """Take the view of the first server that has one."""
        nodes = list(self._known)
        random.shuffle(nodes)
        failure: Exception = ClusterDownError("no server of the cluster answers")
        for node in nodes:
            try:
                async with asyncio.timeout(VIEW_TIMEOUT_SECONDS):
                    asked = cast("Callable[..., Awaitable[Any]]", self._of(node)[0].execute_command)
                    view = await asked("CLUSTER", "SLOTS")
                owners = owners_of(view, asked=node, shards=self._shards)
            except (RedisError, OSError) as error:
                failure = error
                continue
            self._take(owners, view=servers_of(view, asked=node))
            return
        raise failure

    def _take(self, owners: dict[int, Node], *, view: set[Node]) -> None:
        """Use a view; the servers that were given stay known, whatever the cluster calls them."""
        changed = {shard: node for shard, node in owners.items() if self._owners.get(shard) != node}
        if changed and self._owners:
            _LOG.info("store.primary_changed", shards=sorted(changed))
        self._owners = owners
        self._known = view | set(self._address.nodes)

    def _move(self, slot: int, node: Node) -> None:
        """Believe the server that sent us on."""
        self._known.add(node)
        for shard in range(self._shards):
            if _slot(shard) == slot:
                self._owners[shard] = node

    def _owner(self, shard: int) -> Node:
        """Return the address of the shard's primary."""
        try:
            return self._owners[shard]
        except KeyError:
            raise ClusterDownError("the primary is not known yet") from None

    def _of(self, node: Node) -> tuple[Redis, Redis]:
        """Return the clients of a server; made once, kept while we serve."""
        if node not in self._clients:
            self._clients[node] = _clients(self._address, node, self._shards)
        return self._clients[node]


def open_primaries(url: str, *, shards: int) -> Primaries:
    """Return what the URL names; nothing is sent yet.

    Raises:
        ValueError: the URL cannot be used.
    """
    address = Address.parse(url)
    return ClusterPrimaries(address, shards=shards) if address.cluster else OneServer(address, shards=shards)


def owners_of(view: Any, *, asked: Node, shards: int) -> dict[int, Node]:
    """Return the primary of each shard in an answer of CLUSTER SLOTS.

    Raises:
        ClusterDownError: a shard's slot belongs to nobody.
    """
    owners: dict[int, Node] = {}
    for shard in range(shards):
        slot = _slot(shard)
        holder = next((entry[2] for entry in view if int(entry[0]) <= slot <= int(entry[1])), None)
        if holder is None:
            raise ClusterDownError(f"slot {slot} belongs to nobody")
        owners[shard] = _address(holder, asked)
    return owners


def servers_of(view: Any, *, asked: Node) -> set[Node]:
    """Return all servers of an answer of CLUSTER SLOTS, replicas too."""
    return {_address(server, asked) for entry in view for server in entry[2:]}


def _slot(shard: int) -> int:
    """Return the slot of a shard's keys."""
    return slot_of(TAGS[shard])


def _address(server: Any, asked: Node) -> Node:
    """Return a server's address; one that does not know its own has the one that was asked."""
    host = server[0].decode() if isinstance(server[0], bytes) else server[0]
    return (asked[0] if host in {None, "", "?"} else host, int(server[1]))


def _clients(address: Address, node: Node, shards: int) -> tuple[Redis, Redis]:
    """Return a server's client for commands and the one for reads that block, of which each shard has one."""
    url = address.url(node)
    client = connect(url, answer_timeout=ANSWER_TIMEOUT, retries=0)
    return client, connect(url, answer_timeout=READ_TIMEOUT, retries=0, max_connections=shards + 1)
