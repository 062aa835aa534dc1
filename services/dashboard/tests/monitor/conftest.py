"""A store, a coordinator with logs, and what the monitor makes of them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest_asyncio
import redis.asyncio
from logged_coordinator import LoggedCoordinator

from miyabi.coordinator.v1.coordinator_service_pb2_grpc import add_CoordinatorServiceServicer_to_server
from miyabi_core.store.redis import connect
from miyabi_core.store.valkey import EmbeddedValkey
from miyabi_core.testing import running_server
from miyabi_dashboard.gateway import GatewayClient
from miyabi_dashboard.monitor.reporting import Reports
from miyabi_dashboard.monitor.storing import MeasurementStore
from miyabi_dashboard.upstream import Upstream


@dataclass
class Surroundings:
    """What the monitor stands between."""

    client: redis.asyncio.Redis
    coordinator: LoggedCoordinator
    upstream: Upstream
    gateway: GatewayClient
    target: str

    def reports(self, now: float) -> Reports:
        """Return what answers, at a moment."""
        return Reports(self.upstream, self.gateway.stub, MeasurementStore(self.client), clock=lambda: now)


@pytest_asyncio.fixture
async def around(tmp_path: Path) -> AsyncIterator[Surroundings]:
    """A store and a coordinator; the gateway is out of reach."""
    coordinator = LoggedCoordinator()  # type: ignore[abstract]
    service = "miyabi.coordinator.v1.CoordinatorService"
    registration = (add_CoordinatorServiceServicer_to_server, coordinator, service)
    async with EmbeddedValkey(tmp_path, appendfsync="no") as valkey, running_server(registration) as target:
        client = connect(valkey.url, max_connections=8)
        upstream, gateway = Upstream(target), GatewayClient("127.0.0.1:1")
        yield Surroundings(client, coordinator, upstream, gateway, target)
        await upstream.close()
        await gateway.close()
        await client.aclose()
