"""Row fairness: a small batch behind a large one, and the shares of batches with different weights."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from benchmarks.measuring.report import Options, Row
from benchmarks.measuring.stack import COORDINATOR, bench_stack
from miyabi.common.v1.problem_pb2 import ProblemKind
from miyabi.coordinator.v1 import coordinator_service_pb2 as pb
from miyabi.coordinator.v1.coordinator_service_pb2_grpc import CoordinatorServiceStub
from miyabi.coordinator.v1.event_pb2 import BatchEvent
from miyabi.coordinator.v1.state_pb2 import Pipeline, TaskState
from miyabi_coordinator.testing import REPOSITORY
from miyabi_core.channel import open_channel

#: Slots of the one agent, and how long a task takes.
SLOTS, TASK_SECONDS = 4, 0.2
#: The large batch and the small one behind it.
LARGE, SMALL = 1000, 3
#: Weights of the batches whose shares are compared, and the issues of each: the lighter one is still busy at the end.
WEIGHTS, ISSUES = (1, 3), 120
#: How far a share may be from its weight.
TOLERANCE = 0.10


async def rows(_options: Options) -> AsyncIterator[Row]:
    """Measure on one coordinator and one agent."""
    with tempfile.TemporaryDirectory() as folder:
        async with bench_stack(Path(folder), issues=LARGE) as stack:
            target, _ = await stack.coordinator()
            await stack.agent(target, slots=SLOTS, seconds=TASK_SECONDS)
            async with open_channel(target, service=COORDINATOR) as channel:
                stub: Any = CoordinatorServiceStub(channel)
                yield await _small_behind_large(stub)
                yield await _shares(stub)


async def _small_behind_large(stub: Any) -> Row:
    """Submit a small batch while a large one has all slots; returns how long its first lease took."""
    large = stub.SubmitBatch(_request(LARGE))
    name = await _wait_until_leased(large)
    events: list[BatchEvent] = []
    async for answer in stub.SubmitBatch(_request(SMALL)):
        events.extend(answer.events)
    await stub.CancelBatch(pb.CancelBatchRequest(name=name))
    accepted, leased = _moments(events, accepted=True)[0], _moments(events)
    waited = leased[0] - accepted
    return Row(
        "fairness",
        {"first_lease_s": round(waited, 4), "all_leased_s": round(leased[-1] - accepted, 4)},
        {"task_s": TASK_SECONDS},
        waited / TASK_SECONDS,
        f"a batch of {SMALL} behind one of {LARGE} on {SLOTS} slots is leased within one task's duration",
        waited <= TASK_SECONDS,
        SMALL,
        "small behind large",
    )


async def _shares(stub: Any) -> Row:
    """Run two batches of different weights side by side; their shares count while both have work."""
    gathered = await asyncio.gather(*(_collect(stub, _request(ISSUES, weight=weight)) for weight in WEIGHTS))
    moments = [_moments(events) for events in gathered]
    begin, end = max(entry[0] for entry in moments), min(entry[-1] for entry in moments)
    counts = [sum(begin <= moment <= end for moment in entry) for entry in moments]
    shares = [count / sum(counts) for count in counts]
    fair = [weight / sum(WEIGHTS) for weight in WEIGHTS]
    distance = max(abs(share / wanted - 1) for share, wanted in zip(shares, fair, strict=True))
    return Row(
        "fairness",
        {"shares": [round(share, 4) for share in shares], "leases": counts, "contended_s": round(end - begin, 2)},
        {"weights": list(WEIGHTS)},
        distance,
        f"each share of the slots is within {TOLERANCE:.0%} of its weight while both batches have work",
        distance <= TOLERANCE,
        sum(counts),
        "weights",
    )


def _request(issues: int, *, weight: int = 1) -> pb.SubmitBatchRequest:
    """Return a batch whose own limit is above the slots, so that only fairness divides them."""
    return pb.SubmitBatchRequest(
        repository=REPOSITORY,
        issue_numbers=range(1, issues + 1),
        pipeline=Pipeline.PIPELINE_TRIAGE,
        concurrency=min(issues, SLOTS * 2),
        weight=weight,
        overrule=[ProblemKind.PROBLEM_KIND_ISSUE_IN_BATCH],
    )


async def _wait_until_leased(call: Any) -> str:
    """Read a stream until as many tasks are leased as there are slots; returns the batch, and hangs up."""
    seen: list[BatchEvent] = []
    async for answer in call:
        seen.extend(answer.events)
        if len(_moments(seen)) >= SLOTS:
            break
    call.cancel()
    return seen[0].batch


async def _collect(stub: Any, request: pb.SubmitBatchRequest) -> list[BatchEvent]:
    """Return all events of a batch."""
    return [event async for answer in stub.SubmitBatch(request) for event in answer.events]


def _moments(events: list[BatchEvent], *, accepted: bool = False) -> list[float]:
    """Return when tasks were leased, or when the batch was accepted, as the log has it."""
    wanted = (
        event
        for event in events
        if (
            event.HasField("batch_accepted")
            if accepted
            else event.task_state_changed.to_state == TaskState.TASK_STATE_LEASED
        )
    )
    return [event.time.ToMicroseconds() / 1e6 for event in wanted]
