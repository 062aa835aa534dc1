"""What a page starts from, and how it stays right, before a coordinator that answers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest_asyncio
from batch_coordinator import NAME, BatchCoordinator
from pydantic import SecretStr

from miyabi.coordinator.v1 import event_pb2
from miyabi.coordinator.v1.coordinator_service_pb2_grpc import add_CoordinatorServiceServicer_to_server
from miyabi_core.store.valkey import EmbeddedValkey
from miyabi_core.testing import running_server
from miyabi_dashboard.app import Dashboard, running
from miyabi_dashboard.live.snapshots import Snapshots
from miyabi_dashboard.live.subscription import Subscription
from miyabi_dashboard.settings import DashboardSettings

SERVICE = "miyabi.coordinator.v1.CoordinatorService"


@dataclass
class Watched:
    """A dashboard before a coordinator."""

    dashboard: Dashboard
    coordinator: BatchCoordinator
    http: aiohttp.ClientSession

    async def read(self, path: str) -> Any:
        """Return the answer to a GET."""
        async with self.http.get(path) as answer:
            assert answer.status == 200
            return await answer.json()


@asynccontextmanager
async def looking_at(address: str, folder: Path) -> AsyncIterator[tuple[Dashboard, aiohttp.ClientSession]]:
    """Run a dashboard before the coordinator at an address."""
    async with EmbeddedValkey(folder, appendfsync="no") as valkey:
        settings = DashboardSettings(
            address="127.0.0.1:0", http_address="127.0.0.1:0", coordinator=address, redis_url=SecretStr(valkey.url)
        )
        async with running(settings) as dashboard:
            base = f"http://127.0.0.1:{dashboard.http_port}"
            async with aiohttp.ClientSession(base) as http:
                yield dashboard, http


@pytest_asyncio.fixture
async def watched(tmp_path: Path) -> AsyncIterator[Watched]:
    """A dashboard that has heard of its coordinator."""
    coordinator = BatchCoordinator()
    registration = (add_CoordinatorServiceServicer_to_server, coordinator, SERVICE)
    async with running_server(registration) as address, looking_at(address, tmp_path) as (dashboard, http):
        async with http.ws_connect("/ws") as socket:
            await until(socket, dashboard, sequence=1)
        yield Watched(dashboard, coordinator, http)


async def until(socket: aiohttp.ClientWebSocketResponse, dashboard: Dashboard, *, sequence: int) -> list[Any]:
    """Read until the hub has given out a sequence; returns the messages."""
    messages = [await asyncio.wait_for(socket.receive_json(), 10)]
    while dashboard.hub.sequence < sequence:
        messages.append(await asyncio.wait_for(socket.receive_json(), 10))
    return messages


async def test_snapshot_holds_the_runs_of_the_newest_batch(watched: Watched) -> None:
    """A page that is opened in the middle of a batch is told at once how each issue stands."""
    async with watched.http.ws_connect("/ws") as socket:
        snapshot = await asyncio.wait_for(socket.receive_json(), 10)
    assert snapshot["coordinator"] is True
    assert [batch["counters"]["succeeded"] for batch in snapshot["batches"]] == [1]
    states = [run["state"] for run in snapshot["newest"]["runs"]]
    assert states == ["RUN_STATE_SUCCEEDED", "RUN_STATE_RUNNING"]
    assert snapshot["newest"]["batch"]["last_sequence"] == "12"


async def test_a_hundred_pages_cause_one_snapshot(watched: Watched) -> None:
    """Pages that open at once are served from one answer of the coordinator, and miss no event."""
    before, told = watched.coordinator.read, watched.dashboard.hub.sequence + 1
    opened = asyncio.Barrier(101)

    async def open_page() -> bool:
        async with watched.http.ws_connect("/ws") as socket:
            snapshot = await asyncio.wait_for(socket.receive_json(), 20)
            await opened.wait()
            seen: set[int] = set()
            while told not in seen:
                message = await asyncio.wait_for(socket.receive_json(), 20)
                seen |= {entry["sequence"] for entry in message["events"]}
            return snapshot["type"] == "snapshot" and seen >= set(range(snapshot["sequence"] + 1, told + 1))

    async with asyncio.TaskGroup() as tasks:
        pages = [tasks.create_task(open_page()) for _ in range(100)]
        await opened.wait()
        watched.coordinator.tell(event_pb2.BatchEvent(batch=NAME, sequence=13))
    assert [page.result() for page in pages] == [True] * 100
    # One, and one more for each second that a slow machine takes.
    assert watched.coordinator.read - before <= 3


async def test_page_is_told_when_the_coordinator_is_lost(tmp_path: Path) -> None:
    """Where the coordinator goes away, pages are told; a new page hears it from its snapshot."""
    coordinator = BatchCoordinator()
    registration = (add_CoordinatorServiceServicer_to_server, coordinator, SERVICE)
    serving = running_server(registration)
    address = await serving.__aenter__()
    async with looking_at(address, tmp_path) as (dashboard, http), http.ws_connect("/ws") as socket:
        await until(socket, dashboard, sequence=1)
        await serving.__aexit__(None, None, None)
        messages = await until(socket, dashboard, sequence=2)
        told = [entry["event"] for message in messages for entry in message["events"]]
        assert told[-1] == {"source": "dashboard", "coordinator": False}


async def test_run_is_told_with_its_diff_and_without_whole_files(watched: Watched) -> None:
    """A page shows what changed; the files themselves stay where they are."""
    run = (await watched.read(f"/api/{NAME}/runs/1"))["run"]
    assert run["change_set"]["diff"] == "+text\n"
    assert [(file["path"], file["content"]) for file in run["change_set"]["files"]] == [("a.py", "")]


async def test_graph_names_what_belongs_to_what(watched: Watched) -> None:
    """A batch is a graph of issues, tasks, the agent at work and the pull request; ids hold batch and issue."""
    graph = await watched.read("/api/graph")
    kinds = [node["type"] for node in graph["nodes"]]
    assert {kind: kinds.count(kind) for kind in kinds} == {
        "batch": 1, "issue": 2, "task": 4, "pull-request": 1, "agent": 1,
    }  # fmt: skip
    edges = {(edge["from"].removeprefix(NAME), edge["to"].removeprefix(NAME), edge["type"]) for edge in graph["edges"]}
    assert ("/runs/2/tasks/triage", "agents/agent-1", "assigned-to") in edges
    assert ("/runs/2", "/runs/1", "depends-on") in edges
    assert ("/runs/1/tasks/plan", "/runs/1/tasks/triage", "depends-on") in edges
    assert ("/runs/1", "https://example.test/a/b/pull/9", "produced") in edges
    ids = {node["id"] for node in graph["nodes"]}
    assert ids == ids | {edge[side] for edge in graph["edges"] for side in ("from", "to")}


async def test_graph_is_built_once_for_everyone(watched: Watched) -> None:
    """A hundred readers at one time cause one rebuild."""
    before = watched.coordinator.read
    async with asyncio.TaskGroup() as tasks:
        graphs = [tasks.create_task(watched.read(f"/api/graph?batch={NAME}")) for _ in range(100)]
    assert len({len(graph.result()["nodes"]) for graph in graphs}) == 1
    assert watched.coordinator.read - before == 1


async def test_graph_of_no_name_is_refused(watched: Watched) -> None:
    """What is no name of a batch is 400."""
    async with watched.http.get("/api/graph?batch=nonsense") as answer:
        assert (answer.status, (await answer.json())["reason"]) == (400, "INVALID_REQUEST")


async def test_worker_is_looked_for_anew_each_time(watched: Watched) -> None:
    """The service worker and the page are never kept by the browser's own cache without asking."""
    for path in ("/", "/sw.js"):
        async with watched.http.get(path) as answer:
            assert (answer.status, answer.headers["cache-control"]) == (200, "no-cache")


async def test_snapshots_take_bounded_memory(watched: Watched) -> None:
    """Those that nobody asked for the longest are forgotten beyond the bytes that are kept."""
    dashboard = watched.dashboard
    alone = Snapshots(dashboard.hub, dashboard.upstream, simulated=False)
    body = (await alone.get(Subscription(batch=NAME))).body
    bounded = Snapshots(dashboard.hub, dashboard.upstream, simulated=False, most_bytes=2 * len(body))
    for subscription in (Subscription(batch=NAME), Subscription(), Subscription(repository="a/b")):
        assert (await bounded.get(subscription)).body
        assert 0 < bounded.size <= 2 * len(body)
    assert alone.size == len(body)
