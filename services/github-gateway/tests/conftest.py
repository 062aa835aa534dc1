"""The gateway that tests call."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
import redis.asyncio
from reading_issues import two_gateways
from running_gateway import Running, gateway_before, simulated

from miyabi_core.store.valkey import EmbeddedValkey


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def valkey(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[EmbeddedValkey]:
    """A real state store for the whole run."""
    async with EmbeddedValkey(tmp_path_factory.mktemp("valkey"), appendfsync="no") as server:
        yield server


@pytest_asyncio.fixture
async def redis_url(valkey: EmbeddedValkey) -> str:
    """Address of the state store, which is empty."""
    async with redis.asyncio.Redis.from_url(valkey.url) as client:
        await client.flushall()
    return valkey.url


@pytest_asyncio.fixture
async def running_gateway(tmp_path: Path, redis_url: str) -> AsyncIterator[Running]:
    """A gateway that has just started."""
    async with simulated(tmp_path) as (github, token), gateway_before(github, token, redis_url) as gateway:
        yield gateway


@pytest_asyncio.fixture
async def replicas(tmp_path: Path, redis_url: str) -> AsyncIterator[tuple[Running, Running]]:
    """Two replicas that have just started."""
    async with two_gateways(tmp_path, redis_url) as both:
        yield both
