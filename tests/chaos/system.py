"""Everything that is killed: coordinators, agents, a gateway, dashboards and a Valkey, with relays between them."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import script
from relay import Relay

from miyabi.coordinator.v1 import coordinator_service_pb2 as pb
from miyabi.coordinator.v1.coordinator_service_pb2_grpc import CoordinatorServiceStub
from miyabi_cli.stack.environments import SIMULATED_GATEWAY
from miyabi_cli.stack.local import wait_ready
from miyabi_cli.stack.processes import ChildProcess, ProcessSpec, start
from miyabi_core.channel import open_channel
from miyabi_core.free_ports import free_port
from miyabi_core.store.valkey import EmbeddedValkey

#: Replicas and agent processes.
COORDINATORS, AGENTS = 3, 6
#: Replicas that measure, one at a time.
DASHBOARDS = 2
#: How fast GitHub's clock runs: its limits, which both sides keep, would make three minutes of kills an hour of waiting.
CLOCK = "60"
#: Short, so that a killed agent's task is leased again within the run.
LEASES = {"MIYABI_COORDINATOR_LEASE_DURATION": "PT4S", "MIYABI_COORDINATOR_HEARTBEAT_INTERVAL": "PT1S"}
#: Pause before a killed process is started again, in seconds.
RESTART_DELAY = 0.2
#: The token that the simulated GitHub asks for; a made-up word, since nothing real is behind it.
TOKEN = "chaos"
_HERE = Path(__file__).resolve().parent
_VALKEY = "valkey"


@dataclass
class ChaosSystem:
    """The running processes by name; those that end are started again until `ending` is set."""

    folder: Path
    valkey: EmbeddedValkey
    relays: dict[str, Relay] = field(default_factory=dict)
    children: dict[str, ChildProcess] = field(default_factory=dict)
    kills: Counter[str] = field(default_factory=Counter)
    unplanned: list[str] = field(default_factory=list)
    github: str = ""
    ending: bool = False
    _killed: set[int] = field(default_factory=set)

    @property
    def victims(self) -> list[str]:
        """Names of all that may be killed."""
        return [name for name in self.children if name != "github"] + [_VALKEY]

    def coordinators(self, first: int) -> str:
        """Return a gRPC name of all replicas, behind their relays, beginning with one of them."""
        turned = [(first + step) % COORDINATORS for step in range(COORDINATORS)]
        return "ipv4:" + ",".join(f"127.0.0.1:{self.relays[f'coordinator-{index}'].port}" for index in turned)

    async def kill(self, name: str) -> None:
        """Kill a process by its id; one that is being started again is left alone."""
        kind = name.rstrip("-0123456789")
        self.kills[kind] += 1
        if name == _VALKEY:
            await self.valkey.kill()
            await self.valkey.start()
            return
        if self.children[name].running:
            self._killed.add(self.children[name].pid)
            self.children[name].process.kill()
        else:
            self.kills[f"{kind} (was down)"] += 1

    async def launch(self, name: str, command: Sequence[str], environment: dict[str, str], announces: bool) -> None:
        """Start a process for the first time."""
        inherited = {key: value for key, value in os.environ.items() if not key.startswith("MIYABI_")}
        spec = ProcessSpec(
            name, [sys.executable, *command], {**inherited, **environment}, self.folder / f"{name}.log", announces
        )
        self.children[name] = await start(spec)

    async def keep_running(self, name: str) -> None:
        """Start a process again whenever it ends; one that we did not kill is noted."""
        while True:
            child = self.children[name]
            code = await child.process.wait()
            if self.ending:
                return
            if child.pid not in self._killed:
                self.unplanned.append(f"{name} ended by itself with {code}: {child.log_tail()}")
            await asyncio.sleep(RESTART_DELAY)
            self.children[name] = await start(child.spec)


@asynccontextmanager
async def chaos_system(folder: Path, *, issues: int) -> AsyncIterator[ChaosSystem]:
    """Start everything below *folder*; nothing is left running afterwards."""
    async with AsyncExitStack() as stack:
        valkey = EmbeddedValkey(folder / "valkey", appendfsync="always")
        await valkey.start()
        stack.push_async_callback(valkey.stop)
        system = ChaosSystem(folder, valkey)
        stack.push_async_callback(_stop, system)
        await _start_github(system, issues)
        replicas = [f"coordinator-{i}" for i in range(COORDINATORS)] + [f"dashboard-{i}" for i in range(DASHBOARDS)]
        ports = {name: free_port() for name in ("gateway", *replicas)}
        targets = {**ports, _VALKEY: valkey.port, "github": int(system.github.rpartition(":")[2])}
        for name, port in targets.items():
            system.relays[name] = await stack.enter_async_context(Relay(name, port))
        await _start_services(system, ports)
        await _wait_ready(system, ports)
        async with asyncio.TaskGroup() as group:
            for name in system.children:
                group.create_task(system.keep_running(name))
            try:
                yield system
            finally:
                system.ending = True
                await _stop(system)


async def _start_github(system: ChaosSystem, issues: int) -> None:
    """Start the simulated GitHub with its issues, and push the branch of each one's pull request."""
    source = system.folder / "source"
    source.mkdir(parents=True)
    (source / "README.md").write_text("chaos\n")
    owner, name = script.REPOSITORY.split("/")
    header = {"owner": owner, "name": name, "default_branch": "main", "private": False, "source": "source"}
    numbers = range(1, issues + 1)
    seeded = [
        {"repository": script.REPOSITORY, "number": number, "title": f"Issue {number}", "body": "Text.", "labels": [],
         "author": "someone"}
        for number in numbers
    ]  # fmt: skip
    seed = system.folder / "seed.json"
    seed.write_text(json.dumps({"repositories": [{**header, "labels": []}], "issues": seeded}))
    command = (
        "-m", "miyabi_sim.github", "--data", str(system.folder / "github"), "--seed", str(seed),
        "--time-scale", CLOCK,
    )  # fmt: skip
    await system.launch("github", command, {"MIYABI_SIM_GITHUB_TOKEN": TOKEN}, announces=True)
    system.github = system.children["github"].announcement["url"]
    await asyncio.to_thread(_push_branches, system, list(numbers))


