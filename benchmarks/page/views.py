"""Rows 9.2 and graph: a hundred pages that look at once after each change, and the graph of ten thousand issues."""

from __future__ import annotations

import asyncio
import json
import statistics
import tempfile
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp

from benchmarks.measuring.report import Row, percentile
from benchmarks.measuring.stack import BenchStack, bench_stack
from benchmarks.page.looking import counted, following, handed_over
from miyabi.coordinator.v1 import coordinator_service_pb2 as pb

#: Pages that look at once, and how often something changes.
CLIENTS, CHANGES = 100, 20
#: Issues of the batch that they look at.
ISSUES = 50
#: Issues of the large batch, what its graph may take in seconds, and how often it is asked for.
LARGE, GOAL_SECONDS, READS = 10_000, 0.3, 40
#: Slots of the agent that works on the large batch meanwhile, and how long a task takes.
SLOTS, TASK_SECONDS = 20, 0.1
#: Counts how often a dashboard asked for a batch with its runs.
_REBUILDS = "miyabi_dashboard_batch_reads_total"


async def rows() -> AsyncIterator[Row]:
    """Measure both rows."""
    with tempfile.TemporaryDirectory() as folder:
        async with bench_stack(Path(folder), issues=LARGE) as stack:
            target, _ = await stack.coordinator()
            yield await _at_once(stack, target)
            yield await _large(stack, target)


async def _at_once(stack: BenchStack, target: str) -> Row:
    """Pause and resume a batch; after each change a hundred pages ask for its graph at once."""
    url, _ = await stack.dashboard(target)
    connector = aiohttp.TCPConnector(limit=CLIENTS)
    stale, seconds = 0, list[float]()
    async with (
        aiohttp.ClientSession(url, connector=connector) as http,
        handed_over(target, issues=ISSUES, concurrency=1) as (stub, name),
        following(http) as page,
    ):
        # The first page that looks has the batch read; the snapshot that a page starts from does so too.
        before = await counted(http, _REBUILDS)
        for change in range(CHANGES):
            state = "BATCH_STATE_PAUSED" if change % 2 == 0 else "BATCH_STATE_RUNNING"
            if change % 2 == 0:
                await stub.PauseBatch(pb.PauseBatchRequest(name=name))
            else:
                await stub.ResumeBatch(pb.ResumeBatchRequest(name=name))
            await page.until_state(state)
            began = time.perf_counter()
            graphs = await asyncio.gather(*(_graph(http, name) for _ in range(CLIENTS)))
            seconds.append(time.perf_counter() - began)
            stale += sum(graph["nodes"][0]["state"] != state for graph in graphs)
        rebuilds = await counted(http, _REBUILDS) - before
    ours = {
        "rebuilds": rebuilds, "stale": stale, "all_answered_p50_ms": round(statistics.median(seconds) * 1e3, 1),
        "all_answered_max_ms": round(max(seconds) * 1e3, 1),
    }  # fmt: skip
    goal = f"{CLIENTS} clients at once after each of {CHANGES} changes: <= 1 rebuild, each has the last change"
    return Row("9.2", ours, {"clients": CLIENTS}, rebuilds, goal, rebuilds <= 1 and stale == 0, CLIENTS * CHANGES)


async def _large(stack: BenchStack, target: str) -> Row:
    """Ask for the graph of ten thousand issues while an agent works on them, from a dashboard that has just started."""
    url, _ = await stack.dashboard(target)
    async with aiohttp.ClientSession(url) as http, handed_over(target, issues=LARGE, concurrency=SLOTS) as (_, name):
        began = time.perf_counter()
        await _graph(http, name)
        first = time.perf_counter() - began
        await stack.agent(target, slots=SLOTS, seconds=TASK_SECONDS)
        seconds, graph = [], dict[str, Any]()
        for _ in range(READS):
            began = time.perf_counter()
            graph = await _graph(http, name)
            seconds.append(time.perf_counter() - began)
            await asyncio.sleep(TASK_SECONDS)
    ended = sum(node["state"] == "RUN_STATE_SUCCEEDED" for node in graph["nodes"])
    worst = percentile(seconds, 0.95)
    ours = {
        "p50_ms": round(statistics.median(seconds) * 1e3, 1), "p95_ms": round(worst * 1e3, 1),
        "first_ms": round(first * 1e3, 1), "nodes": len(graph["nodes"]), "ended_meanwhile": ended,
    }  # fmt: skip
    goal = f"/api/graph of {LARGE:,} issues <= {GOAL_SECONDS * 1e3:.0f} ms (p95) while the batch goes on"
    passed = worst <= GOAL_SECONDS and len(graph["nodes"]) > LARGE and ended > 0
    return Row("graph", ours, {"issues": LARGE}, worst / GOAL_SECONDS, goal, passed, READS)


async def _graph(http: aiohttp.ClientSession, name: str) -> dict[str, Any]:
    """Ask for a graph; reading it is the page's work, and done when it is there."""
    async with http.get("/api/graph", params={"batch": name}) as answer:
        body = await answer.read()
        answer.raise_for_status()
    found: dict[str, Any] = json.loads(body)
    return found
