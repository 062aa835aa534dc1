"""Runs a Valkey cluster on loopback for tests: real servers, real failovers."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import redis.asyncio

from miyabi_core.free_ports import free_ports
from miyabi_core.store.valkey import EmbeddedValkey

#: Slots of every cluster.
SLOTS = 16384
#: Until a server that is silent counts as gone; lower ones fail over while a busy machine merely pauses.
NODE_TIMEOUT = timedelta(milliseconds=1500)
#: How often servers are asked what they know of one another.
_POLL_SECONDS = 0.05
#: Longest wait for servers to agree; a failover takes two to three times the node timeout.
_AGREEMENT = timedelta(seconds=30)


class ValkeyCluster:
    """Primaries that share the slots evenly, each with one replica. `servers` are the primaries, then their replicas.

    Args:
        folder: Each server has a folder of its own in it.
        primaries: How many; a majority of them has to live for a failover.
    """

    def __init__(self, folder: Path, *, primaries: int = 3) -> None:
        ports = free_ports(4 * primaries)
        self._bus = dict(zip(ports[: 2 * primaries], ports[2 * primaries :], strict=True))
        self._primaries = primaries
        self.servers = [
            EmbeddedValkey(folder / str(port), port=port, appendfsync="always", options=_options(bus))
            for port, bus in self._bus.items()
        ]

    @property
    def url(self) -> str:
        """Address of the cluster: half of its servers, the rest is found."""
        hosts = ",".join(f"127.0.0.1:{server.port}" for server in self.servers[::2])
        return f"redis://{hosts}/0?cluster=true"

    async def start(self) -> None:
        """Start the servers, make them a cluster, wait until each replica follows its primary.

        Raises:
            UnavailableError: a server did not start.
            TimeoutError: they did not agree in time.
        """
        async with asyncio.TaskGroup() as group:
            for server in self.servers:
                group.create_task(server.start())
        async with asyncio.timeout(_AGREEMENT.total_seconds()):
            for index, primary in enumerate(self.servers[: self._primaries]):
                first, beyond = (SLOTS * number // self._primaries for number in (index, index + 1))
                await ask(primary, "CLUSTER", "ADDSLOTSRANGE", first, beyond - 1)
                await ask(primary, "CLUSTER", "SET-CONFIG-EPOCH", index + 1)
            for other in self.servers[1:]:
                await ask(self.servers[0], "CLUSTER", "MEET", "127.0.0.1", other.port, self._bus[other.port])
            await self._until_known()
            for primary, replica in zip(self.servers[: self._primaries], self.servers[self._primaries :], strict=True):
                identity = await ask(primary, "CLUSTER", "MYID")
                await ask(replica, "CLUSTER", "REPLICATE", identity)
            await self.settled()

    async def stop(self) -> None:
        """End all servers."""
        for server in self.servers:
            await server.kill()

    async def settled(self) -> None:
        """Wait until every server calls the cluster whole and every replica follows."""
        for server in self.servers:
            await until(partial(self._is_settled, server))

    async def holder_of(self, slot: int) -> EmbeddedValkey:
        """Return the primary of a slot, as a server that lives sees it."""
        view: list[Any] = []
        for server in self.servers:
            with contextlib.suppress(redis.exceptions.RedisError, OSError):
                view = await ask(server, "CLUSTER", "SLOTS")
                break
        port = next(entry[2][1] for entry in view if entry[0] <= slot <= entry[1])
        return next(server for server in self.servers if server.port == port)

    def replica_of(self, primary: EmbeddedValkey) -> EmbeddedValkey:
        """Return the server that began as the replica of one that began as a primary, or the other way round."""
        index = self.servers.index(primary)
        return self.servers[(index + self._primaries) % len(self.servers)]

    async def _until_known(self) -> None:
        """Wait until every server knows every other."""
        expected = f"cluster_known_nodes:{len(self.servers)}"

        async def knows_all(server: EmbeddedValkey) -> bool:
            return expected in (await ask(server, "CLUSTER", "INFO")).decode()

        for server in self.servers:
            await until(partial(knows_all, server))

    async def _is_settled(self, server: EmbeddedValkey) -> bool:
        """Tell whether a server sees the whole cluster and, as a replica, follows."""
        state = (await ask(server, "CLUSTER", "INFO")).decode()
        role = await ask(server, "ROLE")
        following = role[3] == b"connected" if role[0] == b"slave" else len(role[2]) == 1
        return "cluster_state:ok" in state and "cluster_slots_ok:16384" in state and following


async def until(holds: Callable[[], Awaitable[bool]]) -> None:
    """Ask until the answer is yes, with short pauses; the caller sets a limit."""
    while True:
        if await holds():
            return
        await asyncio.sleep(_POLL_SECONDS)


async def ask(server: EmbeddedValkey, *command: str | bytes | int) -> Any:
    """Send one command to one server and return its plain answer."""
    connection: Any = redis.asyncio.Connection(host="127.0.0.1", port=server.port, socket_timeout=5)
    try:
        await connection.connect()
        await connection.send_command(*command)
        return await connection.read_response()
    finally:
        await connection.disconnect()


@contextlib.asynccontextmanager
async def running_cluster(folder: Path, *, primaries: int = 3) -> AsyncIterator[ValkeyCluster]:
    """Run a cluster for the length of the block."""
    cluster = ValkeyCluster(folder, primaries=primaries)
    try:
        await cluster.start()
        yield cluster
    finally:
        await cluster.stop()


def _options(bus: int) -> dict[str, str]:
    """Return what makes a server one of a cluster."""
    return {
        "cluster-enabled": "yes",
        "cluster-port": str(bus),
        "cluster-node-timeout": str(int(NODE_TIMEOUT.total_seconds() * 1000)),
        "cluster-require-full-coverage": "no",
        "cluster-replica-validity-factor": "0",
        "repl-diskless-sync-delay": "0",
        "maxmemory-policy": "noeviction",
    }
