"""Row watch: a thousand watchers of one batch, one of them slow, and what they cost the coordinator."""

from __future__ import annotations

import asyncio
import statistics
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc

from benchmarks.handing_out.makespan import run_batch
from benchmarks.measuring.measures import CpuMeter, rss_mib
from benchmarks.measuring.report import Options, Row
from benchmarks.measuring.stack import COORDINATOR, BenchStack, bench_stack
from miyabi.common.v1.problem_pb2 import ProblemKind
from miyabi.coordinator.v1 import coordinator_service_pb2 as pb
from miyabi.coordinator.v1.coordinator_service_pb2_grpc import CoordinatorServiceStub
from miyabi.coordinator.v1.state_pb2 import Pipeline
from miyabi_coordinator.testing import REPOSITORY
from miyabi_core.channel import open_channel
from miyabi_core.ids import new_ulid

#: Watchers, and the channels that carry them: a server takes about a hundred streams a connection gladly.
WATCHERS, CHANNELS = 1000, 10
#: Issues of the batch, its concurrency, and how long a task takes.
ISSUES, CONCURRENCY, TASK_SECONDS = 50, 10, 0.2
#: The slow watcher takes one message in this many seconds.
SLOW_SECONDS = 0.5
#: All watchers have the last event this long after the first one has it, at most.
GOAL_SECONDS = 1.0


#: Name of the call, whose answers are kept as they came: reading them is not what is measured.
_METHOD = f"/{COORDINATOR}/WatchBatch"


@dataclass
class _Watched:
    """What a watcher got."""

    messages: list[bytes] = field(default_factory=list)
    follows: asyncio.Event = field(default_factory=asyncio.Event)
    ended: float = 0.0

    def sequences(self) -> list[int]:
        """Return the sequences of all events in the order in which they came."""
        answers = (pb.WatchBatchResponse.FromString(message) for message in self.messages)
        return [event.sequence for answer in answers for event in answer.events]


async def rows(_options: Options) -> AsyncIterator[Row]:
    """Measure a batch without and with a thousand watchers."""
    with tempfile.TemporaryDirectory() as folder:
        async with bench_stack(Path(folder), issues=ISSUES) as stack:
            target, child = await stack.coordinator()
            agent = await stack.agent(target, slots=CONCURRENCY, seconds=TASK_SECONDS)
            alone, _ = await run_batch(target, issues=ISSUES, concurrency=CONCURRENCY)
            await stack.stop(agent)
            yield await _watched(stack, target, child.pid, alone=alone)


async def _watched(stack: BenchStack, target: str, pid: int, *, alone: float) -> Row:
    """Run a batch under all watchers; its agent comes when all of them follow."""
    async with AsyncExitStack() as exits:
        channels = [await exits.enter_async_context(open_channel(target, service=COORDINATOR)) for _ in range(CHANNELS)]
        before, meter = rss_mib(pid), CpuMeter({"coordinator": pid})
        name = await _submit(CoordinatorServiceStub(channels[0]))
        watched = [_Watched() for _ in range(WATCHERS)]
        slow = _Watched()
        async with asyncio.TaskGroup() as group:
            peak = group.create_task(_peak_mib(pid, watched))
            group.create_task(_watch(channels[0], name, slow, pause=SLOW_SECONDS))
            for index, entry in enumerate(watched):
                group.create_task(_watch(channels[index % CHANNELS], name, entry))
            for entry in (*watched, slow):
                await entry.follows.wait()
            await stack.agent(target, slots=CONCURRENCY, seconds=TASK_SECONDS)
    ends = sorted(entry.ended for entry in watched)
    complete = slow.sequences()
    gapless = complete == list(range(1, len(complete) + 1))
    gapless = gapless and all(entry.sequences() == complete for entry in watched)
    spread = ends[-1] - ends[0]
    ours = {
        "last_event_spread_s": round(spread, 3),
        "last_event_median_s": round(statistics.median(ends) - ends[0], 3),
        "slow_watcher_later_s": round(slow.ended - ends[0], 3),
        "events": len(complete),
        "messages_of_a_watcher": round(statistics.mean(len(entry.messages) for entry in watched)),
        "rss_mib_of_watchers": round(peak.result() - before, 1),
        "coordinator_cpu_s": round(meter.used()["coordinator"], 2),
    }
    goal = (
        f"{WATCHERS} watchers and a slow one see every event once and in order; the last one reaches all but the slow "
        f"one within {GOAL_SECONDS:g} s of the first"
    )
    passed = gapless and spread <= GOAL_SECONDS
    return Row("watch", ours, {"batch_without_watchers_s": round(alone, 3)}, spread, goal, passed, WATCHERS)


async def _peak_mib(pid: int, watched: list[_Watched]) -> float:
    """Return the coordinator's most memory while it is watched."""
    peak = 0.0
    while not all(entry.ended for entry in watched):
        peak = max(peak, rss_mib(pid))
        await asyncio.sleep(0.1)
    return peak


async def _submit(stub: Any) -> str:
    """Submit the batch, hang up, return its name."""
    request = pb.SubmitBatchRequest(
        repository=REPOSITORY,
        issue_numbers=range(1, ISSUES + 1),
        pipeline=Pipeline.PIPELINE_TRIAGE,
        concurrency=CONCURRENCY,
        overrule=[ProblemKind.PROBLEM_KIND_ISSUE_IN_BATCH],
        request_id=new_ulid(),
    )
    call = stub.SubmitBatch(request)
    async for answer in call:
        call.cancel()
        return str(answer.events[0].batch)
    raise RuntimeError("the batch was not accepted")


async def _watch(channel: grpc.aio.Channel, name: str, entry: _Watched, *, pause: float = 0.0) -> None:
    """Follow the batch to its end, slowly where there is a pause."""
    call: Any = channel.unary_stream(_METHOD, request_serializer=pb.WatchBatchRequest.SerializeToString)
    async for message in call(pb.WatchBatchRequest(name=name, committed_only=True)):
        entry.messages.append(message)
        entry.follows.set()
        if pause:
            await asyncio.sleep(pause)
    entry.ended = time.perf_counter()
