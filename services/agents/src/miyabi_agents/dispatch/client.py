"""Attaches to the coordinator, and stays attached: through restarts of either side nothing is lost."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import TYPE_CHECKING

import grpc

from miyabi.coordinator.v1.dispatch_service_pb2 import (
    AttachRequest,
    AttachResponse,
    Heartbeat,
    Hello,
    Lease,
    LeaseReference,
)
from miyabi_agents.dispatch.outbox import Outbox, key_of
from miyabi_agents.dispatch.runner import TaskRunner, released
from miyabi_core import __version__
from miyabi_core.logging import get_logger
from miyabi_core.proto_time import from_duration

if TYPE_CHECKING:
    from miyabi.coordinator.v1.dispatch_service_pb2_grpc import DispatchServiceAsyncStub

#: Pause before attaching again; it doubles to the limit below.
FIRST_DELAY = timedelta(milliseconds=200)
#: Longest pause; a coordinator that is back is found within this time.
LONGEST_DELAY = timedelta(seconds=5)
#: Heartbeats until the welcome says how often.
DEFAULT_HEARTBEAT = timedelta(seconds=5)

_LOG = get_logger(__name__)


class AttachClient:
    """Runs leases from one coordinator after another.

    Args:
        stub: The dispatch service.
        runner: Runs the tasks.
    """

    def __init__(self, stub: DispatchServiceAsyncStub, runner: TaskRunner) -> None:
        self._stub = stub
        self._runner = runner
        self._settings = runner.settings
        self._outbox = Outbox()
        self._running: dict[tuple[str, int], tuple[Lease, asyncio.Task[None]]] = {}
        self._heartbeat = DEFAULT_HEARTBEAT
        self._draining = False
        self._detached = asyncio.Event()

    async def run(self, stop: asyncio.Event) -> None:
        """Stay attached until *stop* is set, then finish what there is and hand back the rest."""
        async with asyncio.TaskGroup() as tasks:
            attached = tasks.create_task(self._stay_attached(tasks))
            await stop.wait()
            self._draining = True
            self._outbox.filled.set()
            await self._finish()
            attached.cancel()

    async def _finish(self) -> None:
        """Let running tasks end within the drain time, hand back the others, wait for the acknowledgements."""
        running = [task for _, task in self._running.values()]
        if running:
            await asyncio.wait(running, timeout=self._settings.drain.total_seconds())
        for lease, task in list(self._running.values()):
            task.cancel()
            self._outbox.outcome(released(lease, "the agent is shutting down"))
        try:
            async with asyncio.timeout(LONGEST_DELAY.total_seconds()):
                await self._outbox.drained.wait()
        except TimeoutError:
            _LOG.warning("outcomes.unacknowledged", count=len(self._outbox.held()))

    async def _stay_attached(self, tasks: asyncio.TaskGroup) -> None:
        """Attach again and again."""
        delay = FIRST_DELAY
        while True:
            try:
                if await self._attach(tasks):
                    delay = FIRST_DELAY
            except grpc.aio.AioRpcError as error:
                _LOG.info("coordinator.lost", code=error.code().name)
            await asyncio.sleep(delay.total_seconds())
            delay = min(delay * 2, LONGEST_DELAY)

    async def _attach(self, tasks: asyncio.TaskGroup) -> bool:
        """Attach once; returns whether the coordinator welcomed us before the stream ended."""
        self._outbox.reconnected()
        welcomed = False
        async for response in self._stub.Attach(self._requests()):
            welcomed = welcomed or response.HasField("welcome")
            self._take(response, tasks)
        return welcomed

    async def _requests(self) -> AsyncIterator[AttachRequest]:
        """Yield the hello, then heartbeats and whatever waits in the outbox."""
        yield AttachRequest(hello=self._hello())
        while True:
            while (message := self._outbox.take()) is not None:
                yield message
            try:
                async with asyncio.timeout(self._heartbeat.total_seconds()):
                    await self._outbox.filled.wait()
            except TimeoutError:
                yield AttachRequest(heartbeat=Heartbeat(held=self._held(), draining=self._draining))
            if self._draining:
                yield AttachRequest(heartbeat=Heartbeat(held=self._held(), draining=True))
                await asyncio.sleep(0)

    def _hello(self) -> Hello:
        """Say who we are and what we still work on."""
        return Hello(
            agent_id=self._settings.agent_id,
            capabilities=self._runner.capabilities,
            slots=self._settings.slots,
            version=__version__,
            held=self._held(),
            simulated_model=self._settings.simulated_model,
        )

    def _held(self) -> list[LeaseReference]:
        """Return every lease that is being worked on, or whose outcome is not acknowledged."""
        held = {key: lease.reference for key, (lease, _) in self._running.items()}
        held.update((key_of(reference), reference) for reference in self._outbox.held())
        return list(held.values())

    def _take(self, response: AttachResponse, tasks: asyncio.TaskGroup) -> None:
        """Act on a message from the coordinator."""
        if response.HasField("welcome"):
            _LOG.info("coordinator.attached", lost=len(response.welcome.lost))
            self._heartbeat = from_duration(response.welcome.heartbeat_interval) or DEFAULT_HEARTBEAT
            self._cancel(response.welcome.lost)
        for acknowledgement in response.acknowledgements:
            self._outbox.acknowledged(acknowledgement.reference)
        self._cancel(cancellation.reference for cancellation in response.cancellations)
        if response.HasField("drain"):
            self._draining = True
        for lease in response.leases:
            key = key_of(lease.reference)
            if key not in self._running:
                self._running[key] = (lease, tasks.create_task(self._work(lease)))

    def _cancel(self, references: object) -> None:
        """Stop the work of leases that are not ours any more."""
        for reference in references:  # type: ignore[attr-defined]
            lease, task = self._running.get(key_of(reference), (None, None))
            if lease is not None and task is not None:
                _LOG.info("lease.cancelled", task=reference.task)
                task.cancel()
            self._outbox.acknowledged(reference)

    async def _work(self, lease: Lease) -> None:
        """Run one lease; a cancelled one leaves no outcome."""
        try:
            outcome = await self._runner.run(lease, self._outbox.progress)
        finally:
            self._running.pop(key_of(lease.reference), None)
        self._outbox.outcome(outcome)
