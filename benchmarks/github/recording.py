"""Records what a coordinator and its agents read of GitHub: the leases of tasks that begin by reading their issue."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from miyabi.common.v1.problem_pb2 import ProblemKind
from miyabi.common.v1.task_kind_pb2 import TaskKind
from miyabi.coordinator.v1 import coordinator_service_pb2 as pb
from miyabi.coordinator.v1.coordinator_service_pb2_grpc import CoordinatorServiceStub
from miyabi.coordinator.v1.event_pb2 import BatchEvent
from miyabi.coordinator.v1.state_pb2 import Pipeline, TaskState
from miyabi.github_gateway.v1.github_gateway_service_pb2_grpc import add_GitHubGatewayServiceServicer_to_server
from miyabi_coordinator.app import running
from miyabi_coordinator.settings import CoordinatorSettings
from miyabi_coordinator.testing import REPOSITORY, MemoryGateway, ScriptedAgent
from miyabi_core.channel import open_channel
from miyabi_core.store.valkey import EmbeddedValkey
from miyabi_core.testing import running_server

#: Issues of the batches: large ones with small ones beside them, all at once.
BATCHES = (400, 200, 100, *[10] * 30)
#: Issues in flight of a batch, and slots of the agent, which answers at once.
CONCURRENCY, SLOTS = 50, 50
#: Tasks whose agents begin by reading their issue (`read_issue` of the agents), with the same fields.
READERS = frozenset({TaskKind.TASK_KIND_TRIAGE, TaskKind.TASK_KIND_PLAN, TaskKind.TASK_KIND_IMPLEMENT})
COORDINATOR = "miyabi.coordinator.v1.CoordinatorService"
GATEWAY = "miyabi.github_gateway.v1.GitHubGatewayService"

#: When it was committed, in which batch, its place there, and what was read.
_Read = tuple[int, str, int, str]


async def recorded(folder: Path) -> Sequence[str]:
    """Return what is read while batches of fixes run through a coordinator, in the order of its commits.

    The coordinator itself reads each issue of a batch when it accepts it, with other fields, so under another key.
    """
    reads: list[_Read] = []
    async with _coordinator(folder) as channel:
        agent = ScriptedAgent(channel, slots=SLOTS)
        async with asyncio.TaskGroup() as serving:
            work = serving.create_task(agent.run())
            async with asyncio.TaskGroup() as batches:
                for place, issues in enumerate(BATCHES):
                    first = 1 + sum(BATCHES[:place])
                    batches.create_task(_batch(channel, range(first, first + issues), reads))
            work.cancel()
    return [key for _, _, _, key in sorted(reads)]


@asynccontextmanager
async def _coordinator(folder: Path) -> AsyncIterator[Any]:
    """Run a coordinator before a gateway from memory; yields a channel to it."""
    gateway_type: Any = MemoryGateway  # it leaves the writes to the generated base
    servicer = gateway_type(dict.fromkeys(range(1, sum(BATCHES) + 1), ""))
    registration = (add_GitHubGatewayServiceServicer_to_server, servicer, GATEWAY)
    async with EmbeddedValkey(folder, appendfsync="no") as valkey, running_server(registration) as gateway:
        settings = CoordinatorSettings(
            address="127.0.0.1:0", gateway=gateway, redis_url=SecretStr(valkey.url), lease_duration=timedelta(minutes=1)
        )
        async with running(settings) as port, open_channel(f"127.0.0.1:{port}", service=COORDINATOR) as channel:
            yield channel


async def _batch(channel: Any, numbers: range, reads: list[_Read]) -> None:
    """Run a batch to its end and note its reads."""
    request = pb.SubmitBatchRequest(
        repository=REPOSITORY,
        issue_numbers=numbers,
        pipeline=Pipeline.PIPELINE_FIX,
        concurrency=CONCURRENCY,
        overrule=[ProblemKind.PROBLEM_KIND_ISSUE_IN_BATCH],
    )
    async for answer in CoordinatorServiceStub(channel).SubmitBatch(request):
        for event in answer.events:
            moment = (event.time.ToMicroseconds(), event.batch, event.sequence)
            reads += [(*moment, key) for key in _read_by(event, numbers)]


def _read_by(event: BatchEvent, numbers: range) -> list[str]:
    """Return what is read at an event."""
    if event.HasField("batch_accepted"):
        return [f"accepted:{number}" for number in numbers]
    is_lease = event.task_state_changed.to_state == TaskState.TASK_STATE_LEASED
    return [str(event.issue_number)] if is_lease and event.task_kind in READERS else []
