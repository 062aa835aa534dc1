"""A coordinator that a test plays by hand over real gRPC, and an agent process in miniature attached to it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import grpc
import pytest

from miyabi.common.v1.task_kind_pb2 import TaskKind
from miyabi.coordinator.v1 import dispatch_service_pb2 as pb
from miyabi.coordinator.v1.dispatch_service_pb2_grpc import (
    DispatchServiceServicer,
    DispatchServiceStub,
    add_DispatchServiceServicer_to_server,
)
from miyabi.coordinator.v1.result_pb2 import TriageResult
from miyabi.github_gateway.v1.github_gateway_service_pb2_grpc import GitHubGatewayServiceStub
from miyabi_agents.dispatch.client import AttachClient
from miyabi_agents.dispatch.runner import TaskRunner
from miyabi_agents.environments import EnvironmentStore
from miyabi_agents.feedback import Limits
from miyabi_agents.model import ModelClient
from miyabi_agents.ports import TaskContext
from miyabi_agents.sandbox import ProcessSandbox
from miyabi_agents.settings import AgentsSettings
from miyabi_agents.workspace import GitWorkspaces
from miyabi_core.channel import open_channel
from miyabi_core.proto_time import to_duration
from miyabi_core.testing import running_server

NAME = "miyabi.coordinator.v1.DispatchService"
BATCH = "batches/01ARZ3NDEKTSV4RRFFQ69G5FAV"
#: Nothing here takes this long unless it is broken.
PATIENCE = 10.0

Script = Callable[[pb.Lease, TaskContext], Awaitable[pb.Outcome]]


class Stream:
    """One stream of an agent, as the coordinator sees it."""

    def __init__(self) -> None:
        self.to_send: asyncio.Queue[pb.AttachResponse | grpc.StatusCode | None] = asyncio.Queue()
        self.hello = pb.Hello()
        self.heartbeats: list[pb.Heartbeat] = []
        self.progress: list[pb.Progress] = []
        self.outcomes: list[pb.Outcome] = []
        self.messages = 0
        self.changed = asyncio.Condition()

    async def take(self, request: pb.AttachRequest) -> None:
        """Note what the agent says."""
        async with self.changed:
            self.messages += 1
            if request.HasField("hello"):
                self.hello = request.hello
            if request.HasField("heartbeat"):
                self.heartbeats.append(request.heartbeat)
            self.progress.extend(request.progress)
            self.outcomes.extend(request.outcomes)
            self.changed.notify_all()

    async def until(self, fact: Callable[[Stream], object]) -> None:
        """Wait until *fact* holds of what the agent said."""
        async with asyncio.timeout(PATIENCE), self.changed:
            await self.changed.wait_for(lambda: bool(fact(self)))

    def send(self, **fields: Any) -> None:
        """Send a message down."""
        self.to_send.put_nowait(pb.AttachResponse(**fields))

    def welcome(self, *, heartbeat: timedelta = timedelta(seconds=5), **fields: Any) -> None:
        """Answer the hello."""
        self.send(welcome=pb.Welcome(heartbeat_interval=to_duration(heartbeat), **fields))

    def acknowledge(self, reference: pb.LeaseReference, *, accepted: bool = True) -> None:
        """Acknowledge an outcome."""
        self.send(acknowledgements=[pb.OutcomeAcknowledgement(reference=reference, accepted=accepted)])

    def end(self, code: grpc.StatusCode | None = None) -> None:
        """End the stream, well or with an error."""
        self.to_send.put_nowait(code)


class ScriptedDispatch(DispatchServiceServicer):
    """Hands each stream to the test."""

    def __init__(self) -> None:
        self.streams: asyncio.Queue[Stream] = asyncio.Queue()

    async def Attach(  # noqa: N802
        self, requests: AsyncIterator[pb.AttachRequest], context: Any
    ) -> AsyncIterator[pb.AttachResponse]:
        stream = Stream()

        async def read() -> None:
            async for request in requests:
                await stream.take(request)

        reader = asyncio.ensure_future(read())
        self.streams.put_nowait(stream)
        try:
            while (response := await stream.to_send.get()) is not None:
                if isinstance(response, grpc.StatusCode):
                    await context.abort(response, "as the test wants it")
                yield response
        finally:
            reader.cancel()
            await asyncio.gather(reader, return_exceptions=True)

    async def attached(self) -> Stream:
        """Wait for the next stream and its hello."""
        async with asyncio.timeout(PATIENCE):
            stream = await self.streams.get()
        await stream.until(lambda seen: seen.hello.agent_id)
        return stream


class ScriptedAgent:
    """Runs tasks as the test says."""

    kind = "scripted"
    capabilities = frozenset({TaskKind.TASK_KIND_TRIAGE, TaskKind.TASK_KIND_IMPLEMENT})

    def __init__(self, script: Script) -> None:
        self._script = script

    async def run(self, task: pb.Lease, context: TaskContext) -> pb.Outcome:
        """Follow the script."""
        return await self._script(task, context)


def lease(number: int = 1, *, fence: int = 1, **fields: Any) -> pb.Lease:
    """Return a triage lease of issue *number*."""
    reference = pb.LeaseReference(task=f"{BATCH}/runs/{number}/tasks/triage", fencing_token=fence)
    return pb.Lease(reference=reference, **{"kind": TaskKind.TASK_KIND_TRIAGE, "attempt": 1, **fields})


def triaged(analysis: str = "seen") -> pb.Outcome:
    """Return a good outcome."""
    return pb.Outcome(triage=TriageResult(type="bug", analysis=analysis))


class Bench:
    """Everything that a dispatch test plays with."""

    def __init__(self, coordinator: ScriptedDispatch, settings: AgentsSettings, address: str) -> None:
        self.coordinator = coordinator
        self.settings = settings
        self.stop = asyncio.Event()
        self._address = address

    def runner(self, script: Script, channel: grpc.aio.Channel) -> TaskRunner:
        """Return a runner of *script*."""
        sandbox = ProcessSandbox(unsafe=True)
        return TaskRunner(
            agents=dict.fromkeys((TaskKind.TASK_KIND_TRIAGE, TaskKind.TASK_KIND_IMPLEMENT), ScriptedAgent(script)),
            github=GitHubGatewayServiceStub(channel),
            models=ModelClient(self.settings),
            workspaces=GitWorkspaces(self.settings.git_url, self.settings.data_dir),
            sandbox=sandbox,
            environments=EnvironmentStore(self.settings, sandbox),
            settings=self.settings,
        )

    @asynccontextmanager
    async def agent(self, script: Script, *, limits: Limits | None = None) -> AsyncIterator[asyncio.Task[None]]:
        """Run an agent; it is stopped at the end of the block."""
        async with open_channel(self._address, service=NAME) as channel:
            client = AttachClient(DispatchServiceStub(channel), self.runner(script, channel), limits=limits)
            task = asyncio.ensure_future(client.run(self.stop))
            try:
                yield task
            finally:
                self.stop.set()
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)


@pytest.fixture
async def bench(tmp_path):
    """Serve a scripted coordinator."""
    coordinator = ScriptedDispatch()
    settings = AgentsSettings(
        agent_id="agent-1", data_dir=tmp_path, slots=8, drain=timedelta(seconds=5), anthropic_api_key=None
    )
    async with running_server((add_DispatchServiceServicer_to_server, coordinator, NAME)) as address:
        yield Bench(coordinator, settings, address)


@pytest.fixture
def make_lease():
    """Make leases."""
    return lease


@pytest.fixture
def make_outcome():
    """Make good outcomes."""
    return triaged
