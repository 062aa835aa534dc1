"""Row 10.4: how soon a slow tool and a slow model call are found, and what limits that follow their targets are worth.

Real coordinator, Valkey, dashboard and agent client in processes of their own; what the agent calls is planted.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks.feedback.rows import feedback_rows
from benchmarks.measuring.report import Options, Row
from benchmarks.measuring.stack import COORDINATOR, BenchStack, bench_stack
from benchmarks.monitor.agent import MODEL, MODEL_SECONDS, TOOL, TOOL_SECONDS
from miyabi.coordinator.v1 import coordinator_service_pb2 as pb
from miyabi.coordinator.v1.coordinator_service_pb2_grpc import CoordinatorServiceStub
from miyabi.coordinator.v1.state_pb2 import PIPELINE_TRIAGE
from miyabi.dashboard.v1 import telemetry_service_pb2 as telemetry
from miyabi.dashboard.v1.telemetry_service_pb2_grpc import TelemetryServiceStub
from miyabi_cli.stack.local import wait_ready
from miyabi_cli.stack.processes import ProcessSpec, start
from miyabi_coordinator.testing import REPOSITORY
from miyabi_core.channel import open_channel
from miyabi_core.free_ports import free_port

#: Seconds within which a call has to be found after its end.
GOAL_SECONDS = 5.0
#: Seconds between two looks.
PAUSE_SECONDS = 0.1
#: Share by which a told duration may be off: that of the sketches.
ACCURACY = 0.011
#: What is planted, with its seconds and the level that it has.
PLANTED = {
    TOOL: (TOOL_SECONDS, telemetry.BOTTLENECK_LEVEL_LOW),
    MODEL: (MODEL_SECONDS, telemetry.BOTTLENECK_LEVEL_HIGH),
}


async def rows(options: Options) -> AsyncIterator[Row]:
    """Yield what was found how soon, then what feedback gained."""
    with tempfile.TemporaryDirectory() as folder:
        async with bench_stack(Path(folder), issues=10) as stack:
            for row in await _found(stack):
                yield row
    async for row in feedback_rows(options):
        yield replace(row, row="10.4")


async def _found(stack: BenchStack) -> list[Row]:
    """Run a batch of one issue and ask for a report until both calls are in it."""
    target, _ = await stack.coordinator()
    dashboard = await _dashboard(stack, target)
    await stack.launch("planted", "benchmarks.monitor.agent", "--coordinator", target, "--agent-id", "planted")
    async with (
        open_channel(target, service=COORDINATOR) as channel,
        open_channel(dashboard, service="miyabi.dashboard.v1.TelemetryService") as telemetry_channel,
        asyncio.TaskGroup() as tasks,
    ):
        stub: Any = CoordinatorServiceStub(channel)
        looking = tasks.create_task(_look(TelemetryServiceStub(telemetry_channel)))
        ends = await _ends(stub)
        seen = await looking
    return [_row(name, ends[name], *seen[name]) for name in PLANTED]


async def _dashboard(stack: BenchStack, coordinator: str) -> str:
    """Start a dashboard as a person would; returns its target."""
    port, http = free_port(), free_port()
    environment = {
        "MIYABI_DASHBOARD_ADDRESS": f"127.0.0.1:{port}",
        "MIYABI_DASHBOARD_HTTP_ADDRESS": f"127.0.0.1:{http}",
        "MIYABI_DASHBOARD_COORDINATOR": coordinator,
        "MIYABI_DASHBOARD_GATEWAY": stack.gateway,
        "MIYABI_REDIS_URL": stack.valkey.url,
    }
    command = [sys.executable, "-m", "miyabi_dashboard"]
    child = await start(ProcessSpec("dashboard", command, environment, stack.folder / "dashboard.log", announces=False))
    stack.children.append(child)
    await wait_ready(child, port)
    return f"127.0.0.1:{port}"


async def _ends(stub: Any) -> dict[str, float]:
    """Run the batch until both calls have ended; returns when the agent's report of each was committed."""
    request = pb.SubmitBatchRequest(repository=REPOSITORY, issue_numbers=[1], pipeline=PIPELINE_TRIAGE)
    ends: dict[str, float] = {}
    async for answer in stub.SubmitBatch(request):
        for event in answer.events:
            if event.HasField("tool_invocation"):
                call = event.tool_invocation
                started = call.start_time.ToNanoseconds() / 1e9
                ends[call.model or call.tool] = started + call.duration.ToNanoseconds() / 1e9
        if len(ends) == len(PLANTED):
            return ends
    raise RuntimeError("the batch ended without both calls")


async def _look(stub: Any) -> dict[str, tuple[float, telemetry.Bottleneck]]:
    """Ask for reports until both are found; returns when each was first told, and how."""
    seen: dict[str, tuple[float, telemetry.Bottleneck]] = {}
    async with asyncio.timeout(120):
        while len(seen) < len(PLANTED):
            report = await stub.GetPerformanceReport(telemetry.GetPerformanceReportRequest())
            for found in report.bottlenecks:
                if found.subject in PLANTED and found.subject not in seen:
                    seen[found.subject] = (time.time(), found)
            await asyncio.sleep(PAUSE_SECONDS)
    return seen


def _row(name: str, ended: float, told: float, found: telemetry.Bottleneck) -> Row:
    """Compare what was told with what was planted."""
    seconds, level = PLANTED[name]
    measured, after = found.duration.ToTimedelta().total_seconds(), told - ended
    right = found.level == level and abs(measured / seconds - 1) <= ACCURACY + 0.02
    return Row(
        row="10.4",
        case=name,
        ours={"found_after_s": round(after, 2), "measured_s": round(measured, 3),
              "level": telemetry.BottleneckLevel.Name(found.level), "example": bool(found.example)},
        baseline={"planted_s": seconds},
        ratio=after / GOAL_SECONDS,
        goal=f"found with its measured time within {GOAL_SECONDS:.0f} s of its end",
        passed=after <= GOAL_SECONDS and right and bool(found.example),
        n=1,
    )  # fmt: skip
