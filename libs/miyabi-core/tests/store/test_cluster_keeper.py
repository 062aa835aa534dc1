"""The keeper against real servers, and its plan for cases that real servers rarely show."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
import redis.asyncio

from miyabi_core.free_ports import free_ports
from miyabi_core.store.address import Node
from miyabi_core.store.cluster_keeper import ClusterKeeper, read_view
from miyabi_core.store.cluster_plan import SLOTS, Peer, Server, plan, problems
from miyabi_core.store.valkey import EmbeddedValkey
from miyabi_core.store.valkey_cluster import NODE_TIMEOUT, ask

#: Three primaries and three replicas.
SIZE = 6


class Servers:
    """Six servers whose ports, like pods' addresses, may be others after a restart."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.running: list[EmbeddedValkey] = []

    async def start(self) -> None:
        """Start all, each on a new port and on its own folder."""
        ports = free_ports(2 * SIZE)
        self.running = [
            EmbeddedValkey(
                self._folder / str(index), port=port, appendfsync="always", options=options(bus, zone="abc"[index % 3])
            )
            for index, (port, bus) in enumerate(zip(ports[:SIZE], ports[SIZE:], strict=True))
        ]
        for server in self.running:
            await server.start()

    async def stop(self, *, lose: int | None = None) -> None:
        """End all; *lose* names one whose volume is lost."""
        for server in self.running:
            await server.kill()
        if lose is not None:
            shutil.rmtree(self._folder / str(lose))

    @property
    def nodes(self) -> list[Node]:
        """Where they are now."""
        return [("127.0.0.1", server.port) for server in self.running]


def options(bus: int, *, zone: str) -> dict[str, str]:
    """Return what makes a server one of a cluster, in a zone."""
    return {
        "cluster-enabled": "yes",
        "cluster-port": str(bus),
        "cluster-node-timeout": str(int(NODE_TIMEOUT.total_seconds() * 1000)),
        "repl-diskless-sync-delay": "0",
        "availability-zone": zone,
    }


@pytest.fixture
async def servers(tmp_path: Path) -> AsyncIterator[Servers]:
    """Six servers that have not met."""
    found = Servers(tmp_path)
    try:
        await found.start()
        yield found
    finally:
        await found.stop()


async def until_whole(servers: Servers) -> ClusterKeeper:
    """Tend until the cluster is whole."""
    keeper = ClusterKeeper(servers.nodes)
    async with asyncio.timeout(50):
        while await keeper.tend():
            await asyncio.sleep(0.1)
    return keeper


async def test_strangers_become_a_cluster(servers: Servers) -> None:
    """Six servers that have not met are a whole cluster afterwards, each primary with a replica in another zone."""
    await until_whole(servers)
    views = [
        read_view(index, node, [(await ask(server, *command)).decode() for command in (("CLUSTER", "NODES"), ("CLUSTER", "INFO"), ("INFO",))] + ["0"])
        for index, (server, node) in enumerate(zip(servers.running, servers.nodes, strict=True))
    ]  # fmt: skip
    assert sum(len(part) for view in views for part in view.slots) == SLOTS
    zones = {view.identity: view.zone for view in views}
    pairs = [(view.zone, zones[view.follows]) for view in views if view.follows]
    assert len({leader for leader in (view.follows for view in views) if leader}) == len(pairs) == 3
    assert [one for one, other in pairs if one == other] == []


async def test_all_addresses_may_change_at_once(servers: Servers) -> None:
    """When every server comes back elsewhere nobody knows anybody; the keeper introduces them and nothing is lost."""
    await until_whole(servers)
    async with redis.asyncio.RedisCluster(host="127.0.0.1", port=servers.running[0].port) as client:
        for number in range(20):
            await client.set(f"key-{number}", number)
    await servers.stop()
    await servers.start()
    assert await ClusterKeeper(servers.nodes).tend()
    await until_whole(servers)
    async with redis.asyncio.RedisCluster(host="127.0.0.1", port=servers.running[0].port) as client:
        assert [await client.get(f"key-{number}") for number in range(20)] == [b"%d" % number for number in range(20)]


