"""Makes servers a Valkey cluster, and keeps it one: `python -m miyabi_core.store.cluster_keeper`.

Servers of a cluster know each other by address. On Kubernetes a pod that comes back has a new one; while others live
it tells them, but where all were away nobody finds anybody. The keeper knows the pods' names. It promotes nothing and
moves no slot: that is the cluster's own business (docs/adr/0032).
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import redis.asyncio
from pydantic import Field
from pydantic_settings import SettingsConfigDict
from redis.exceptions import RedisError

from miyabi_core.configuration.environment import EnvironmentSettings, read_settings
from miyabi_core.health import HealthServer
from miyabi_core.lifecycle import run_service
from miyabi_core.logging import configure_logging, get_logger
from miyabi_core.store.address import Address, Node
from miyabi_core.store.cluster_plan import Peer, Server, plan, problems

#: Longest wait for a server's answers, in seconds: as long as the servers themselves wait for one another.
ANSWER_SECONDS = 5.0
#: Columns of a line of CLUSTER NODES before the slots.
_COLUMNS = 8

_LOG = get_logger(__name__)


class KeeperSettings(EnvironmentSettings):
    """Environment variables `MIYABI_CLUSTER_KEEPER_*`."""

    model_config = SettingsConfigDict(env_prefix="MIYABI_CLUSTER_KEEPER_", frozen=True, extra="ignore")

    #: All servers by name: `redis://host:port,host:port,…/0?cluster=true`.
    servers: str
    #: How many of them hold slots; the others follow one each.
    primaries: int = Field(default=3, ge=3)
    #: How often they are looked at.
    interval: timedelta = Field(default=timedelta(seconds=2), gt=timedelta(0))
    #: host:port of gRPC health: ready while the cluster is whole.
    health_address: str = "127.0.0.1:0"


class ClusterKeeper:
    """Looks at all servers and takes the next steps.

    Args:
        nodes: All servers by name and port.
        primaries: How many of them hold slots.
    """

    def __init__(self, nodes: Sequence[Node], *, primaries: int = 3) -> None:
        self._nodes = tuple(nodes)
        self._primaries = primaries

    async def tend(self) -> list[str]:
        """Look once and take the next steps; returns what keeps the cluster from being whole."""
        looks = await asyncio.gather(*(self._look(index) for index in range(len(self._nodes))))
        servers = [server for server in looks if server is not None]
        for index, command in plan(servers, expected=len(self._nodes), primaries=self._primaries):
            try:
                await self._ask(self._nodes[index], command)
            except (RedisError, OSError) as error:
                _LOG.warning("cluster.step_failed", server=index, command=command, problem=str(error))
            else:
                _LOG.info("cluster.step_taken", server=index, command=command)
        return problems(servers, expected=len(self._nodes))

    async def _look(self, index: int) -> Server | None:
        """Return how a server sees itself and the others; None where it does not answer."""
        node = self._nodes[index]
        try:
            async with asyncio.timeout(ANSWER_SECONDS), _connected(node) as connection:
                view = [
                    await _answer(connection, *command)
                    for command in (("CLUSTER", "NODES"), ("CLUSTER", "INFO"), ("INFO",), ("DBSIZE",))
                ]
            return read_view(index, (await _resolve(node), node[1]), view)
        except (RedisError, OSError) as error:
            _LOG.debug("cluster.server_silent", server=index, problem=str(error))
            return None

    async def _ask(self, node: Node, command: tuple[str | int, ...]) -> None:
        """Send a command; a refusal is an error."""
        async with asyncio.timeout(ANSWER_SECONDS), _connected(node) as connection:
            await _answer(connection, *command)


async def _resolve(node: Node) -> str:
    """Return a server's address today: MEET takes no names."""
    found = await asyncio.get_running_loop().getaddrinfo(*node, family=socket.AF_INET, type=socket.SOCK_STREAM)
    return str(found[0][4][0])


@contextlib.asynccontextmanager
async def _connected(node: Node) -> Any:
    """Open a connection for the length of the block."""
    host, port = node
    connection: Any = redis.asyncio.Connection(host=host, port=port, socket_connect_timeout=ANSWER_SECONDS)
    try:
        await connection.connect()
        yield connection
    finally:
        await connection.disconnect()


async def _answer(connection: Any, *command: str | int) -> str:
    """Send a command and return its answer as text."""
    await connection.send_command(*command)
    answer = await connection.read_response()
    return answer.decode() if isinstance(answer, bytes) else str(answer)


def read_view(index: int, address: Node, view: Sequence[str]) -> Server:
    """Read what a server says: CLUSTER NODES, CLUSTER INFO, INFO and DBSIZE.

    Source: valkey.io/commands/cluster-nodes.
    """
    nodes, state, info, keys = view
    fields = dict(line.split(":", 1) for line in info.splitlines() if ":" in line)
    peers: dict[str, Peer] = {}
    own: dict[str, Any] = {}
    for line in nodes.splitlines():
        identity, where, flags, follows, *_ = columns = line.split()
        host, _, ports = where.partition(",")[0].rpartition(":")
        port, _, bus = ports.partition("@")
        marks = frozenset(flag.rstrip("?") for flag in flags.split(",") if not flag.endswith("?"))
        slots = tuple(_slots(part) for part in columns[_COLUMNS:] if not part.startswith("["))
        leader = None if follows == "-" else follows
        if "myself" in marks:
            own = {"identity": identity, "bus": int(bus), "slots": slots, "follows": leader}
        else:
            peers[identity] = Peer((host, int(port)), marks, slots, leader)
    return Server(
        index=index, address=address, zone=fields.get("availability_zone", ""), keys=int(keys), peers=peers,
        in_step=fields.get("master_link_status") == "up", state_ok="cluster_state:ok" in state, **own,
    )  # fmt: skip


def _slots(text: str) -> range:
    """Read `5` or `0-5460`."""
    first, _, last = text.partition("-")
    return range(int(first), int(last or first) + 1)


async def serve(settings: KeeperSettings, stop: asyncio.Event) -> None:
    """Look again and again until *stop*; health tells whether the cluster is whole."""
    keeper = ClusterKeeper(Address.parse(settings.servers).nodes, primaries=settings.primaries)
    health = HealthServer(settings.health_address)
    await health.start()
    told: list[str] | None = None
    try:
        while not stop.is_set():
            found = await keeper.tend()
            await health.set_ready(ready=not found)
            if found != told:
                _LOG.info("cluster.seen", whole=not found, problems=found)
                told = found
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(settings.interval.total_seconds()):
                    await stop.wait()
    finally:
        await health.stop()


def main() -> None:
    """Read the environment and keep the cluster."""
    settings = read_settings(KeeperSettings, service="cluster-keeper")
    configure_logging(service="cluster-keeper")
    run_service(lambda stop: serve(settings, stop))


if __name__ == "__main__":
    main()
