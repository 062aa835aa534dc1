"""Processes are killed in the middle of a batch; the batch ends well all the same."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from running_system import System, running_system
from toy_repository import REPOSITORY

from miyabi.coordinator.v1 import coordinator_service_pb2 as pb
from miyabi.coordinator.v1.event_pb2 import BatchEvent
from miyabi.coordinator.v1.state_pb2 import RunState, TaskState
from miyabi_cli.stack.local import start_agent
from miyabi_cli.stack.supervision import supervise
from miyabi_core.ids import new_ulid

#: Leases of these tests are short, so that a killed agent is noticed soon.
SHORT_LEASES = {"MIYABI_COORDINATOR_LEASE_DURATION": "PT2S", "MIYABI_COORDINATOR_HEARTBEAT_INTERVAL": "PT0.5S"}


@asynccontextmanager
async def supervised(folder: Path) -> AsyncIterator[System]:
    """Run a system whose processes are started again when they end."""
    async with running_system(folder, settings=SHORT_LEASES) as system, asyncio.TaskGroup() as tasks:
        watcher = tasks.create_task(supervise(system.stack, announce=lambda _: None))
        try:
            yield system
        finally:
            watcher.cancel()


def kill(system: System, name: str) -> None:
    """Kill a process of this system, by its id."""
    system.stack.children[name].process.send_signal(signal.SIGKILL)


def request(*issues: int) -> pb.SubmitBatchRequest:
    """Return a request for the toy repository."""
    return pb.SubmitBatchRequest(repository=REPOSITORY, issue_numbers=issues, concurrency=2, request_id=new_ulid())


def is_leased(event: BatchEvent) -> bool:
    """Tell whether the event says that a task was leased after triage."""
    return event.task_state_changed.to_state == TaskState.TASK_STATE_LEASED and event.task_id != "triage"


def assert_ended_well(events: list[BatchEvent]) -> None:
    """Every issue succeeded, and every event was seen once and in order."""
    results = events[-1].batch_finished.results
    assert [RunState.RUN_STATE_SUCCEEDED] * len(results) == [result.state for result in results], results
    sequences = [event.sequence for event in events if event.sequence]
    assert list(range(1, len(sequences) + 1)) == sequences


async def test_killed_agent(tmp_path: Path) -> None:
    """An agent is killed while it works: its task is leased again, by another, and the batch ends well."""
    async with running_system(tmp_path, settings=SHORT_LEASES) as system:
        events: list[BatchEvent] = []
        async for event in system.client.submit(request(1, 2)):
            events.append(event)
            if (
                is_leased(event)
                and "local-1" in system.stack.children
                and len(system.stack.children)
                and not _killed(system)
            ):
                kill(system, "local-1")
                await start_agent(system.stack, "local-2")
        assert _killed(system)
        assert_ended_well(events)
        assert any(event.attempt >= 2 for event in events)


def _killed(system: System) -> bool:
    """Tell whether the first agent is gone."""
    return not system.stack.children["local-1"].running or "local-2" in system.stack.children


async def test_killed_coordinator(tmp_path: Path) -> None:
    """The coordinator is killed in the middle and started again: no event is lost, none twice, the batch ends well."""
    async with supervised(tmp_path) as system:
        events: list[BatchEvent] = []
        killed = False
        async for event in system.client.submit(request(1, 2)):
            events.append(event)
            if not killed and is_leased(event):
                killed = True
                kill(system, "coordinator")
        assert killed
        assert_ended_well(events)


async def test_killed_watcher(tmp_path: Path) -> None:
    """A watcher that hangs up in the middle and comes back sees the rest, each event once, in order, to the end."""
    async with running_system(tmp_path) as system:
        seen: list[BatchEvent] = []
        async for event in system.client.submit(request(1)):
            if event.sequence:
                seen.append(event)
            if len(seen) == 4:
                break
        rest = system.client.watch(seen[0].batch, after=seen[-1].sequence)
        seen += [event async for event in rest if event.sequence]
        assert_ended_well(seen)


async def test_killed_gateway(tmp_path: Path) -> None:
    """The gateway is killed in the middle and started again: the batch ends well, and no pull request is there twice."""
    async with supervised(tmp_path) as system:
        events: list[BatchEvent] = []
        killed = False
        async for event in system.client.submit(request(1, 2)):
            events.append(event)
            if not killed and is_leased(event):
                killed = True
                kill(system, "github-gateway")
        assert_ended_well(events)
        state = await system.github_state()
        pulls = [
            item
            for item in state["repositories"][0]["items"]
            if "head" in item or "head_branch" in item or "head_ref" in item
        ]
        assert len(pulls) == 2
