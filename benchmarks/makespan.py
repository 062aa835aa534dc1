"""Rows 2 and 6: how close a batch comes to its ideal, and how soon a slot is filled again."""

from __future__ import annotations

import asyncio
import statistics
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from benchmarks.report import Row
from miyabi.common.v1.task_kind_pb2 import TaskKind
from miyabi.coordinator.v1 import coordinator_service_pb2 as pb
from miyabi.coordinator.v1.coordinator_service_pb2_grpc import CoordinatorServiceStub
from miyabi.coordinator.v1.dispatch_service_pb2 import Lease, Outcome
from miyabi.coordinator.v1.dispatch_service_pb2_grpc import DispatchServiceStub
from miyabi.coordinator.v1.result_pb2 import TriageResult
from miyabi.coordinator.v1.state_pb2 import Pipeline, RunState
from miyabi.github_gateway.v1.github_gateway_service_pb2_grpc import add_GitHubGatewayServiceServicer_to_server
from miyabi_agents.dispatch.client import AttachClient
from miyabi_agents.settings import AgentsSettings
from miyabi_coordinator.app import running
from miyabi_coordinator.settings import CoordinatorSettings
from miyabi_coordinator.testing import REPOSITORY, MemoryGateway
from miyabi_core.channel import open_channel
from miyabi_core.testing import running_server
from miyabi_core.valkey import EmbeddedValkey

#: Task length in seconds, issues, concurrency and the goal for makespan / ideal.
CASES = ((0.2, 10, 10, 1.10), (0.2, 100, 10, 1.10), (0.2, 1000, 50, 1.10), (1.0, 10, 10, 1.05), (1.0, 100, 50, 1.05))
#: The gateway's service.
GATEWAY = "miyabi.github_gateway.v1.GitHubGatewayService"
#: Issues of the batch whose slots are watched.
SLOT_ISSUES = 60


class _SleepingRunner:
    """Stands where an agent's task runner does: each task is a sleep; everything around it is the real client."""

    def __init__(self, *, seconds: float, slots: int) -> None:
        self._seconds = seconds
        self.settings = AgentsSettings(slots=slots, agent_id="bench", drain=timedelta(0))
        self.capabilities = [TaskKind.TASK_KIND_TRIAGE]

    async def run(self, lease: Lease, _send: object) -> Outcome:
        """Sleep, then succeed."""
        await asyncio.sleep(self._seconds)
        return Outcome(reference=lease.reference, triage=TriageResult(type="bug", confidence=1.0))


async def _batch(target: str, *, issues: int, concurrency: int) -> tuple[float, list[Any]]:
    """Run a batch of triage tasks; returns its seconds and its events."""
    async with open_channel(target, service="miyabi.coordinator.v1.CoordinatorService") as channel:
        request = pb.SubmitBatchRequest(
            repository=REPOSITORY,
            issue_numbers=range(1, issues + 1),
            pipeline=Pipeline.PIPELINE_TRIAGE,
            concurrency=concurrency,
        )
        events: list[Any] = []
        began = time.perf_counter()
        async for answer in CoordinatorServiceStub(channel).SubmitBatch(request):
            events.extend(answer.events)
        return time.perf_counter() - began, events


async def _ideal(*, seconds: float, issues: int, concurrency: int) -> float:
    """Run the same sleeps under a semaphore."""
    slots = asyncio.Semaphore(concurrency)

    async def sleep() -> None:
        async with slots:
            await asyncio.sleep(seconds)

    began = time.perf_counter()
    async with asyncio.TaskGroup() as tasks:
        for _ in range(issues):
            tasks.create_task(sleep())
    return time.perf_counter() - began


def _in_flight(events: list[Any]) -> int:
    """Return the most issues that were in flight at once."""
    running_now = highest = 0
    for event in events:
        if event.HasField("run_state_changed"):
            change = event.run_state_changed
            running_now += change.to_state == RunState.RUN_STATE_RUNNING
            running_now -= change.from_state == RunState.RUN_STATE_RUNNING
            highest = max(highest, running_now)
    return highest


def _refills(events: list[Any]) -> list[float]:
    """Return the seconds from each issue's end to the next issue's start, as the log has them."""
    ends, waits = [], []
    for event in events:
        if not event.HasField("run_state_changed"):
            continue
        moment = event.time.ToMicroseconds() / 1e6
        if event.run_state_changed.from_state == RunState.RUN_STATE_RUNNING:
            ends.append(moment)
        elif event.run_state_changed.to_state == RunState.RUN_STATE_RUNNING and ends:
            waits.append(max(0.0, moment - ends.pop(0)))
    return waits


async def rows() -> AsyncIterator[Row]:
    """Measure both rows on one coordinator with an agent process's worth of slots."""
    numbers = dict.fromkeys(range(1, 1001), "")
    gateway_type: Any = MemoryGateway  # it leaves the writes to the generated base
    servicer = gateway_type(numbers)
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
                for seconds, issues, concurrency, limit in CASES:
                    yield await _makespan(f"127.0.0.1:{port}", seconds, issues, concurrency=concurrency, limit=limit)
                yield await _slots(f"127.0.0.1:{port}")


@asynccontextmanager
async def _agent(target: str, *, seconds: float, slots: int) -> AsyncIterator[None]:
    """Attach an agent that sleeps through its tasks, for the length of the block."""
    async with open_channel(target, service="miyabi.coordinator.v1.DispatchService") as channel:
        runner: Any = _SleepingRunner(seconds=seconds, slots=slots)
        stop = asyncio.Event()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(AttachClient(DispatchServiceStub(channel), runner).run(stop))
            try:
                yield
            finally:
                stop.set()


async def _makespan(target: str, seconds: float, issues: int, *, concurrency: int, limit: float) -> Row:
    """Measure one case."""
    async with _agent(target, seconds=seconds, slots=concurrency):
        took, events = await _batch(target, issues=issues, concurrency=concurrency)
    ideal = await _ideal(seconds=seconds, issues=issues, concurrency=concurrency)
    highest = _in_flight(events)
    return Row(
        "2",
        {"makespan_s": round(took, 3), "task_s": seconds, "concurrency": concurrency, "most_in_flight": highest},
        {"ideal_s": round(ideal, 3)},
        took / ideal,
        f"makespan / ideal <= {limit}, never more than {concurrency} in flight",
        took / ideal <= limit and highest <= concurrency,
        issues,
    )


async def _slots(target: str) -> Row:
    """Measure how soon a freed slot is filled, and that the first result comes before the last issue ends."""
    async with _agent(target, seconds=0.2, slots=10):
        _, events = await _batch(target, issues=SLOT_ISSUES, concurrency=5)
    waits = _refills(events)
    finished = [event.time.ToMicroseconds() / 1e6 for event in events if event.HasField("issue_finished")]
    median = statistics.median(waits)
    return Row(
        "6",
        {"refill_ms": round(median * 1e3, 3), "first_result_s": round(finished[0] - finished[-1], 3)},
        {"task_ms": 200.0},
        median / 0.2,
        "a slot is filled <= 10 ms after it frees; the first result is seen before the last issue ends",
        median <= 0.010 and finished[0] < finished[-1],
        len(waits),
    )
