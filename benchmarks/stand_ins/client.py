"""A client process that submits batches and checks every event to the end: `python -m benchmarks.stand_ins.client`.

Prints one JSON object. All submissions are under way before the first result is awaited, as the peers' clients do it.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import time
from collections.abc import AsyncIterator
from typing import Any

from benchmarks.measuring.measures import CpuMeter
from benchmarks.measuring.report import percentile
from benchmarks.stand_ins.payload import payload_of
from miyabi.common.v1.problem_pb2 import ProblemKind
from miyabi.coordinator.v1 import coordinator_service_pb2 as pb
from miyabi.coordinator.v1.coordinator_service_pb2_grpc import CoordinatorServiceStub
from miyabi.coordinator.v1.event_pb2 import BatchEvent
from miyabi.coordinator.v1.state_pb2 import BatchState, Pipeline
from miyabi_coordinator.testing import REPOSITORY
from miyabi_core.channel import open_channel
from miyabi_core.ids import new_ulid
from miyabi_core.logging import configure_logging

#: Submissions in flight where each has one task; the peers' clients have as many.
IN_FLIGHT = 50
SERVICE = "miyabi.coordinator.v1.CoordinatorService"


class LoadClient:
    """Submits triage batches on one channel."""

    def __init__(self, stub: Any, *, concurrency: int) -> None:
        self._stub = stub
        self._concurrency = concurrency

    async def batch(self, issues: int, *, first: int = 1) -> None:
        """Run a batch to its end, and check that each result came, was right and was in its place."""
        left = {number: payload_of(number) for number in range(first, first + issues)}
        sequence = 0
        async for event in self._events(issues, first):
            sequence += 1
            assert event.sequence == sequence, f"event {event.sequence} in the place of {sequence}"
            if event.HasField("triage_recorded"):
                expected = left.pop(event.issue_number, "")
                assert expected == event.triage_recorded.analysis, f"another result, or a second one: {event}"
        assert not left, f"{len(left)} results are missing"
        assert event.batch_finished.state == BatchState.BATCH_STATE_SUCCEEDED, "the batch failed"

    async def load(self, tasks: int, *, batch: int) -> float:
        """Run *tasks* in batches that are submitted at once; returns the seconds to the last event."""
        began = time.perf_counter()
        async with asyncio.TaskGroup() as group:
            for _ in range(tasks // batch):
                group.create_task(self.batch(batch))
        return time.perf_counter() - began

    async def singles(self, tasks: int) -> float:
        """Run *tasks*, one a submit, with a bounded number of submits in flight; returns the seconds."""
        numbers = iter(range(1, tasks + 1))

        async def submit() -> None:
            for number in numbers:
                await self.batch(1, first=number)

        began = time.perf_counter()
        async with asyncio.TaskGroup() as group:
            for _ in range(IN_FLIGHT):
                group.create_task(submit())
        return time.perf_counter() - began

    async def round_trips(self, count: int) -> tuple[list[float], list[float]]:
        """Run tasks one after the other; returns the seconds to each outcome, and to the end of its stream."""
        outcomes, ends = [], []
        for number in range(1, count + 1):
            began = time.perf_counter()
            async for event in self._events(1, number):
                if event.HasField("triage_recorded"):
                    outcomes.append(time.perf_counter() - began)
                    assert event.triage_recorded.analysis == payload_of(number), "another result"
            ends.append(time.perf_counter() - began)
        return outcomes, ends

    async def _events(self, issues: int, first: int) -> AsyncIterator[BatchEvent]:
        """Submit a batch and yield its committed events."""
        request = pb.SubmitBatchRequest(
            repository=REPOSITORY,
            issue_numbers=range(first, first + issues),
            pipeline=Pipeline.PIPELINE_TRIAGE,
            concurrency=min(self._concurrency, issues),
            overrule=[ProblemKind.PROBLEM_KIND_ISSUE_IN_BATCH],
            request_id=new_ulid(),
        )
        async for answer in self._stub.SubmitBatch(request):
            for event in answer.events:
                if event.sequence:
                    yield event


async def _measure(options: argparse.Namespace) -> dict[str, Any]:
    """Do what was asked for."""
    pids = {name: int(pid) for name, _, pid in (entry.partition("=") for entry in options.cpu)}
    async with open_channel(options.coordinator, service=SERVICE) as channel:
        client = LoadClient(CoordinatorServiceStub(channel), concurrency=options.concurrency)
        await client.load(100, batch=100)
        meter = CpuMeter(pids)
        if options.what == "rtt":
            outcomes, ends = await client.round_trips(options.tasks)
            figures = {"outcome": outcomes, "end": ends}
            return {
                f"{name}_p{share}_ms": percentile(values, share / 100) * 1e3
                for name, values in figures.items()
                for share in (50, 99)
            }
        single = options.what == "singles"
        began = time.process_time()
        took = await (client.singles(options.tasks) if single else client.load(options.tasks, batch=options.batch))
        used = {**meter.used(), "client": time.process_time() - began}
    return {"seconds": took, "tasks_per_s": options.tasks / took, "cpu_s": used}


def main() -> None:
    """Parse the command line, measure, print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.stand_ins.client", description=__doc__)
    parser.add_argument("what", choices=("load", "singles", "rtt"))
    parser.add_argument("--coordinator", required=True, help="host:port")
    parser.add_argument("--tasks", type=int, required=True)
    parser.add_argument("--batch", type=int, default=1000, help="tasks of a submit")
    parser.add_argument("--concurrency", type=int, default=50, help="issues in flight of a batch")
    parser.add_argument("--cpu", action="append", default=[], help="NAME=PID of a process whose CPU time counts")
    options = parser.parse_args()
    configure_logging(service="client", json=True, level="ERROR")
    print(json.dumps(asyncio.run(_measure(options))), flush=True)


if __name__ == "__main__":
    main()
