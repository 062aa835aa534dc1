"""Attaches to the coordinator, and stays attached: through restarts of either side nothing is lost."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from dataclasses import dataclass
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
    from miyabi_agents.feedback import Limits

#: Pause before attaching again; it doubles to the limit below.
FIRST_DELAY = timedelta(milliseconds=200)
#: Longest pause; a coordinator that is back is found within this time.
LONGEST_DELAY = timedelta(seconds=5)
#: Heartbeats until the welcome says how often.
DEFAULT_HEARTBEAT = timedelta(seconds=5)
#: Streamed text is collected this long, so that many pieces travel in one message; nobody sees the difference.
COALESCE = timedelta(milliseconds=20)

#: Learns whether the agent is attached.
Attached = Callable[[bool], Awaitable[None]]

_LOG = get_logger(__name__)


@dataclass
class _Attachment:
    """One stream's own state: gone with it, so that an old stream takes nothing from a new one."""

    heartbeat: timedelta = DEFAULT_HEARTBEAT
    drained: bool = False  #: the coordinator asked us to take no more on this stream
    over: bool = False
    welcomed: bool = False


class AttachClient:
    """Runs leases from one coordinator after another.

    Args:
        stub: The dispatch service.
        runner: Runs the tasks.
        attached: Told True when a coordinator has taken the agent in, False when the stream has ended.
        limits: What heartbeats tell of targets; None: nothing.
    """

    def __init__(
        self,
        stub: DispatchServiceAsyncStub,
        runner: TaskRunner,
        *,
        attached: Attached | None = None,
        limits: Limits | None = None,
    ) -> None:
        self._stub = stub
        self._attached = attached
        self._runner = runner
        self._settings = runner.settings
        self._outbox = Outbox()
        self._limits = limits
        if limits is not None:
            limits.on_news = self._outbox.filled.set
        self._running: dict[tuple[str, int], tuple[Lease, asyncio.Task[None]]] = {}
        self._stopping = False

    async def run(self, stop: asyncio.Event) -> None:
        """Stay attached until *stop* is set, then finish what there is and hand back the rest."""
        async with asyncio.TaskGroup() as tasks:
            attached = tasks.create_task(self._stay_attached(tasks))
            await stop.wait()
            self._stopping = True
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
            attachment = _Attachment()
            try:
                await self._attach(attachment, tasks)
            except grpc.aio.AioRpcError as error:
                _LOG.info("coordinator.lost", code=error.code().name)
            delay = FIRST_DELAY if attachment.welcomed else min(delay * 2, LONGEST_DELAY)
            await asyncio.sleep(delay.total_seconds())

    async def _attach(self, attachment: _Attachment, tasks: asyncio.TaskGroup) -> None:
        """Attach once, until the stream ends."""
        self._outbox.reconnected()
        call = self._stub.Attach(self._requests(attachment))
        try:
            async for response in call:
                self._take(response, attachment, tasks)
                if response.HasField("welcome") and self._attached is not None:
                    await self._attached(True)
        finally:
            # The library goes on asking our iterator after the server ended the stream, and loses what it gets.
            attachment.over = True
            self._outbox.filled.set()
            call.cancel()
            if self._attached is not None:
                await self._attached(False)

    async def _requests(self, attachment: _Attachment) -> AsyncIterator[AttachRequest]:
        """Yield the hello, then whatever waits in the outbox, and heartbeats however much that is."""
        yield AttachRequest(hello=self._hello())
        loop = asyncio.get_running_loop()
        announced, beat = False, loop.time() + attachment.heartbeat.total_seconds()
        while not attachment.over:
            draining = self._stopping or attachment.drained
            beat = min(beat, loop.time() + attachment.heartbeat.total_seconds())
            early = self._limits.due() if self._limits and attachment.welcomed else beat
            if loop.time() >= min(beat, early) or (draining and not announced):
                yield AttachRequest(heartbeat=self._heartbeat(draining=draining))
                announced, beat = draining, loop.time() + attachment.heartbeat.total_seconds()
            elif (message := self._outbox.take()) is not None:
                yield message
                if not message.outcomes:
                    await asyncio.sleep(COALESCE.total_seconds())
            else:
                await self._something_to_send(until=min(beat, early))

    async def _something_to_send(self, *, until: float) -> None:
        """Wait for the outbox to fill, at most until a time of the loop."""
        try:
            async with asyncio.timeout_at(until):
                await self._outbox.filled.wait()
        except TimeoutError:
            return

    def _heartbeat(self, *, draining: bool) -> Heartbeat:
        """Say what is worked on, and what was seen of targets."""
        limits = self._limits.reports() if self._limits else []
        return Heartbeat(held=self._held(), draining=draining, limits=limits)

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

    def _take(self, response: AttachResponse, attachment: _Attachment, tasks: asyncio.TaskGroup) -> None:
        """Act on a message from the coordinator."""
        if response.HasField("welcome"):
            _LOG.info("coordinator.attached", lost=len(response.welcome.lost))
            attachment.welcomed = True
            attachment.heartbeat = from_duration(response.welcome.heartbeat_interval) or DEFAULT_HEARTBEAT
            self._cancel(response.welcome.lost)
            self._outbox.filled.set()
        if self._limits is not None and response.HasField("limits"):
            self._limits.take(response.limits)
        for acknowledgement in response.acknowledgements:
            if not acknowledgement.accepted:
                _LOG.info("outcome.refused", task=acknowledgement.reference.task, reason=acknowledgement.reason)
            self._outbox.forget(acknowledgement.reference)
        self._cancel(cancellation.reference for cancellation in response.cancellations)
        if response.HasField("drain"):
            _LOG.info("coordinator.drains", reason=response.drain.reason)
            attachment.drained = True
            self._outbox.filled.set()
        for lease in response.leases:
            key = key_of(lease.reference)
            if key not in self._running:
                self._running[key] = (lease, tasks.create_task(self._work(lease)))

    def _cancel(self, references: Iterable[LeaseReference]) -> None:
        """Stop the work of leases that are not ours any more."""
        for reference in references:
            running = self._running.get(key_of(reference))
            if running is not None:
                _LOG.info("lease.cancelled", task=reference.task)
                running[1].cancel()
            self._outbox.forget(reference)

    async def _work(self, lease: Lease) -> None:
        """Run one lease; a cancelled one leaves no outcome."""
        try:
            outcome = await self._runner.run(lease, self._outbox.progress)
        except asyncio.CancelledError:
            # What it reported while it was stopped has no lease any more.
            self._outbox.forget_reports(lease.reference)
            raise
        finally:
            self._running.pop(key_of(lease.reference), None)
        self._outbox.outcome(outcome)
