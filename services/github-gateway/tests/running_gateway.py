"""The gateway before a simulated GitHub, both real servers."""

from __future__ import annotations

import asyncio
import json
import secrets
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from pydantic import SecretStr

from miyabi.github_gateway.v1.github_gateway_service_pb2_grpc import GitHubGatewayServiceStub
from miyabi_core.channel import open_channel
from miyabi_github_gateway.app import SERVICE, Gateway, running
from miyabi_github_gateway.settings import GatewaySettings
from miyabi_sim.github import SimulatedGitHub

REPOSITORY = "acme/toy"


@dataclass
class Running:
    """The gateway, what is behind it, and a stub before it."""

    gateway: Gateway
    github: SimulatedGitHub
    stub: Any
    token: str

    @property
    def git(self) -> str:
        """Base of git over HTTP, as agents use it."""
        return f"http://127.0.0.1:{self.gateway.http_port}/git"

    def asking(self) -> asyncio.Event:
        """Return what is set when the next request goes to GitHub's API."""
        sent = asyncio.Event()

        async def hook(_: httpx.Request) -> None:
            sent.set()

        self.gateway.sender.client.event_hooks["request"].append(hook)
        return sent

    def reads(self) -> list[str]:
        """Return the operations that GitHub saw."""
        return [entry.operation for entry in self.github.requests]


@asynccontextmanager
async def simulated(folder: Path, **options: Any) -> AsyncIterator[tuple[SimulatedGitHub, str]]:
    """Run a seeded GitHub that accepts one token."""
    token = f"ghp_{secrets.token_hex(18)}"
    async with SimulatedGitHub(folder / "github", token=token, **options) as github:
        github.load_seed(seed(folder / "seed"))
        yield github, token


@asynccontextmanager
async def gateway_before(
    github: SimulatedGitHub, token: str, redis_url: str, **overrides: Any
) -> AsyncIterator[Running]:
    """Run a gateway before a GitHub; *overrides* are settings."""
    options: dict[str, Any] = {
        "address": "127.0.0.1:0", "http_address": "127.0.0.1:0", "api_url": github.url,
        "graphql_url": f"{github.url}/graphql", "git_url": github.url, "token": SecretStr(token), "simulated": True,
        "pacing_scale": 0.0, "redis_url": SecretStr(redis_url), "webhook_secret": SecretStr(secrets.token_hex(8)),
    }  # fmt: skip
    async with (
        running(GatewaySettings(**{**options, **overrides})) as gateway,
        open_channel(f"127.0.0.1:{gateway.grpc.port}", service=SERVICE) as channel,
    ):
        yield Running(gateway, github, GitHubGatewayServiceStub(channel), token)


def push_branches(gateway: Running, *names: str) -> None:
    """Push branches that are ahead of the base."""
    repository = gateway.github.store.repository("acme", "toy")
    git = [
        "git",
        "-c",
        "user.name=b",
        "-c",
        "user.email=b@b.invalid",
        "-C",
        str(gateway.github.store.git_dir(repository)),
    ]

    def run(*arguments: str) -> str:
        return subprocess.run([*git, *arguments], capture_output=True, text=True, check=True).stdout.strip()

    commit = run("commit-tree", run("rev-parse", "main^{tree}"), "-p", "main", "-m", "x")
    lines = "".join(f"create refs/heads/{name} {commit}\n" for name in names)
    subprocess.run([*git, "update-ref", "--stdin"], input=lines, text=True, check=True)


def seed(folder: Path) -> Path:
    """Write a seed with forty issues."""
    (folder / "source").mkdir(parents=True)
    (folder / "source/README.md").write_text("toy\n")
    repository = {
        "owner": "acme",
        "name": "toy",
        "default_branch": "main",
        "private": False,
        "source": "source",
        "labels": [],
    }
    issues = [
        {"repository": REPOSITORY, "number": n, "title": f"Issue {n}", "body": f"Body {n}", "labels": ["old"] if n == 1 else [], "author": "a"}
        for n in range(1, 41)
    ]  # fmt: skip
    target = folder / "seed.json"
    target.write_text(json.dumps({"repositories": [repository], "issues": issues}))
    return target
