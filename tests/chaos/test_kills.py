"""Processes are killed in the middle of a batch; the batch ends well all the same."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from running_system import System, running_system
from toy_repository import REPOSITORY

from miyabi.common.v1.problem_pb2 import ProblemKind
from miyabi.coordinator.v1 import coordinator_service_pb2 as pb
from miyabi.coordinator.v1.event_pb2 import BatchEvent
from miyabi.coordinator.v1.state_pb2 import RunState, TaskState
from miyabi_cli.stack.local import start_agent
from miyabi_cli.stack.supervision import supervise
from miyabi_core.ids import new_ulid

#: Leases of these tests are short, so that a killed agent is noticed soon.
SHORT_LEASES = {"MIYABI_COORDINATOR_LEASE_DURATION": "PT2S", "MIYABI_COORDINATOR_HEARTBEAT_INTERVAL": "PT0.5S"}


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def supervised(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[System]:
    """A system whose processes are started again when they end; the tests kill one after another."""
    folder = tmp_path_factory.mktemp("kills")
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
    again = [ProblemKind.PROBLEM_KIND_PULL_REQUEST_OPEN, ProblemKind.PROBLEM_KIND_ISSUE_IN_BATCH]
    return pb.SubmitBatchRequest(
        repository=REPOSITORY, issue_numbers=issues, concurrency=2, request_id=new_ulid(), overrule=again
    )


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
            if is_leased(event) and not _killed(system):
                kill(system, "local-1")
                await start_agent(system.stack, "local-2")
        assert _killed(system)
        assert_ended_well(events)
        assert any(event.attempt >= 2 for event in events)


def _killed(system: System) -> bool:
    """Tell whether the first agent is gone."""
    return not system.stack.children["local-1"].running or "local-2" in system.stack.children


async def test_killed_coordinator(supervised: System) -> None:
    """The coordinator is killed in the middle and started again: no event is lost, none twice, the batch ends well."""
    events = await events_with_a_kill(supervised, "coordinator")
    assert_ended_well(events)


async def test_killed_watcher(supervised: System) -> None:
    """A watcher that hangs up in the middle and comes back sees the rest, each event once, in order, to the end."""
    seen: list[BatchEvent] = []
    async for event in supervised.client.submit(request(1)):
        if event.sequence:
            seen.append(event)
        if len(seen) == 4:
            break
    rest = supervised.client.watch(seen[0].batch, after=seen[-1].sequence)
    seen += [event async for event in rest if event.sequence]
    assert_ended_well(seen)


async def test_killed_gateway(supervised: System) -> None:
    """The gateway is killed in the middle and started again: the batch ends well, and no pull request is there twice."""
    events = await events_with_a_kill(supervised, "github-gateway")
    assert_ended_well(events)
    state = await supervised.github_state()
    heads = [item["head_ref"] for item in state["repositories"][0]["items"] if "head_ref" in item]
    recorded = [event.pull_request_recorded for event in events if event.HasField("pull_request_recorded")]
    assert [heads.count(one.head_branch) for one in recorded] == [1, 1]


async def events_with_a_kill(system: System, name: str) -> list[BatchEvent]:
    """Submit two issues and kill a process once work has begun; returns all events."""
    events: list[BatchEvent] = []
    killed = False
    async for event in system.client.submit(request(1, 2)):
        events.append(event)
        if not killed and is_leased(event):
            killed = True
            kill(system, name)
    assert killed
    return events
