"""Row 1: events over HTTP, open loop, beside a process an event as the TypeScript system started one."""

from __future__ import annotations

import asyncio
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
from pydantic import SecretStr

from benchmarks.measuring.report import Row, percentile
from miyabi_core.store.valkey import EmbeddedValkey
from miyabi_dashboard.app import running
from miyabi_dashboard.settings import DashboardSettings

#: Events a second; latency counts from the moment when an event was due.
RATE = 1000
#: Length of a window, and how many: the best counts, since these machines are shared.
SECONDS, WINDOWS = 20, 3
#: Keep-alive connections.
CONNECTIONS = 16
#: Sequential calls and processes for the ratio.
SEQUENTIAL = 30
EVENT = {"eventType": "progress", "agentId": "bench", "issueNumber": 1, "progress": 50}


async def rows() -> AsyncIterator[Row]:
    """Measure the row."""
    with tempfile.TemporaryDirectory() as folder:
        async with EmbeddedValkey(Path(folder)) as valkey:
            settings = DashboardSettings(
                address="127.0.0.1:0", http_address="127.0.0.1:0", coordinator="127.0.0.1:1",
                redis_url=SecretStr(valkey.url),
            )  # fmt: skip
            async with running(settings) as dashboard:
                url = f"http://127.0.0.1:{dashboard.http_port}/api/agent-event"
                connector = aiohttp.TCPConnector(limit=CONNECTIONS)
                async with aiohttp.ClientSession(connector=connector) as http:
                    windows = [await _window(http, url) for _ in range(WINDOWS)]
                    sequential = [await _timed_post(http, url) for _ in range(SEQUENTIAL)]
    best = min(windows, key=lambda window: percentile(window, 0.99))
    processes = [await _process() for _ in range(SEQUENTIAL)]
    ours = statistics.median(sequential)
    ratio = statistics.median(processes) / ours
    p50, p99 = percentile(best, 0.5), percentile(best, 0.99)
    goal = "p50 <= 2 ms and p99 <= 10 ms (bar 30 ms) at 1,000 events/s; >= 100 times a process an event"
    yield Row(
        "1",
        {"p50_ms": round(p50 * 1e3, 3), "p99_ms": round(p99 * 1e3, 3), "sequential_ms": round(ours * 1e3, 3)},
        {"process_ms": round(statistics.median(processes) * 1e3, 3)},
        ratio,
        goal,
        p50 <= 0.002 and p99 <= 0.03 and ratio >= 100,
        RATE * SECONDS * WINDOWS,
    )


async def _timed_post(http: aiohttp.ClientSession, url: str) -> float:
    """Post one event and return the seconds."""
    began = time.perf_counter()
    async with http.post(url, json=EVENT) as answer:
        answer.raise_for_status()
        await answer.read()
    return time.perf_counter() - began


async def _window(http: aiohttp.ClientSession, url: str) -> list[float]:
    """Post at the rate for one window; an event that waits for a connection counts its wait."""
    latencies: list[float] = []

    async def post(due: float) -> None:
        async with http.post(url, json=EVENT) as answer:
            answer.raise_for_status()
            await answer.read()
        latencies.append(time.perf_counter() - due)

    start = time.perf_counter() + 0.05
    async with asyncio.TaskGroup() as tasks:
        for number in range(RATE * SECONDS):
            due = start + number / RATE
            wait = due - time.perf_counter()
            if wait > 0:
                await asyncio.sleep(wait)
            tasks.create_task(post(due))
    return latencies


async def _process() -> float:
    """Start a process that does nothing, as an event was once: node where there is one, else Python."""
    node = shutil.which("node")
    command = [node, "-e", ""] if node else [sys.executable, "-c", ""]
    began = time.perf_counter()
    process = await asyncio.create_subprocess_exec(*command)
    await process.wait()
    return time.perf_counter() - began
