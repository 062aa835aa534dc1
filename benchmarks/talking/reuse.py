"""Row 5: over how many connections an agent's calls of the model go, counted at the server."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from benchmarks.measuring.report import Row
from benchmarks.measuring.stack import BenchStack, bench_stack
from benchmarks.talking.model import noted
from miyabi.common.v1.usage_pb2 import Budget
from miyabi.coordinator.v1.dispatch_service_pb2 import LeaseReference, Progress
from miyabi_agents.dispatch.progress import TaskProgress
from miyabi_agents.model import ModelClient
from miyabi_agents.settings import AgentsSettings

#: Calls in all, tasks that make them, and tasks at once: an agent's usual slots.
CALLS, TASKS, AT_ONCE = 1000, 100, 4
#: Seconds without a call, twice: tests run in between. The client's own pool drops a connection after 5 s.
IDLE_SECONDS, IDLES = 7.0, 2
#: Share of calls that find a connection.
GOAL = 0.99
#: What the model is asked to call.
_TOOL: dict[str, Any] = {"name": "record_triage", "description": "Record.", "input_schema": {"type": "object"}}


async def rows() -> AsyncIterator[Row]:
    """Measure the process's one client beside one client a task."""
    with tempfile.TemporaryDirectory() as folder:
        async with bench_stack(Path(folder), issues=1) as stack:
            ours = await _measured(stack, Path(folder), shared=True)
            baseline = await _measured(stack, Path(folder), shared=False)
    reuse = ours["reuse"]
    goal = f"{GOAL:.0%} of {CALLS:,} calls, with two pauses of {IDLE_SECONDS:g} s, over a connection that was there"
    passed = reuse >= GOAL and ours["calls"] == CALLS
    yield Row("5", ours, {"client_a_task": baseline}, reuse, goal, passed, CALLS)


async def _measured(stack: BenchStack, folder: Path, *, shared: bool) -> dict[str, Any]:
    """Make all calls; returns how many there were, over how many connections, and the share of reuse."""
    name = "shared" if shared else "own"
    times = folder / f"{name}.jsonl"
    model = await stack.launch(name, "benchmarks.talking.model", "--times", str(times))
    key, url = SecretStr("benchmark"), model.announcement["url"]
    settings = AgentsSettings(data_dir=folder, anthropic_api_key=key, anthropic_base_url=url)
    one = ModelClient(settings)
    part = TASKS // (IDLES + 1) + 1
    for begin in range(0, TASKS, part):
        if begin:
            await asyncio.sleep(IDLE_SECONDS)
        slots = asyncio.Semaphore(AT_ONCE)
        async with asyncio.TaskGroup() as group:
            for _ in range(min(part, TASKS - begin)):
                group.create_task(_task(slots, one if shared else ModelClient(settings), closes=not shared))
    await one.close()
    lines = await asyncio.to_thread(noted, times)
    numbers = [line["connection"] for line in lines if "connection" in line]
    connections = len(set(numbers))
    return {"calls": len(numbers), "connections": connections, "reuse": round(1 - connections / len(numbers), 4)}


async def _task(slots: asyncio.Semaphore, client: ModelClient, *, closes: bool) -> None:
    """Make the calls of one task, one after the other."""
    async with slots:
        progress = TaskProgress(LeaseReference(task="benchmark", fencing_token=1), _nobody)
        session = client.session(progress=progress, budget=Budget())
        assert session is not None
        for number in range(CALLS // TASKS):
            await session.call_tool(step="analysis", system="Be brief.", prompt=f"Call {number}.", tool=_TOOL)
        if closes:
            await client.close()


def _nobody(_message: Progress, _droppable: bool) -> None:
    """Take a report that nobody reads."""
