"""Row 4: text of a model at the watcher of a batch, from model server through agent and coordinator, as processes."""

from __future__ import annotations

import asyncio
import statistics
import tempfile
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.measuring.report import Row, percentile
from benchmarks.measuring.stack import COORDINATOR, BenchStack, bench_stack
from benchmarks.talking.model import noted
from miyabi.coordinator.v1 import coordinator_service_pb2 as pb
from miyabi.coordinator.v1.coordinator_service_pb2_grpc import CoordinatorServiceStub
from miyabi.coordinator.v1.state_pb2 import Pipeline
from miyabi_coordinator.testing import REPOSITORY
from miyabi_core.channel import open_channel
from miyabi_core.ids import new_ulid

#: Issues that are triaged, and how many of them at once.
ISSUES, CONCURRENCY = 40, 2
#: Pieces of an analysis: a second and a half, as a short answer of a fast model takes.
PIECES = 80
#: Seconds between two pieces of an answer: 50 a second, what fast models write.
PIECE_SECONDS = 0.02
#: The first text is at the watcher this long after it left the model server, at most: of 95 issues in 100.
GOAL_SECONDS = 0.050
#: By how much sooner than the whole text it is there.
GOAL_TIMES = 10.0


@dataclass
class _Watched:
    """When the watcher had the first text of each issue, and the whole; seconds since 1970."""

    first: dict[int, float] = field(default_factory=dict)
    whole: dict[int, float] = field(default_factory=dict)
    states: list[int] = field(default_factory=list)


async def rows() -> AsyncIterator[Row]:
    """Measure one batch."""
    with tempfile.TemporaryDirectory() as folder:
        async with bench_stack(Path(folder), issues=ISSUES) as stack:
            yield await _measured(stack, Path(folder) / "times.jsonl")


async def _measured(stack: BenchStack, times: Path) -> Row:
    """Run a batch and compare the clocks of both ends, which are the same machine's."""
    pace = ("--pieces", str(PIECES), "--piece-seconds", str(PIECE_SECONDS))
    model = await stack.launch("model", "benchmarks.talking.model", "--times", str(times), *pace)
    target, _ = await stack.coordinator()
    await stack.real_agent(target, model=model.announcement["url"], slots=CONCURRENCY)
    watched = await _watch(target)
    left = {line["issue"]: line["left"] for line in await asyncio.to_thread(noted, times) if "issue" in line}
    first = [watched.first[issue] - moment for issue, moment in left.items()]
    whole = [watched.whole[issue] - moment for issue, moment in left.items()]
    usual, late = statistics.median(first), percentile(first, 0.95)
    times_sooner = statistics.median(whole) / usual
    ours = {
        "first_text_p50_ms": round(usual * 1000, 1),
        "first_text_p95_ms": round(late * 1000, 1),
        "first_text_max_ms": round(max(first) * 1000, 1),
    }
    baseline = {"whole_text_p50_ms": round(statistics.median(whole) * 1000, 1), "times_sooner": round(times_sooner, 1)}
    goal = (
        f"first text at the watcher within {GOAL_SECONDS * 1000:g} ms of leaving the model server (95th percentile), "
        f"{GOAL_TIMES:g} times sooner than the whole text"
    )
    passed = len(left) == ISSUES and late <= GOAL_SECONDS and times_sooner >= GOAL_TIMES
    return Row("4", ours, baseline, late / GOAL_SECONDS, goal, passed, len(first))


async def _watch(target: str) -> _Watched:
    """Submit the batch and follow it to its end by a watch of its own, as a person does."""
    request = pb.SubmitBatchRequest(
        repository=REPOSITORY,
        issue_numbers=range(1, ISSUES + 1),
        pipeline=Pipeline.PIPELINE_TRIAGE,
        concurrency=CONCURRENCY,
        dry_run=True,
        request_id=new_ulid(),
    )
    watched = _Watched()
    async with open_channel(target, service=COORDINATOR) as channel:
        stub: Any = CoordinatorServiceStub(channel)
        submitted = stub.SubmitBatch(request)
        name = (await anext(aiter(submitted))).events[0].batch
        submitted.cancel()
        async for answer in stub.WatchBatch(pb.WatchBatchRequest(name=name)):
            now = time.time()
            for event in answer.events:
                if event.HasField("text_delta"):
                    watched.first.setdefault(event.issue_number, now)
                elif event.HasField("text_recorded"):
                    watched.whole.setdefault(event.issue_number, now)
    return watched