def _push_branches(system: ChaosSystem, numbers: list[int]) -> None:
    """Push one commit under the name of every issue's branch."""
    clone = system.folder / "clone"
    url = system.github.replace("//", f"//x:{TOKEN}@") + f"/{script.REPOSITORY}.git"
    _git("clone", "--quiet", url, str(clone))
    (clone / "README.md").write_text("mended\n")
    identity = ("-c", "user.name=chaos", "-c", "user.email=chaos@example.test")
    _git("-C", str(clone), *identity, "commit", "--quiet", "--all", "--message", "Mend")
    _git("-C", str(clone), "push", "--quiet", "origin", *(f"HEAD:refs/heads/{script.branch_of(n)}" for n in numbers))


def _git(*arguments: str) -> None:
    environment = {"PATH": os.environ["PATH"], "HOME": "/nonexistent", "GIT_TERMINAL_PROMPT": "0"}
    subprocess.run(["git", *arguments], check=True, env=environment)


async def _start_services(system: ChaosSystem, ports: dict[str, int]) -> None:
    """Start gateway, coordinators and agents; each reaches the others through relays only."""
    relays = {name: relay.port for name, relay in system.relays.items()}
    redis = {"MIYABI_REDIS_URL": f"redis://127.0.0.1:{relays[_VALKEY]}/0"}
    github = f"http://127.0.0.1:{relays['github']}"
    gateway = {
        "ADDRESS": f"127.0.0.1:{ports['gateway']}", "HTTP_ADDRESS": f"127.0.0.1:{free_port()}", "API_URL": github,
        "GRAPHQL_URL": f"{github}/graphql", "GIT_URL": github, "TOKEN": TOKEN, "SIMULATED": "true",
        "TIME_SCALE": CLOCK,
    }  # fmt: skip
    settings = {**SIMULATED_GATEWAY, **{f"MIYABI_GITHUB_GATEWAY_{key}": value for key, value in gateway.items()}}
    await system.launch("gateway", ("-m", "miyabi_github_gateway"), {**redis, **settings}, announces=False)
    for index in range(COORDINATORS):
        name = f"coordinator-{index}"
        settings = {
            "MIYABI_COORDINATOR_ADDRESS": f"127.0.0.1:{ports[name]}",
            "MIYABI_COORDINATOR_GATEWAY": f"127.0.0.1:{relays['gateway']}",
        }
        await system.launch(name, ("-m", "miyabi_coordinator"), {**redis, **LEASES, **settings}, announces=False)
    for index in range(DASHBOARDS):
        name = f"dashboard-{index}"
        settings = {
            "MIYABI_DASHBOARD_ADDRESS": f"127.0.0.1:{ports[name]}",
            "MIYABI_DASHBOARD_HTTP_ADDRESS": f"127.0.0.1:{free_port()}",
            "MIYABI_DASHBOARD_COORDINATOR": system.coordinators(index),
            "MIYABI_DASHBOARD_GATEWAY": f"127.0.0.1:{relays['gateway']}",
        }
        await system.launch(name, ("-m", "miyabi_dashboard"), {**redis, **settings}, announces=False)
    for index in range(AGENTS):
        name = f"agent-{index}"
        targets = ("--coordinators", system.coordinators(index), "--gateway", f"127.0.0.1:{relays['gateway']}")
        await system.launch(
            name, (str(_HERE / "synthetic_agent.py"), "--agent-id", name, *targets), {}, announces=False
        )


async def _wait_ready(system: ChaosSystem, ports: dict[str, int]) -> None:
    """Wait until every service serves and every agent is attached."""
    for name, port in ports.items():
        await wait_ready(system.children[name], port)
    async with open_channel(system.coordinators(0), service="miyabi.coordinator.v1.CoordinatorService") as channel:
        stub: Any = CoordinatorServiceStub(channel)
        while len((await stub.ListAgents(pb.ListAgentsRequest())).agents) < AGENTS:
            await asyncio.sleep(0.1)


async def _stop(system: ChaosSystem) -> None:
    """Kill what still runs, agents first; state that matters is on disk."""
    system.ending = True
    for child in reversed(system.children.values()):
        if child.running:
            child.process.kill()
            await child.process.wait()
