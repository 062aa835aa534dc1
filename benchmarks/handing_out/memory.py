"""Row memory: what a thousand finished issues hold in the state store until their retention is over."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import redis.asyncio
from pydantic import SecretStr

from benchmarks.measuring.report import Row
from miyabi.common.v1.problem_pb2 import ProblemKind
from miyabi.coordinator.v1 import coordinator_service_pb2 as pb
from miyabi.coordinator.v1.coordinator_service_pb2_grpc import CoordinatorServiceStub
from miyabi.coordinator.v1.state_pb2 import Pipeline
from miyabi.github_gateway.v1.github_gateway_service_pb2_grpc import add_GitHubGatewayServiceServicer_to_server
from miyabi_coordinator.app import running
from miyabi_coordinator.settings import CoordinatorSettings
from miyabi_coordinator.shards import prefix
from miyabi_coordinator.testing import REPOSITORY, MemoryGateway, ScriptedAgent
from miyabi_core.channel import open_channel
from miyabi_core.store.valkey import EmbeddedValkey
from miyabi_core.testing import running_server

#: Issues of the batch that is measured.
ISSUES = 1000
#: The gateway's service.
GATEWAY = "miyabi.github_gateway.v1.GitHubGatewayService"
#: What the store adds to the bytes that it is given: goal for both pipelines.
GOAL = 2.0


async def rows() -> AsyncIterator[Row]:
    """Measure a batch of each pipeline on one coordinator and one agent of fifty slots."""
    gateway_type: Any = MemoryGateway  # it leaves the writes to the generated base
    servicer = gateway_type(dict.fromkeys(range(1, ISSUES + 1), ""))
    registration = (add_GitHubGatewayServiceServicer_to_server, servicer, GATEWAY)
    with tempfile.TemporaryDirectory() as folder:
        async with EmbeddedValkey(Path(folder)) as valkey, running_server(registration) as gateway:
            settings = CoordinatorSettings(
                address="127.0.0.1:0",
                gateway=gateway,
                redis_url=SecretStr(valkey.url),
                lease_duration=timedelta(minutes=1),
            )
            async with running(settings) as port:
                for pipeline in (Pipeline.PIPELINE_TRIAGE, Pipeline.PIPELINE_FIX):
                    yield await _measure(f"127.0.0.1:{port}", valkey.url, pipeline)


async def _measure(target: str, url: str, pipeline: Pipeline.ValueType) -> Row:
    """Run a batch and look at what it left."""
    connected: Any = redis.asyncio.Redis.from_url(url)
    async with connected as client:
        before = await _used(client)
        batch = await _batch(target, pipeline)
        used = await _used(client) - before
        key = f"{prefix(0)}batch:{batch.removeprefix('batches/')}"
        runs = await client.memory_usage(f"{key}:runs", samples=0) or 0
        log = await client.memory_usage(f"{key}:log", samples=0) or 0
        written = sum(len(name) + len(value) for name, value in (await client.hgetall(f"{key}:runs")).items())
        entries = await client.xrange(f"{key}:log")
        told = sum(len(value) for _, fields in entries for value in fields.values())
    ours = {
        "used_bytes_an_issue": round(used / ISSUES),
        "runs_bytes_an_issue": round(runs / ISSUES),
        "log_bytes_an_issue": round(log / ISSUES),
        "events_an_issue": round(sum(int(fields[b"n"]) for _, fields in entries) / ISSUES, 1),
        "mib_a_thousand_issues": round((runs + log) * 1000 / ISSUES / (1 << 20), 2),
    }
    baseline = {
        "run_payload_bytes_an_issue": round(written / ISSUES),
        "log_payload_bytes_an_issue": round(told / ISSUES),
    }
    ratio = (runs + log) / (written + told)
    return Row(
        "memory",
        ours,
        baseline,
        ratio,
        f"what is kept of a finished issue <= {GOAL} times its bytes",
        ratio <= GOAL,
        ISSUES,
        "fix" if pipeline == Pipeline.PIPELINE_FIX else "triage",
    )


async def _used(client: Any) -> int:
    """Return what the server has allocated, without the capped stream of all events, which belongs to no batch."""
    events = await client.memory_usage(f"{prefix(0)}events", samples=0) or 0
    used: int = (await client.info("memory"))["used_memory"] - events
    return used


async def _batch(target: str, pipeline: Pipeline.ValueType) -> str:
    """Run a batch to its end; returns its name."""
    async with open_channel(target, service="miyabi.coordinator.v1.CoordinatorService") as channel:
        agent = ScriptedAgent(channel, slots=50)
        async with asyncio.TaskGroup() as group:
            serving = group.create_task(agent.run())
            request = pb.SubmitBatchRequest(
                repository=REPOSITORY,
                issue_numbers=range(1, ISSUES + 1),
                pipeline=pipeline,
                concurrency=50,
                overrule=[ProblemKind.PROBLEM_KIND_ISSUE_IN_BATCH],
            )
            name = ""
            async for answer in CoordinatorServiceStub(channel).SubmitBatch(request):
                name = answer.events[0].batch
            serving.cancel()
    return name
