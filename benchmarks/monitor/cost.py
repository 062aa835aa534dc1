"""Row monitor: the processor time of measuring a thousand events a second, received, measured and written."""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from benchmarks.measuring.measures import cpu_seconds, rss_mib
from benchmarks.measuring.report import Row
from miyabi.common.v1.task_kind_pb2 import TaskKind
from miyabi.common.v1.usage_pb2 import Usage
from miyabi.coordinator.v1 import coordinator_service_pb2 as pb
from miyabi.coordinator.v1.coordinator_service_pb2_grpc import (
    CoordinatorServiceServicer,
    add_CoordinatorServiceServicer_to_server,
)
from miyabi.coordinator.v1.event_pb2 import BatchEvent, IssueHeading, ToolInvocation
from miyabi.coordinator.v1.state_pb2 import RunState, TaskState
from miyabi_cli.stack.processes import ProcessSpec, start
from miyabi_core.ids import new_ulid
from miyabi_core.proto_time import now, to_timestamp
from miyabi_core.store.redis import connect
from miyabi_core.store.valkey import EmbeddedValkey
from miyabi_core.testing import running_server
from miyabi_dashboard.monitor.measuring.measurements import What
from miyabi_dashboard.monitor.storing import Bucket, MeasurementStore

#: Events a second, and how long they come.
RATE, SECONDS = 1000, 60
#: Seconds at the beginning that are not counted: imports, connections.
WARM_SECONDS = 5
#: Events of one answer where nobody asks that they gather: a coordinator sends what came together.
TOGETHER = 20
#: Most of a core that measuring may take.
GOAL_SHARE = 0.05
#: Agents, repositories and tools that the events name.
AGENTS, REPOSITORIES = 20, 10
TOOLS = ("ruff", "mypy", "tests.base", "tests.change", "search", "read_file", "edit_file", "git.push")
#: Kinds of task of a run.
KINDS = (TaskKind.TASK_KIND_TRIAGE, TaskKind.TASK_KIND_PLAN, TaskKind.TASK_KIND_IMPLEMENT, TaskKind.TASK_KIND_VERIFY)


class _Busy(CoordinatorServiceServicer):
    """Sends events at a steady pace."""

    def __init__(self) -> None:
        self.sent = 0

    async def WatchEvents(self, request: pb.WatchEventsRequest, context: Any) -> AsyncIterator[pb.WatchEventsResponse]:  # noqa: N802
        """Send events for as long as the row says, gathered as is asked for."""
        del context
        together = max(TOGETHER, round(RATE * request.gather.ToTimedelta().total_seconds()))
        events, began = islice(_events(), RATE * SECONDS), time.monotonic()
        yield pb.WatchEventsResponse(cursor="0")
        while some := list(islice(events, together)):
            self.sent += len(some)
            await asyncio.sleep(max(0.0, began + self.sent / RATE - time.monotonic()))
            yield pb.WatchEventsResponse(events=some, cursor=str(self.sent))
        await asyncio.Event().wait()


def _events() -> Iterator[BatchEvent]:
    """Yield the events of batches side by side, as agents make them: most of them calls."""
    batch = 0
    while True:
        batch += 1
        yield from _batch(f"batches/{new_ulid()}", batch)


def _batch(name: str, number: int) -> Iterator[BatchEvent]:
    """Yield the events of a batch of five issues."""
    first = BatchEvent(batch=name, sequence=1, time=to_timestamp(now()))
    spec = first.batch_accepted.batch.spec
    spec.repository, spec.concurrency = f"acme/repository-{number % REPOSITORIES}", 5
    first.batch_accepted.issues.extend(IssueHeading(number=issue) for issue in range(1, 6))
    yield first
    sequence = 1
    for issue in range(1, 6):
        for event in _run(number + issue):
            sequence += 1
            event.batch, event.sequence, event.issue_number = name, sequence, issue
            event.time.CopyFrom(to_timestamp(now()))
            yield event


def _run(seed: int) -> Iterator[BatchEvent]:
    """Yield the events of a run: tasks from ready to their end, with their calls."""
    begun = False
    for kind in KINDS:
        agent, states = f"agent-{seed % AGENTS}", ((1, 2), (2, 3), (3, 5))
        for before, after in states:
            event = BatchEvent(task_id=TaskKind.Name(kind).lower(), task_kind=kind, attempt=1, actor=agent)
            change = event.task_state_changed
            change.from_state, change.to_state = TaskState.ValueType(before), TaskState.ValueType(after)
            change.agent = agent
            if after == TaskState.TASK_STATE_SUCCEEDED:
                yield from _calls(kind, agent, seed)
                change.spent.CopyFrom(Usage(cost_usd_micros=900, input_tokens=3000, output_tokens=200))
            yield event
            if after == TaskState.TASK_STATE_LEASED and not begun:
                begun = True
                yield _run_state(RunState.RUN_STATE_PENDING, RunState.RUN_STATE_RUNNING)
    yield _run_state(RunState.RUN_STATE_RUNNING, RunState.RUN_STATE_SUCCEEDED)


