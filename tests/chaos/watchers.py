"""Watchers that follow batches through everything, and note what no watcher may see."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import grpc

from miyabi.coordinator.v1 import coordinator_service_pb2 as pb
from miyabi.coordinator.v1.coordinator_service_pb2_grpc import CoordinatorServiceStub
from miyabi.coordinator.v1.event_pb2 import BatchEvent
from miyabi_core.channel import open_channel

SERVICE = "miyabi.coordinator.v1.CoordinatorService"
#: Codes of a connection that broke or of a replica that is away: the watcher comes back.
#: RESOURCE_EXHAUSTED is GitHub's limit: the call says when to come back.
BROKEN = frozenset(
    {
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.CANCELLED,
        grpc.StatusCode.ABORTED,
        grpc.StatusCode.RESOURCE_EXHAUSTED,
    }
)
#: Pause before a watcher comes back, in seconds.
PAUSE = 0.2


@dataclass
class Seen:
    """What a watcher saw of one batch."""

    name: str
    events: list[BatchEvent] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    reconnects: int = 0
    finished: bool = False

    def take(self, event: BatchEvent) -> None:
        """Take one event; only the next one of the sequence is right."""
        if not event.sequence:
            return
        expected = len(self.events) + 1
        if event.sequence != expected:
            self.problems.append(f"{self.name}: event {event.sequence} in the place of {expected}")
        self.events.append(event)
        self.finished = event.HasField("batch_finished")


class Watchers:
    """Submits batches, and follows each with several watchers, until it has finished."""

    def __init__(self) -> None:
        self.seen: list[Seen] = []
        self.codes: Counter[str] = Counter()

    async def submit(self, target: str, request: pb.SubmitBatchRequest) -> str:
        """Submit until the batch is accepted, always with the same request id; returns its name."""
        while True:
            async with open_channel(target, service=SERVICE) as channel:
                stub: Any = CoordinatorServiceStub(channel)
                try:
                    async for answer in stub.SubmitBatch(request):
                        return str(answer.events[0].batch)
                except grpc.aio.AioRpcError as error:
                    self._note(error)
            await asyncio.sleep(PAUSE)

    async def follow(self, target: str, name: str) -> Seen:
        """Follow a batch to its end, through broken connections."""
        seen = Seen(name)
        self.seen.append(seen)
        async with open_channel(target, service=SERVICE) as channel:
            stub: Any = CoordinatorServiceStub(channel)
            while not seen.finished:
                request = pb.WatchBatchRequest(name=name, after_sequence=len(seen.events), committed_only=True)
                try:
                    async for answer in stub.WatchBatch(request):
                        for event in answer.events:
                            seen.take(event)
                except grpc.aio.AioRpcError as error:
                    self._note(error)
                if not seen.finished:
                    seen.reconnects += 1
                    await asyncio.sleep(PAUSE)
        return seen

    async def read(self, target: str, name: str) -> pb.GetBatchResponse:
        """Return the stored batch."""
        async with open_channel(target, service=SERVICE) as channel:
            stub: Any = CoordinatorServiceStub(channel)
            answer: pb.GetBatchResponse = await stub.GetBatch(pb.GetBatchRequest(name=name), timeout=30)
            return answer

    def _note(self, error: grpc.aio.AioRpcError) -> None:
        """Count a broken connection; any other refusal is an error."""
        self.codes[error.code().name] += 1
        if error.code() not in BROKEN:
            raise error
