"""The gateway that tests call."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
import redis.asyncio
from pydantic import SecretStr
from running_gateway import Running, seed

from miyabi.github_gateway.v1.github_gateway_service_pb2_grpc import GitHubGatewayServiceStub
from miyabi_core.channel import open_channel
from miyabi_core.valkey import EmbeddedValkey
from miyabi_github_gateway.app import SERVICE, running
from miyabi_github_gateway.settings import GatewaySettings
from miyabi_sim.github import SimulatedGitHub


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
    token = f"ghp_{secrets.token_hex(18)}"
    async with SimulatedGitHub(tmp_path / "github", token=token) as github:
        github.load_seed(seed(tmp_path / "seed"))
        settings = GatewaySettings(
            address="127.0.0.1:0", http_address="127.0.0.1:0", api_url=github.url, graphql_url=f"{github.url}/graphql",
            git_url=github.url, token=SecretStr(token), simulated=True, pacing_scale=0.0,
            redis_url=SecretStr(redis_url), webhook_secret=SecretStr(secrets.token_hex(8)),
        )  # fmt: skip
        async with (
            running(settings) as gateway,
            open_channel(f"127.0.0.1:{gateway.grpc.port}", service=SERVICE) as channel,
        ):
            yield Running(gateway, github, GitHubGatewayServiceStub(channel), token)