def _calls(kind: TaskKind.ValueType, agent: str, seed: int) -> Iterator[BatchEvent]:
    """Yield two calls of a model and four of tools."""
    for number in range(6):
        call = ToolInvocation(tool=TOOLS[(seed + number) % len(TOOLS)], succeeded=True, detail="a call of " * 10)
        call.duration.FromMilliseconds(5 + (seed * 37 + number * 101) % 3000)
        if number < 2:
            call.tool, call.model = "model.messages", f"model-{number}"
            call.usage.CopyFrom(Usage(cost_usd_micros=400, input_tokens=1500, output_tokens=100))
        yield BatchEvent(
            task_id=TaskKind.Name(kind).lower(), task_kind=kind, attempt=1, actor=agent, tool_invocation=call
        )


def _run_state(before: RunState.ValueType, after: RunState.ValueType) -> BatchEvent:
    event = BatchEvent()
    event.run_state_changed.from_state, event.run_state_changed.to_state = before, after
    return event


async def rows() -> AsyncIterator[Row]:
    """Send a thousand events a second to a process that only measures, and beside it to one that drops them."""
    async with asyncio.TaskGroup() as tasks:
        measuring = tasks.create_task(_measured())
        receiving = tasks.create_task(_measured("--only-receive"))
    ours, baseline = measuring.result(), receiving.result()
    share, counted = ours["share_of_a_core"], ours["counted"]
    yield Row(
        row="monitor",
        ours=ours,
        baseline={"what": "receives the same events and drops them", "share_of_a_core": baseline["share_of_a_core"]},
        ratio=share / GOAL_SHARE,
        goal=f"≤ {GOAL_SHARE:.0%} of a core at {RATE} events a second, each counted once",
        passed=share <= GOAL_SHARE and counted == RATE * SECONDS,
        n=counted,
    )


async def _measured(*arguments: str) -> dict[str, Any]:
    """Run the process for as long as the row says, and return what it used and what it counted."""
    with tempfile.TemporaryDirectory() as name:
        return await _measured_in(Path(name), arguments)


async def _measured_in(folder: Path, arguments: Sequence[str]) -> dict[str, Any]:
    """Run the process in an empty folder."""
    coordinator = _Busy()  # type: ignore[abstract]  # one of its calls is made
    service = "miyabi.coordinator.v1.CoordinatorService"
    registration = (add_CoordinatorServiceServicer_to_server, coordinator, service)
    async with EmbeddedValkey(folder / "valkey") as valkey, running_server(registration) as target:
        command = [sys.executable, "-m", "benchmarks.monitor.measuring", "--coordinator", target, "--redis", valkey.url]
        spec = ProcessSpec("measuring", [*command, *arguments], {}, folder / "measuring.log", announces=True)
        child = await start(spec)
        try:
            await asyncio.sleep(WARM_SECONDS)
            before, began, sent = cpu_seconds(child.pid), time.monotonic(), coordinator.sent
            await asyncio.sleep(SECONDS - WARM_SECONDS - 1)
            share = (cpu_seconds(child.pid) - before) / (time.monotonic() - began)
            rate = (coordinator.sent - sent) / (time.monotonic() - began)
            memory = rss_mib(child.pid)
            counted, stored = (0, 0) if arguments else await _counted(valkey.url, RATE * SECONDS)
        finally:
            await child.stop()
    return {
        "share_of_a_core": round(share, 4),
        "events_per_s": round(rate),
        "microseconds_an_event": round(share / rate * 1e6, 1),
        "memory_mib": round(memory),
        "counted": counted,
        "stored_bytes": stored,
    }


async def _counted(url: str, expected: int) -> tuple[int, int]:
    """Return how many events are counted once all should be, and the bytes of all buckets."""
    client = connect(url, max_connections=2)
    store, counted, size = MeasurementStore(client), 0, 0
    for _ in range(100):
        whole, stored = Bucket(), await store.load(await store.names())
        for fields in stored.values():
            whole.merge(Bucket.decode(fields))
        counted = sum(tally.amount for key, tally in whole.tallies.items() if key.what is What.EVENTS)
        size = sum(len(name) + len(value) for fields in stored.values() for name, value in fields.items())
        if counted >= expected:
            break
        await asyncio.sleep(0.2)
    await client.aclose()
    return counted, size
