"""A Valkey for the whole run, an empty database and a gateway for each test."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from datetime import timedelta

import grpc
import pytest
import pytest_asyncio
import redis.asyncio

from miyabi.coordinator.v1 import coordinator_service_pb2_grpc
from miyabi.github_gateway.v1 import github_gateway_service_pb2_grpc as gateway_grpc
from miyabi_coordinator.app import running
from miyabi_coordinator.settings import CoordinatorSettings
from miyabi_coordinator.testing import MemoryGateway, ScriptedAgent
from miyabi_core.store.valkey import EmbeddedValkey
from miyabi_core.testing import running_server


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def valkey(tmp_path_factory):
    """A real server."""
    async with EmbeddedValkey(tmp_path_factory.mktemp("valkey"), appendfsync="no") as server:
        yield server


class Stack:
    """A coordinator's surroundings: starts any number of coordinators on one store."""

    def __init__(self, redis_url, gateway_address, gateway=None):
        self.redis_url = redis_url
        self.gateway_address = gateway_address
        self.gateway = gateway

    @asynccontextmanager
    async def serving(self, **fields):
        """Serve; yields host:port."""
        fields = {"redis_url": self.redis_url, **fields}
        settings = CoordinatorSettings(address="127.0.0.1:0", gateway=self.gateway_address, **fields)
        async with running(settings) as port:
            yield f"127.0.0.1:{port}"

    @asynccontextmanager
    async def coordinator(self, *, lease=timedelta(seconds=15), **fields):
        """Serve; yields a channel."""
        serving = self.serving(lease_duration=lease, **fields)
        async with serving as target, grpc.aio.insecure_channel(target) as channel:
            yield channel

    @asynccontextmanager
    async def agent(self, channel, **options):
        """Attach a scripted agent."""
        agent = ScriptedAgent(channel, **options)
        task = asyncio.create_task(agent.run())
        async with asyncio.timeout(10):
            await agent.attached.wait()
        try:
            yield agent
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


@pytest_asyncio.fixture(loop_scope="session")
async def stack(valkey):
    """An empty store and a gateway."""
    async with redis.asyncio.Redis.from_url(valkey.url) as client:
        await client.flushall()
    bodies = dict.fromkeys(range(1, 21), "")
    bodies |= {30: "Depends on #31", 31: "Blocked by: #30", 32: "depends on #32 and #1", 33: "Depends on #2"}
    service = "miyabi.github_gateway.v1.GitHubGatewayService"
    gateway = MemoryGateway(bodies)
    registration = (gateway_grpc.add_GitHubGatewayServiceServicer_to_server, gateway, service)
    async with running_server(registration) as address:
        yield Stack(valkey.url, address, gateway)


@pytest.fixture
def operators():
    """Makes an operator's stub of a channel."""
    return coordinator_service_pb2_grpc.CoordinatorServiceStub


@pytest_asyncio.fixture(loop_scope="session")
async def durable(stack, tmp_path):
    """A server of the test's own that loses nothing in a crash; the stack uses it."""
    async with EmbeddedValkey(tmp_path / "store", appendfsync="always") as server:
        stack.redis_url = server.url
        yield server
