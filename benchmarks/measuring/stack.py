"""The processes of a benchmark: a Valkey, a gateway from memory, real coordinators, agents with the real client."""

from __future__ import annotations

import os
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from miyabi.coordinator.v1 import coordinator_service_pb2 as pb
from miyabi.coordinator.v1.coordinator_service_pb2_grpc import CoordinatorServiceStub
from miyabi_cli.stack.local import wait_ready
from miyabi_cli.stack.processes import ChildProcess, ProcessSpec, start
from miyabi_core.channel import open_channel
from miyabi_core.free_ports import free_port
from miyabi_core.store.valkey import EmbeddedValkey

#: Full name of the service that operators call.
COORDINATOR = "miyabi.coordinator.v1.CoordinatorService"
#: Longest lease of a benchmark: no heartbeat of a busy machine is missed.
_LEASE = {"MIYABI_COORDINATOR_LEASE_DURATION": "PT60S"}


@dataclass
class BenchStack:
    """What runs; children are stopped in reverse order at the end."""

    folder: Path
    valkey: EmbeddedValkey
    children: list[ChildProcess] = field(default_factory=list)
    gateway: str = ""

    async def launch(self, name: str, *arguments: str, environment: Mapping[str, str] | None = None) -> ChildProcess:
        """Start a module that prints one JSON line when it is there."""
        spec = self._spec(name, arguments, environment or {}, announces=True)
        child = await start(spec)
        self.children.append(child)
        return child

    async def coordinator(self) -> tuple[str, ChildProcess]:
        """Start a coordinator as a person would; returns its target."""
        port = free_port()
        environment = {
            **_LEASE,
            "MIYABI_COORDINATOR_ADDRESS": f"127.0.0.1:{port}",
            "MIYABI_COORDINATOR_GATEWAY": self.gateway,
            "MIYABI_REDIS_URL": self.valkey.url,
        }
        name = f"coordinator-{len(self.children)}"
        child = await start(self._spec(name, ("miyabi_coordinator",), environment, announces=False))
        self.children.append(child)
        await wait_ready(child, port)
        return f"127.0.0.1:{port}", child

    async def dashboard(self, target: str) -> tuple[str, ChildProcess]:
        """Start a dashboard as a person would; returns the page's address."""
        port, page = free_port(), free_port()
        environment = {
            "MIYABI_DASHBOARD_ADDRESS": f"127.0.0.1:{port}",
            "MIYABI_DASHBOARD_HTTP_ADDRESS": f"127.0.0.1:{page}",
            "MIYABI_DASHBOARD_COORDINATOR": target,
            "MIYABI_DASHBOARD_GATEWAY": self.gateway,
            "MIYABI_REDIS_URL": self.valkey.url,
        }
        name = f"dashboard-{len(self.children)}"
        child = await start(self._spec(name, ("miyabi_dashboard",), environment, announces=False))
        self.children.append(child)
        await wait_ready(child, port)
        return f"http://127.0.0.1:{page}", child

    async def agent(self, target: str, *, slots: int, seconds: float = 0.0) -> ChildProcess:
        """Start an agent and wait until the coordinator knows it."""
        agent_id = f"agent-{len(self.children)}"
        arguments = ("--coordinator", target, "--slots", str(slots), "--seconds", str(seconds), "--agent-id", agent_id)
        child = await self.launch(agent_id, "benchmarks.stand_ins.agent", *arguments)
        async with open_channel(target, service=COORDINATOR) as channel:
            stub: Any = CoordinatorServiceStub(channel)
            known: set[str] = set()
            while f"agents/{agent_id}" not in known:
                answer = await stub.ListAgents(pb.ListAgentsRequest(page_size=100))
                known = {agent.name for agent in answer.agents}
        return child

    async def real_agent(self, target: str, *, model: str, slots: int) -> ChildProcess:
        """Start an agent as a person would, whose model is at a URL; it takes what there is when it is there."""
        agent_id = f"agent-{len(self.children)}"
        environment = {
            "MIYABI_AGENTS_COORDINATOR": target,
            "MIYABI_AGENTS_GATEWAY": self.gateway,
            "MIYABI_AGENTS_AGENT_ID": agent_id,
            "MIYABI_AGENTS_SLOTS": str(slots),
            "MIYABI_AGENTS_SLOTS_MIN": str(slots),
            "MIYABI_AGENTS_DATA_DIR": str(self.folder / agent_id),
            "MIYABI_AGENTS_UNSAFE_SANDBOX": "true",
            "ANTHROPIC_API_KEY": "benchmark",
            "ANTHROPIC_BASE_URL": model,
        }
        child = await start(self._spec(agent_id, ("miyabi_agents",), environment, announces=False))
        self.children.append(child)
        return child

    async def stop(self, child: ChildProcess) -> None:
        """Stop a child before the end."""
        await child.stop()
        self.children.remove(child)

    def _spec(
        self, name: str, command: Sequence[str], environment: Mapping[str, str], *, announces: bool
    ) -> ProcessSpec:
        inherited = {key: value for key, value in os.environ.items() if not key.startswith("MIYABI_")}
        python = [sys.executable, "-m", *command]
        return ProcessSpec(name, python, {**inherited, **environment}, self.folder / f"{name}.log", announces)


@asynccontextmanager
async def bench_stack(folder: Path, *, issues: int, large: bool = False) -> AsyncIterator[BenchStack]:
    """Run a Valkey (append-only file, fsync every second) and a gateway for the length of the block."""
    async with EmbeddedValkey(folder / "valkey") as valkey:
        stack = BenchStack(folder, valkey)
        try:
            arguments = ("--issues", str(issues), *(("--large",) if large else ()))
            gateway = await stack.launch("gateway", "benchmarks.stand_ins.gateway", *arguments)
            stack.gateway = gateway.announcement["target"]
            yield stack
        finally:
            for child in reversed(stack.children):
                await child.stop()
