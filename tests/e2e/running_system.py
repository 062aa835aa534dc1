"""The whole system as real processes, for the length of a block."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from toy_repository import Toy, make_toy

from miyabi.coordinator.v1.coordinator_service_pb2_grpc import CoordinatorServiceStub
from miyabi_cli.client import CoordinatorClient
from miyabi_cli.settings import CliSettings
from miyabi_cli.stack.local import LocalStack, StackOptions, local_stack
from miyabi_cli.stack.ports import any_ports
from miyabi_core.access.secret_file import SecretFile
from miyabi_core.access.security import ClientSecurity
from miyabi_core.channel import open_channel


@dataclass
class System:
    """The running stack with what tests ask of it."""

    stack: LocalStack
    client: CoordinatorClient
    toy: Toy

    @property
    def stub(self) -> Any:
        """The coordinator's stub."""
        return self.client.stub

    @property
    def target(self) -> str:
        """host:port of the coordinator."""
        return self.stack.coordinator_target

    async def github_state(self) -> dict[str, Any]:
        """Return what the simulated GitHub holds."""
        return await self._github("state")

    async def github_requests(self) -> list[dict[str, Any]]:
        """Return the requests that the simulated GitHub saw."""
        found: list[dict[str, Any]] = await self._github("requests")
        return found

    async def _github(self, what: str) -> Any:
        async with httpx.AsyncClient() as http:
            answer = await http.get(f"http://127.0.0.1:{self.stack.options.ports.github}/_sim/{what}")
            answer.raise_for_status()
            return answer.json()


@asynccontextmanager
async def running_system(
    folder: Path,
    *,
    agents: int = 1,
    settings: dict[str, str] | None = None,
    identity: bool = False,
    toy: Toy | None = None,
) -> AsyncIterator[System]:
    """Start everything below *folder* on free ports, with the toy repository by default; nothing is left running afterwards."""
    toy = toy or make_toy(folder / "toy")
    options = StackOptions(
        any_ports(), folder / "data", scenarios=toy.scenarios, seed=toy.seed, simulate=True, agents=agents,
        identity=identity,
    )  # fmt: skip
    inherited = {**os.environ, **(settings or {})}
    async with local_stack(CliSettings(), options, inherited=inherited, announce=lambda _: None) as stack:
        file = options.identities.token_file("operator")
        security = ClientSecurity(token=SecretFile(file).read if identity else None)
        channel = open_channel(
            stack.coordinator_target, service="miyabi.coordinator.v1.CoordinatorService", security=security
        )
        async with channel:
            client = CoordinatorClient(channel)
            assert CoordinatorServiceStub is not None
            yield System(stack, client, toy)
