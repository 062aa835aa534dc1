"""A coordinator that has logs and nothing else, over real gRPC: it sends what is appended, from any cursor."""

# ruff: noqa: N802 - gRPC names the methods

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from typing import Any

from miyabi.coordinator.v1 import batch_pb2, event_pb2, limits_pb2
from miyabi.coordinator.v1 import coordinator_service_pb2 as pb
from miyabi.coordinator.v1.coordinator_service_pb2_grpc import CoordinatorServiceServicer
from miyabi_core.errors import InvalidArgumentError, NotFoundError

#: Events of one answer: few, so that a log is many answers.
TOGETHER = 50


class LoggedCoordinator(CoordinatorServiceServicer):
    """Has the events that were appended; `slots` are those of its one agent."""

    def __init__(self) -> None:
        self.events: list[event_pb2.BatchEvent] = []
        self.slots = 0
        #: Steps of limits, newest first.
        self.steps: list[limits_pb2.LimitStep] = []
        self.refuses_cursors = False
        #: Streams of all events that end without an error behind their first answer, as none should.
        self.ends_streams = 0
        #: Seconds that the newest reader of a log has allowed for it.
        self.allowed = 0.0
        #: The same of the newest reader of a batch with its runs.
        self.allowed_batch = 0.0
        self._grown = asyncio.Condition()

    async def append(self, events: Iterable[event_pb2.BatchEvent]) -> None:
        """Commit events."""
        async with self._grown:
            self.events.extend(events)
            self._grown.notify_all()

    async def GetBatch(self, request: pb.GetBatchRequest, context: Any) -> pb.GetBatchResponse:
        """Return a batch's name and its newest sequence."""
        self.allowed_batch = context.time_remaining()
        log = self._log(request.name)
        return pb.GetBatchResponse(batch=batch_pb2.Batch(name=request.name, last_sequence=log[-1].sequence))

    async def ListAgents(self, request: pb.ListAgentsRequest, context: Any) -> pb.ListAgentsResponse:
        """Return the agent."""
        del request, context
        return pb.ListAgentsResponse(agents=[batch_pb2.Agent(name="agents/one", slots=self.slots)])

    async def ListLimitSteps(self, request: pb.ListLimitStepsRequest, context: Any) -> pb.ListLimitStepsResponse:
        """Return the steps of limits."""
        del context
        start = request.start_time.ToNanoseconds()
        return pb.ListLimitStepsResponse(steps=[step for step in self.steps if step.time.ToNanoseconds() >= start])

    async def WatchBatch(self, request: pb.WatchBatchRequest, context: Any) -> AsyncIterator[pb.WatchBatchResponse]:
        """Send a log as it is."""
        self.allowed = context.time_remaining()
        log = [event for event in self._log(request.name) if event.sequence > request.after_sequence]
        for start in range(0, len(log), TOGETHER):
            yield pb.WatchBatchResponse(events=log[start : start + TOGETHER])

    async def WatchEvents(self, request: pb.WatchEventsRequest, context: Any) -> AsyncIterator[pb.WatchEventsResponse]:
        """Send a cursor at once, then events behind it with no end."""
        del context
        if request.cursor and self.refuses_cursors:
            raise InvalidArgumentError("cursor: not one of ours", reason="BAD_CURSOR")
        read = int(request.cursor) if request.cursor else 0 if request.from_start else len(self.events)
        yield pb.WatchEventsResponse(cursor=str(read))
        if self.ends_streams:
            self.ends_streams -= 1
            return
        while True:
            async with self._grown:
                while len(self.events) <= read:
                    await self._grown.wait()
            end = min(read + TOGETHER, len(self.events))
            events, read = self.events[read:end], end
            yield pb.WatchEventsResponse(events=events, cursor=str(read))

    def _log(self, name: str) -> list[event_pb2.BatchEvent]:
        """Return a batch's events.

        Raises:
            NotFoundError: there is no such batch.
        """
        log = [event for event in self.events if event.batch == name]
        if not log:
            raise NotFoundError("No such batch.", reason="BATCH_NOT_FOUND")
        return log
