"""Row 10.4b: a batch against a model server with and without a limit of its own, with feedback and with fixed limits.

Real coordinator, Valkey, and a simulated model server, each in a process of its own; four agents of eight slots with
the real client of the model API share one. Fixed limits: each agent has its part of 32 or 8 and feedback is off.
All modes run side by side, begun at the same moment: what else the machine does meets all of them alike.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import httpx2

from benchmarks.measuring.report import Options, Row
from benchmarks.measuring.stack import COORDINATOR, BenchStack, bench_stack
from miyabi.coordinator.v1 import coordinator_service_pb2 as pb
from miyabi.coordinator.v1.coordinator_service_pb2_grpc import CoordinatorServiceStub
from miyabi.coordinator.v1.limits_pb2 import LimitReason
from miyabi.coordinator.v1.state_pb2 import BATCH_STATE_SUCCEEDED, PIPELINE_TRIAGE
from miyabi_coordinator.testing import REPOSITORY
from miyabi_core.channel import open_channel

#: Agents, and slots of each: 32 calls at once where nothing bounds them.
AGENTS, SLOTS = 4, 8
#: Calls at once that the limited server bears.
BEARS = 8
#: Calls of an issue, one after the other: about what a small fix takes.
CALLS = 10
#: Issues, and seconds until an answer begins, at the limited server (60 rounds of its eight calls) and at the one
#: without limits (60 of 32; longer, since a small machine makes hardly more than 32 calls a second). Real answers take
#: five to thirty seconds; waits after refusals are the product's own and not shortened in the same measure.
LIMITED, FREE = (48, 0.25), (192, 1.0)
#: Turns against the server without limits, of a minute each: nothing is refused, so little is left to chance.
FREE_REPEATS = 1
#: A batch that takes longer than this, in seconds, hangs.
TIMEOUT = 600.0


@dataclass(frozen=True)
class Mode:
    """How calls are bounded: by feedback, or by a fixed number of all agents together."""

    fixed: int = 0

    @property
    def environment(self) -> dict[str, str]:
        """Return the agents' settings."""
        if not self.fixed:
            return {}
        return {
            "MIYABI_AGENTS_FEEDBACK": "off",
            "MIYABI_AGENTS_MODEL_CALLS_MAX": str(max(1, self.fixed // AGENTS)),
        }


@dataclass(frozen=True)
class Measured:
    """What a batch took, and what its server saw."""

    seconds: float
    refused: int
    most_in_flight: int
    steps: list[str]

    def shown(self) -> dict[str, Any]:
        """Return the figures."""
        found = {"seconds": round(self.seconds, 2), "refused": self.refused, "most_in_flight": self.most_in_flight}
        return {**found, "steps": self.steps} if self.steps else found


async def rows(options: Options) -> AsyncIterator[Row]:
    """Measure the modes side by side, so often as was asked; medians count."""
    async for row in feedback_rows(options):
        yield row


async def feedback_rows(options: Options) -> AsyncIterator[Row]:
    """Yield one row for each goal."""
    limited = await _measured(options.repeats, bears=BEARS, load=LIMITED, fixed=(32, 8))
    ours, baseline = limited[0], limited[32]
    sooner, more = baseline.seconds / ours.seconds, ours.seconds / limited[8].seconds
    goal = _Goal(sooner, ">= 1.3", sooner >= 1.3)
    yield _row("refuses above 8: against a fixed 32", (ours, baseline), goal, n=options.repeats)
    goal = _Goal(more, "<= 1.10", more <= 1.1)
    yield _row("refuses above 8: against a fixed 8", (ours, limited[8]), goal, n=options.repeats)
    free = await _measured(FREE_REPEATS, bears=0, load=FREE, fixed=(32,))
    more = free[0].seconds / free[32].seconds
    goal = _Goal(more, "<= 1.05", more <= 1.05)
    yield _row("refuses none: against a fixed 32", (free[0], free[32]), goal, n=FREE_REPEATS)


@dataclass(frozen=True)
class _Goal:
    """What a row's ratio is to be, and whether it is."""

    ratio: float
    words: str
    passed: bool


def _row(case: str, pair: tuple[Measured, Measured], goal: _Goal, *, n: int) -> Row:
    """Return a row."""
    ours, baseline = (entry.shown() for entry in pair)
    return Row("10.4b", ours, baseline, goal.ratio, goal.words, goal.passed, n, case)


async def _measured(
    repeats: int, *, bears: int, load: tuple[int, float], fixed: tuple[int, ...]
) -> dict[int, Measured]:
    """Return the median of each mode; 0 stands for feedback."""
    found: dict[int, list[Measured]] = {}
    for _ in range(repeats):
        ready = asyncio.Barrier(1 + len(fixed))
        async with asyncio.TaskGroup() as tasks:
            batches = {
                number: tasks.create_task(_batch(Mode(number), ready, bears=bears, load=load)) for number in (0, *fixed)
            }
        for number, batch in batches.items():
            found.setdefault(number, []).append(batch.result())
    middle = {number: median(entry.seconds for entry in entries) for number, entries in found.items()}
    return {
        number: min(entries, key=lambda entry, number=number: abs(entry.seconds - middle[number]))  # type: ignore[misc]
        for number, entries in found.items()
    }


async def _batch(mode: Mode, ready: asyncio.Barrier, *, bears: int, load: tuple[int, float]) -> Measured:
    """Run one batch with everything begun anew, so that no limit is known beforehand, once all others are ready."""
    issues, latency = load
    timing = ("--first-token-seconds", str(latency), "--most-in-flight", str(bears))
    with tempfile.TemporaryDirectory() as folder:
        async with (
            bench_stack(Path(folder), issues=issues) as stack,
            _agents(stack, mode, timing) as (target, url),
        ):
            await ready.wait()
            async with open_channel(target, service=COORDINATOR) as channel:
                operators: Any = CoordinatorServiceStub(channel)
                seconds = await _run(operators, issues)
                answer = await operators.ListLimitSteps(pb.ListLimitStepsRequest(page_size=1000))
            async with httpx2.AsyncClient() as http:
                seen = (await http.get(f"{url}/_sim/load")).json()
            # Whoever is slower is not disturbed by the end of this one.
            await ready.wait()
    steps = [f"{step.limit} {LimitReason.Name(step.reason)[13:].lower()}" for step in reversed(answer.steps)]
    return Measured(seconds, seen["refused"], seen["most_in_flight"], steps)


@asynccontextmanager
async def _agents(stack: BenchStack, mode: Mode, timing: Sequence[str]) -> AsyncIterator[tuple[str, str]]:
    """Start a model server, a coordinator and the agents; yields the coordinator's target and the server's URL."""
    model = await stack.launch("model", "miyabi_sim.model", *timing)
    url = model.announcement["url"]
    target, _ = await stack.coordinator()
    environment = {
        "ANTHROPIC_API_KEY": "benchmark",
        "ANTHROPIC_BASE_URL": url,
        "MIYABI_AGENTS_COORDINATOR": target,
        "MIYABI_AGENTS_SLOTS": str(SLOTS),
        **mode.environment,
    }
    arguments = ("benchmarks.feedback.agent", "--agents", str(AGENTS), "--calls", str(CALLS))
    await stack.launch("agents", *arguments, environment=environment)
    async with open_channel(target, service=COORDINATOR) as channel:
        stub: Any = CoordinatorServiceStub(channel)
        while len((await stub.ListAgents(pb.ListAgentsRequest(page_size=100))).agents) < AGENTS:
            pass
    yield target, url


async def _run(operators: Any, issues: int) -> float:
    """Submit a batch and follow it to its end; returns the seconds.

    Raises:
        AssertionError: the batch did not succeed.
    """
    request = pb.SubmitBatchRequest(
        repository=REPOSITORY,
        issue_numbers=range(1, issues + 1),
        pipeline=PIPELINE_TRIAGE,
        concurrency=AGENTS * SLOTS,
    )
    begun = time.monotonic()
    last = None
    async for response in operators.SubmitBatch(request, timeout=TIMEOUT):
        last = response.events[-1] if response.events else last
    seconds = time.monotonic() - begun
    assert last is not None
    assert last.batch_finished.state == BATCH_STATE_SUCCEEDED, last
    return seconds
