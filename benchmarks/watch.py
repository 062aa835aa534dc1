"""Row watch: a thousand watchers of one batch, one of them slow, and what they cost the coordinator."""

from __future__ import annotations

import asyncio
import statistics
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.makespan import run_batch
from benchmarks.measures import CpuMeter, rss_mib
from benchmarks.report import Options, Row
from benchmarks.stack import COORDINATOR, bench_stack
from miyabi.coordinator.v1 import coordinator_service_pb2 as pb
from miyabi.coordinator.v1.coordinator_service_pb2_grpc import CoordinatorServiceStub
from miyabi.coordinator.v1.state_pb2 import Pipeline
from miyabi_coordinator.testing import REPOSITORY
from miyabi_core.channel import open_channel
from miyabi_core.ids import new_ulid

#: Watchers, and the channels that carry them: a server takes about a hundred streams a connection gladly.
WATCHERS, CHANNELS = 1000, 10
#: Issues of the batch, its concurrency, and how long a task takes.
ISSUES, CONCURRENCY, TASK_SECONDS = 100, 10, 0.1
#: The slow watcher takes one message in this many seconds.
SLOW_SECONDS = 0.5
#: All watchers have the last event this long after the first one has it, at most.
GOAL_SECONDS = 1.0


@dataclass
class _Watched:
    """What a watcher saw."""

    last: int = 0
    gapless: bool = True
    ended: float = 0.0


async def rows(_options: Options) -> AsyncIterator[Row]:
    """Measure a batch without and with a thousand watchers."""
    with tempfile.TemporaryDirectory() as folder:
        async with bench_stack(Path(folder), issues=ISSUES) as stack:
            target, child = await stack.coordinator()
            await stack.agent(target, slots=CONCURRENCY, seconds=TASK_SECONDS)
            alone, _ = await run_batch(target, issues=ISSUES, concurrency=CONCURRENCY)
            yield await _watched(target, child.pid, alone=alone)


async def _watched(target: str, pid: int, *, alone: float) -> Row:
    """Run a batch under all watchers."""
    async with AsyncExitStack() as stack:
        channels = [await stack.enter_async_context(open_channel(target, service=COORDINATOR)) for _ in range(CHANNELS)]
        stubs: list[Any] = [CoordinatorServiceStub(channel) for channel in channels]
        before, meter = rss_mib(pid), CpuMeter({"coordinator": pid})
        name, began = await _submit(stubs[0]), time.perf_counter()
        watched = [_Watched() for _ in range(WATCHERS)]
        slow = _Watched()
        async with asyncio.TaskGroup() as group:
            peak = group.create_task(_peak_mib(pid, watched))
            group.create_task(_watch(stubs[0], name, slow, pause=SLOW_SECONDS))
            for index, entry in enumerate(watched):
                group.create_task(_watch(stubs[index % CHANNELS], name, entry))
    ends = sorted(entry.ended - began for entry in watched)
    complete = {entry.last for entry in (*watched, slow)}
    gapless = all(entry.gapless for entry in (*watched, slow)) and len(complete) == 1
    spread = ends[-1] - ends[0]
    ours = {
        "batch_s": round(ends[0], 3),
        "last_event_spread_s": round(spread, 3),
        "median_end_s": round(statistics.median(ends), 3),
        "slow_watcher_end_s": round(slow.ended - began, 3),
        "events": complete.pop(),
        "rss_mib_of_watchers": round(peak.result() - before, 1),
        "coordinator_cpu_s": round(meter.used()["coordinator"], 2),
    }
    goal = (
        f"{WATCHERS} watchers and a slow one see every event once and in order; the last one reaches all but the slow "
        f"one within {GOAL_SECONDS:g} s of the first"
    )
    passed = gapless and spread <= GOAL_SECONDS
    return Row("watch", ours, {"batch_without_watchers_s": round(alone, 3)}, ends[-1] / alone, goal, passed, WATCHERS)


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
        request_id=new_ulid(),
    )
    call = stub.SubmitBatch(request)
    async for answer in call:
        call.cancel()
        return str(answer.events[0].batch)
    raise RuntimeError("the batch was not accepted")


async def _watch(stub: Any, name: str, entry: _Watched, *, pause: float = 0.0) -> None:
    """Follow the batch to its end, slowly where there is a pause."""
    async for answer in stub.WatchBatch(pb.WatchBatchRequest(name=name, committed_only=True)):
        for event in answer.events:
            entry.gapless = entry.gapless and event.sequence == entry.last + 1
            entry.last = event.sequence
        if pause:
            await asyncio.sleep(pause)
    entry.ended = time.perf_counter()
