"""Row 3: reading issues, beside sequential and parallel REST on the same simulated GitHub."""

from __future__ import annotations

import asyncio
import json
import secrets
import tempfile
import time
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
from pydantic import SecretStr

from benchmarks.report import Row
from miyabi.github_gateway.v1 import github_gateway_service_pb2 as pb
from miyabi.github_gateway.v1.github_gateway_service_pb2_grpc import GitHubGatewayServiceStub
from miyabi_core.channel import open_channel
from miyabi_github_gateway.app import SERVICE, running
from miyabi_github_gateway.settings import GatewaySettings
from miyabi_sim.github import Dials, SimulatedGitHub

#: Issues of the repository.
ISSUES = 1000
#: Seconds that GitHub takes for a request, and for each aliased issue of a query.
LATENCY, PER_ISSUE = 0.1, 0.004
#: Parallel REST has this many requests in flight.
IN_FLIGHT = 10
#: Sequential REST is measured on this many issues and reckoned up: all 1,000 would take 100 s.
SEQUENTIAL = 50
#: Sent so that the simulator can be told from strangers.
TOKEN = f"ghp_{secrets.token_hex(18)}"


async def rows() -> AsyncIterator[Row]:
    """Measure the row."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        dials = Dials(latency=LATENCY, latency_per_issue=PER_ISSUE)
        async with SimulatedGitHub(root / "github", dials=dials, token=TOKEN) as github:
            github.load_seed(_seed(root))
            few, few_requests = await _ours(github, 10)
            many, many_requests = await _ours(github, ISSUES)
            sequential = await _rest(github, SEQUENTIAL, in_flight=1) * ISSUES / SEQUENTIAL
            parallel = await _rest(github, ISSUES, in_flight=IN_FLIGHT)
    goal = "10 issues = 1 request, 1,000 <= 41 requests; >= 100 times sequential REST, >= 10 times parallel REST"
    passed = few_requests == 1 and many_requests <= 41 and sequential / many >= 100 and parallel / many >= 10
    ours = {"seconds_10": few, "requests_10": few_requests, "seconds_1000": many, "requests_1000": many_requests}
    baseline = {"sequential_rest_seconds": sequential, "parallel_rest_seconds": parallel}
    yield Row("3", _rounded(ours), _rounded(baseline), sequential / many, goal, passed, ISSUES)


def _rounded(values: dict[str, float]) -> dict[str, float]:
    """Round for people."""
    return {name: round(value, 4) for name, value in values.items()}


def _seed(root: Path) -> Path:
    """Write a repository with many issues."""
    (root / "source").mkdir()
    (root / "source/README.md").write_text("bench\n")
    repository = {
        "owner": "acme",
        "name": "bench",
        "default_branch": "main",
        "private": False,
        "source": "source",
        "labels": [],
    }
    issues = [
        {
            "repository": "acme/bench",
            "number": number,
            "title": f"Issue {number}",
            "body": "Text.",
            "labels": [],
            "author": "a",
        }
        for number in range(1, ISSUES + 1)
    ]
    path = root / "seed.json"
    path.write_text(json.dumps({"repositories": [{**repository, "labels": []}], "issues": issues}))
    return path


async def _ours(github: SimulatedGitHub, count: int) -> tuple[float, int]:
    """Read issues through a gateway that has just started; returns seconds and requests at GitHub."""
    settings = GatewaySettings(
        address="127.0.0.1:0", http_address="127.0.0.1:0", api_url=github.url, graphql_url=f"{github.url}/graphql",
        git_url=github.url, token=SecretStr(TOKEN), simulated=True,
    )  # fmt: skip
    before = len(github.requests)
    async with running(settings) as gateway, open_channel(f"127.0.0.1:{gateway.grpc.port}", service=SERVICE) as channel:
        stub = GitHubGatewayServiceStub(channel)
        request = pb.BatchGetIssuesRequest(
            repository="acme/bench", numbers=range(1, count + 1), fields=[pb.ISSUE_FIELD_BODY, pb.ISSUE_FIELD_LABELS]
        )
        began = time.perf_counter()
        found = {entry.number async for answer in stub.BatchGetIssues(request) for entry in answer.entries}
        seconds = time.perf_counter() - began
    assert len(found) == count, "an issue is missing"
    return seconds, len(github.requests) - before


async def _rest(github: SimulatedGitHub, count: int, *, in_flight: int) -> float:
    """Read issues one a request; returns seconds."""
    slots = asyncio.Semaphore(in_flight)
    headers = {"authorization": f"Bearer {TOKEN}", "user-agent": "benchmark"}
    async with httpx.AsyncClient(headers=headers, timeout=30) as http:

        async def read(number: int) -> None:
            async with slots:
                answer = await http.get(f"{github.url}/repos/acme/bench/issues/{number}")
                answer.raise_for_status()

        began = time.perf_counter()
        async with asyncio.TaskGroup() as tasks:
            for number in range(1, count + 1):
                tasks.create_task(read(number))
        return time.perf_counter() - began
