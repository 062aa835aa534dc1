"""Row 3: reading issues, beside githubkit's REST calls one by one and ten at a time; then from each cache."""

from __future__ import annotations

import asyncio
import gc
import os
import secrets
import statistics
import tempfile
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import redis.asyncio
from githubkit import GitHub
from pydantic import SecretStr

from benchmarks.github.simulated_github import GitHubProcess, github_process, write_seed
from benchmarks.measuring.measures import CpuMeter
from benchmarks.measuring.report import Options, Row
from miyabi.github_gateway.v1 import github_gateway_service_pb2 as pb
from miyabi.github_gateway.v1.github_gateway_service_pb2_grpc import GitHubGatewayServiceStub
from miyabi_core.channel import open_channel
from miyabi_core.store.valkey import EmbeddedValkey
from miyabi_github_gateway.app import SERVICE, Gateway, running
from miyabi_github_gateway.models import IssueField, Kind, Read, Shape
from miyabi_github_gateway.settings import GatewaySettings

#: Where everything is.
REPOSITORY = "acme/bench"
#: Issues of the repository.
ISSUES = 1000
#: Seconds that GitHub takes for a request, and for each aliased issue of a query.
LATENCY, PER_ISSUE = 0.1, 0.004
#: Parallel REST has this many requests in flight.
IN_FLIGHT = 10
#: Sequential REST is measured on this many issues and reckoned up: all 1,000 would take 100 s.
SEQUENTIAL = 50
#: Each of ours is the median of at least this many, each with empty caches (or only the one in question warm).
REPEATS = 5
#: Single reads from the process's own cache.
LOCAL_READS = 20_000
#: What is read of each issue.
FIELDS = [pb.ISSUE_FIELD_BODY, pb.ISSUE_FIELD_LABELS]


@dataclass(frozen=True)
class Cold:
    """A read from empty caches."""

    seconds: float
    requests: int  #: at GitHub
    cpu: Mapping[str, float]  #: seconds of the processor, by process


async def rows(options: Options) -> AsyncIterator[Row]:
    """Measure the row."""
    repeats = max(options.repeats, REPEATS)
    # This process holds the modules of both sides, more than any gateway does: the collector leaves them alone.
    gc.collect()
    gc.freeze()
    token = f"ghp_{secrets.token_hex(18)}"
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        seed = write_seed(root, repository=REPOSITORY, issues=ISSUES)
        async with (
            EmbeddedValkey(root / "valkey", appendfsync="no") as valkey,
            github_process(root / "github", seed, token=token) as github,
        ):
            await github.turn(latency=LATENCY, latency_per_issue=PER_ISSUE)
            yield await _fetching(github, valkey, repeats)
            await github.turn(latency=0.0, latency_per_issue=0.0)
            for row in await _caches(github, valkey, repeats):
                yield row


async def _fetching(github: GitHubProcess, valkey: EmbeddedValkey, repeats: int) -> Row:
    """Measure cold reads beside REST."""
    few = await _cold(github, valkey, 10)
    runs = [await _cold(github, valkey, ISSUES) for _ in range(repeats)]
    many, many_requests = statistics.median(run.seconds for run in runs), max(run.requests for run in runs)
    sequential = await _rest(github, SEQUENTIAL, in_flight=1) * ISSUES / SEQUENTIAL
    parallel = await _rest(github, ISSUES, in_flight=IN_FLIGHT)
    goal = "10 issues = 1 request, 1,000 <= 41; >= 100 times sequential and >= 10 times parallel REST (githubkit)"
    passed = few.requests == 1 and many_requests <= 41 and sequential / many >= 100 and parallel / many >= 10
    ours = {
        "seconds_10": few.seconds,
        "requests_10": few.requests,
        "seconds_1000": many,
        "seconds_1000_worst": max(run.seconds for run in runs),
        "requests_1000": many_requests,
        **{f"cpu_1000_{name}": statistics.median(run.cpu[name] for run in runs) for name in runs[0].cpu},
    }
    baseline = {
        "sequential_rest_seconds": sequential,
        "parallel_rest_seconds": parallel,
        "times_parallel": parallel / many,
    }
    return Row("3", _rounded(ours), _rounded(baseline), sequential / many, goal, passed, ISSUES)