async def test_a_lost_volume_is_filled_again(servers: Servers) -> None:
    """A replica that comes back empty is another server to the cluster: it follows again, the old one is forgotten."""
    await until_whole(servers)
    await servers.stop(lose=5)
    await servers.start()
    await until_whole(servers)
    for server in servers.running:
        assert len((await ask(server, "CLUSTER", "NODES")).splitlines()) == SIZE


async def test_a_whole_cluster_is_left_alone(servers: Servers) -> None:
    """Once all is well no step is taken."""
    keeper = await until_whole(servers)
    before = [await ask(server, "CLUSTER", "NODES") for server in servers.running]
    assert await keeper.tend() == []
    after = [await ask(server, "CLUSTER", "NODES") for server in servers.running]
    assert [sorted(line.split()[0] for line in view.splitlines()) for view in before] == [
        sorted(line.split()[0] for line in view.splitlines()) for view in after
    ]


def whole(*, keys: int = 0) -> list[Server]:
    """Return three primaries and three replicas that know each other."""
    found = [
        Server(
            index=index, identity=f"id{index}", address=("10.0.0.1", 7000 + index), bus=17000 + index, keys=keys,
            slots=(range(SLOTS * index // 3, SLOTS * (index + 1) // 3),) if index < 3 else (),
            follows=f"id{index - 3}" if index >= 3 else None, in_step=index >= 3, state_ok=True,
        )
        for index in range(SIZE)
    ]  # fmt: skip
    return [acquainted(server, found) for server in found]


def acquainted(server: Server, others: list[Server]) -> Server:
    """Return a server that knows the others as they are."""
    peers = {
        other.identity: Peer(
            other.address, frozenset({"master" if other.follows is None else "slave"}), other.slots, other.follows
        )
        for other in others
        if other is not server
    }
    return replace(server, peers=peers)


def test_lost_slots_are_not_given_out_while_there_are_keys() -> None:
    """Where a primary and its replica have lost their volumes a person decides: empty slots would look like no data."""
    servers = whole(keys=3)
    emptied = [
        replace(server, keys=0, slots=(), follows=None) if server.index in {1, 4} else server for server in servers
    ]
    known = [acquainted(server, emptied) for server in emptied]
    assert plan(known, expected=SIZE, primaries=3) == []
    assert problems(known, expected=SIZE)[0] == "5461 slots belong to nobody"


def test_nothing_but_meeting_while_one_is_away() -> None:
    """Slots and replicas wait until all are there: the one that is away may hold what seems to be missing."""
    strangers = [replace(server, peers={}, slots=(), follows=None) for server in whole()[:5]]
    steps = plan(strangers, expected=SIZE, primaries=3)
    assert {command[1] for _, command in steps} == {"MEET"}
    together = [acquainted(server, strangers) for server in strangers]
    assert plan(together, expected=SIZE, primaries=3) == []


def test_a_beginning_that_broke_off_goes_on() -> None:
    """A keeper that died after the first primary had its slots gives out the rest and no slot twice."""
    servers = [replace(server, slots=server.slots if server.index == 0 else (), follows=None) for server in whole()]
    steps = plan([acquainted(server, servers) for server in servers], expected=SIZE, primaries=3)
    assert [command[2:] for _, command in steps if command[1] == "ADDSLOTSRANGE"] == [(5461, 10921), (10922, 16383)]
    assert sorted(command[2] for _, command in steps if command[1] == "REPLICATE") == ["id0", "id1", "id2"]


def test_what_a_server_says_is_read() -> None:
    """Addresses with names behind them, slots that are on their way, and a peer that may have failed."""
    nodes = (
        "a1 10.0.0.1:6379@16379,,tls-port=0,shard-id=x myself,master - 0 0 1 connected 0-5 7 [8->-b2]\n"
        "b2 10.0.0.2:6379@16379,name master,fail? - 0 0 2 connected 9\n"
    )
    server = read_view(0, ("10.0.0.1", 6379), [nodes, "cluster_state:ok", "availability_zone:a\n", "12"])
    assert (server.identity, server.slots, server.keys, server.zone) == ("a1", (range(6), range(7, 8)), 12, "a")
    assert server.peers == {"b2": Peer(("10.0.0.2", 6379), frozenset({"master"}), (range(9, 10),))}
