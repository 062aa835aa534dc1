"""Row queue: what ten thousand queued issues cost the coordinator, and whether a second replica slows it down."""

from __future__ import annotations

import asyncio
import statistics
import tempfile
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from benchmarks.handing_out.dispatch import client
from benchmarks.measuring.measures import rss_mib
from benchmarks.measuring.report import Options, Row, percentile
from benchmarks.measuring.stack import COORDINATOR, BenchStack, bench_stack
from miyabi.common.v1.problem_pb2 import ProblemKind
from miyabi.coordinator.v1 import coordinator_service_pb2 as pb
from miyabi.coordinator.v1.coordinator_service_pb2_grpc import CoordinatorServiceStub
from miyabi.coordinator.v1.event_pb2 import BatchEvent
from miyabi.coordinator.v1.state_pb2 import Pipeline, TaskState
from miyabi_coordinator.testing import REPOSITORY
from miyabi_core.channel import open_channel

#: Queued issues, in batches of the most that one submit takes.
QUEUED, BATCH = 10_000, 1000
#: Few issues, for comparison.
FEW = 10
#: How long the tasks take that keep their batches from more.
BUSY_SECONDS = 3600.0
#: Batches whose time from submit to first lease is measured.
PROBES = 60
#: Most memory that the queue may cost, in MiB.
GOAL_MIB = 150.0
#: A lease beside a long queue may take this much longer: timings of one machine differ as much by themselves.
GOAL_RATIO = 1.25
#: Tasks of the load that one and two replicas take.
TASKS = 4000
#: Slots: one agent of 50, or two of 25.
SLOTS = 50


async def rows(options: Options) -> AsyncIterator[Row]:
    """Measure both rows."""
    with tempfile.TemporaryDirectory() as folder:
        async with bench_stack(Path(folder), issues=QUEUED) as stack:
            yield await _long_queue(stack)
    yield await _second_replica(options)


async def _long_queue(stack: BenchStack) -> Row:
    """Compare leases beside a short and beside a long queue in one run: memory before, between and after."""
    target, child = await stack.coordinator()
    async with open_channel(target, service=COORDINATOR) as channel:
        stub: Any = CoordinatorServiceStub(channel)
        await _probe(stack, target, stub)
        before = rss_mib(child.pid)
        await _queue(stack, target, stub, [range(1, FEW + 1)])
        short = await _probe(stack, target, stub)
        numbers = range(FEW + 1, QUEUED + 1)
        await _queue(stack, target, stub, [numbers[start : start + BATCH] for start in range(0, len(numbers), BATCH)])
        cost = rss_mib(child.pid) - before
        long = await _probe(stack, target, stub)
    ratio = statistics.median(long) / statistics.median(short)
    ours = {
        "rss_mib_before": round(before, 1),
        "rss_mib_of_queue": round(cost, 1),
        "lease_p50_ms": round(statistics.median(long) * 1e3, 3),
        "lease_p99_ms": round(percentile(long, 0.99) * 1e3, 3),
    }
    baseline = {
        "lease_p50_ms": round(statistics.median(short) * 1e3, 3),
        "lease_p99_ms": round(percentile(short, 0.99) * 1e3, 3),
    }
    goal = (
        f"{QUEUED} queued issues cost <= {GOAL_MIB:.0f} MiB, a lease takes <= {GOAL_RATIO} times as long as with {FEW}"
    )
    passed = cost <= GOAL_MIB and ratio <= GOAL_RATIO
    return Row("queue", ours, baseline, ratio, goal, passed, QUEUED, "long queue")


async def _queue(stack: BenchStack, target: str, stub: Any, batches: list[range]) -> None:
    """Queue issues of running batches: one issue of each is leased for an hour, and its batch allows no second one."""
    await stack.agent(target, slots=len(batches), seconds=BUSY_SECONDS)
    for numbers in batches:
        call = stub.SubmitBatch(_request(numbers))
        async for answer in call:
            if any(map(_is_lease, answer.events)):
                break
        call.cancel()


async def _probe(stack: BenchStack, target: str, stub: Any) -> list[float]:
    """Return the seconds from submit to lease of batches with one issue, one after the other."""
    agent = await stack.agent(target, slots=1)
    seconds = []
    for number in range(1, PROBES + 1):
        began = time.perf_counter()
        leased = 0.0
        async for answer in stub.SubmitBatch(_request(range(number, number + 1))):
            if not leased and any(map(_is_lease, answer.events)):
                leased = time.perf_counter() - began
        seconds.append(leased)
    await stack.stop(agent)
    return seconds


def _is_lease(event: BatchEvent) -> bool:
    """Tell whether a task was leased."""
    return event.task_state_changed.to_state == TaskState.TASK_STATE_LEASED


def _request(numbers: range) -> pb.SubmitBatchRequest:
    """Return a batch of triage tasks."""
    return pb.SubmitBatchRequest(
        repository=REPOSITORY,
        issue_numbers=numbers,
        pipeline=Pipeline.PIPELINE_TRIAGE,
        concurrency=1,
        overrule=[ProblemKind.PROBLEM_KIND_ISSUE_IN_BATCH],
    )


async def _second_replica(options: Options) -> Row:
    """Compare one coordinator with two on one store, in turn: the same load, the same number of slots and clients."""
    one, two = [], []
    for _ in range(options.repeats):
        one.append(await _throughput(1))
        two.append(await _throughput(2))
    ratio = statistics.median(b / a for a, b in zip(one, two, strict=True))
    ours = {"tasks_per_s": [round(rate, 1) for rate in two], "replicas": 2}
    baseline = {"tasks_per_s": [round(rate, 1) for rate in one], "replicas": 1}
    goal = (
        "a second replica on the same cores does not lower throughput (median of ratios >= 0.95, the noise of repeats)"
    )
    return Row("queue", ours, baseline, ratio, goal, ratio >= 0.95, TASKS, "second replica")


async def _throughput(replicas: int) -> float:
    """Return tasks a second with that many coordinators; each has its agent and its client."""
    with tempfile.TemporaryDirectory() as folder:
        async with bench_stack(Path(folder), issues=BATCH, large=True) as stack:
            targets = [(await stack.coordinator())[0] for _ in range(replicas)]
            for target in targets:
                await stack.agent(target, slots=SLOTS // replicas)
            answers = await asyncio.gather(*(client(target, "load", TASKS // replicas, pids={}) for target in targets))
            slowest: float = max(answer["seconds"] for answer in answers)
            return TASKS / slowest