def _rounded(values: dict[str, float]) -> dict[str, float]:
    """Round for people."""
    return {name: round(value, 4) for name, value in values.items()}


@asynccontextmanager
async def _gateway(github: GitHubProcess, valkey: EmbeddedValkey) -> AsyncIterator[Gateway]:
    """Run a gateway that warms nothing up."""
    settings = GatewaySettings(
        address="127.0.0.1:0", http_address="127.0.0.1:0", api_url=github.url, graphql_url=f"{github.url}/graphql",
        git_url=github.url, token=SecretStr(github.token), simulated=True, warm_seconds=0.0,
        redis_url=SecretStr(valkey.url), mirror_bytes=0,
    )  # fmt: skip
    async with running(settings) as gateway:
        yield gateway


async def _read(gateway: Gateway, count: int) -> float:
    """Read issues through gRPC; returns seconds."""
    async with open_channel(f"127.0.0.1:{gateway.grpc.port}", service=SERVICE) as channel:
        await channel.channel_ready()
        stub = GitHubGatewayServiceStub(channel)
        request = pb.BatchGetIssuesRequest(repository=REPOSITORY, numbers=range(1, count + 1), fields=FIELDS)
        began = time.perf_counter()
        found = {entry.number async for answer in stub.BatchGetIssues(request) for entry in answer.entries}
        seconds = time.perf_counter() - began
    assert len(found) == count, "an issue is missing"
    return seconds


async def _cold(github: GitHubProcess, valkey: EmbeddedValkey, count: int) -> Cold:
    """Read issues through a gateway that has just started, caches empty."""
    async with redis.asyncio.Redis.from_url(valkey.url) as client:
        await client.flushall()
    before = len(await github.requests())
    async with _gateway(github, valkey) as gateway:
        meter = CpuMeter({"gateway_and_client": os.getpid(), "simulated_github": github.pid})
        seconds = await _read(gateway, count)
        cpu = meter.used()
    return Cold(seconds, len(await github.requests()) - before, cpu)


async def _rest(github: GitHubProcess, count: int, *, in_flight: int) -> float:
    """Read issues one a request, with githubkit as it comes but for its cache; returns seconds."""
    slots = asyncio.Semaphore(in_flight)
    owner, _, name = REPOSITORY.partition("/")
    async with GitHub(github.token, base_url=github.url, http_cache=False, timeout=30) as client:

        async def read(number: int) -> None:
            async with slots:
                answer = await client.rest.issues.async_get(owner, name, number)
                assert answer.json()["number"] == number

        await read(1)  # its models are imported by the first call
        began = time.perf_counter()
        async with asyncio.TaskGroup() as tasks:
            for number in range(1, count + 1):
                tasks.create_task(read(number))
        return time.perf_counter() - began


async def _caches(github: GitHubProcess, valkey: EmbeddedValkey, repeats: int) -> list[Row]:
    """Measure warm reads: from the shared cache through gRPC, from the process's own in process."""
    seconds = []
    requests = len(await github.requests())
    for _ in range(repeats):
        async with _gateway(github, valkey) as gateway:
            seconds.append(await _read(gateway, ISSUES))
    requests = len(await github.requests()) - requests
    async with _gateway(github, valkey) as gateway:
        await _read(gateway, ISSUES)
        local = await _from_memory(gateway)
    shared = ISSUES / statistics.median(seconds)
    return [
        Row(
            "3", _rounded({"issues_per_second": shared, "requests_to_github": requests}), {}, shared,
            "from the shared cache through gRPC >= 2,000 issues/s by BatchGetIssues",
            shared >= 2000 and requests == 0, ISSUES,
        ),
        Row(
            "3", _rounded({"reads_per_second": local}), {}, local,
            "from the process's own cache >= 10,000 single reads/s in process", local >= 10_000, LOCAL_READS,
        ),
    ]  # fmt: skip


async def _from_memory(gateway: Gateway) -> float:
    """Read one issue after another; returns reads a second."""
    shape = Shape(Kind.ISSUE, frozenset({IssueField.BODY, IssueField.LABELS}))
    began = time.perf_counter()
    for place in range(LOCAL_READS):
        answer = await gateway.reading.reads.one(Read(REPOSITORY, shape, place % ISSUES + 1))
        assert answer.age is not None
        assert answer.age < timedelta(minutes=5)
    return LOCAL_READS / (time.perf_counter() - began)
