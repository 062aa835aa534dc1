"""Reads from the coordinator: batches for the HTTP interface, and one stream of all events for everyone."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import grpc
from google.protobuf.json_format import MessageToDict
from prometheus_client import Counter

from miyabi.coordinator.v1 import coordinator_service_pb2 as pb
from miyabi.coordinator.v1.coordinator_service_pb2_grpc import CoordinatorServiceStub
from miyabi.coordinator.v1.event_pb2 import BatchEvent
from miyabi_core.access.security import PLAIN, ClientSecurity
from miyabi_core.channel import open_channel
from miyabi_core.logging import get_logger
from miyabi_core.metrics import REGISTRY
from miyabi_dashboard.door.caller import caller_token

if TYPE_CHECKING:
    from miyabi.coordinator.v1.coordinator_service_pb2_grpc import CoordinatorServiceAsyncStub

#: Full name of what is called.
SERVICE = "miyabi.coordinator.v1.CoordinatorService"
#: Seconds for a call that answers once.
CALL_SECONDS = 5.0
#: Seconds for a batch with its runs: ten thousand of them take a coordinator on busy cores a while.
WHOLE_SECONDS = 20.0
#: Batches of more runs are written as JSON beside the event loop.
BESIDE_RUNS = 50
#: Pause before the event stream is opened again; it doubles to the limit below.
FIRST_DELAY = timedelta(milliseconds=200)
#: Longest pause.
LONGEST_DELAY = timedelta(seconds=5)

WHOLE_READS = Counter(
    "miyabi_dashboard_batch_reads_total", "Times that the coordinator was asked for a batch with its runs.",
    registry=REGISTRY,
)  # fmt: skip

_LOG = get_logger(__name__)


def as_dict(message: Any) -> dict[str, Any]:
    """Return a message as JSON, with the proto's own field names."""
    return dict(MessageToDict(message, preserving_proto_field_name=True, always_print_fields_with_no_presence=True))


class Upstream:
    """The coordinator, as the dashboard sees it.

    Args:
        target: host:port.
        security: What the dashboard shows.
    """

    def __init__(self, target: str, security: ClientSecurity = PLAIN) -> None:
        self._channel = open_channel(target, service=SERVICE, security=security)
        self.stub: CoordinatorServiceAsyncStub = CoordinatorServiceStub(self._channel)
        # What people do goes out in their name, so that ownership and the audit see them.
        theirs = replace(security, token=lambda: caller_token() or (security.token() if security.token else ""))
        self._acting = open_channel(target, service=SERVICE, security=theirs if security.token else security)
        self.acting: CoordinatorServiceAsyncStub = CoordinatorServiceStub(self._acting)
        self.connected = False

    async def close(self) -> None:
        """Close the channels."""
        await self._channel.close()
        await self._acting.close()

    async def batches(self, *, limit: int = 50) -> list[dict[str, Any]]:
        """Return the newest batches.

        Raises:
            grpc.aio.AioRpcError: the coordinator refused or is out of reach.
        """
        answer = await self.stub.ListBatches(pb.ListBatchesRequest(page_size=limit), timeout=CALL_SECONDS)
        return [as_dict(batch) for batch in answer.batches]

    async def batch(self, name: str) -> dict[str, Any]:
        """Return a batch with its runs, and the results of those that ended.

        Raises:
            grpc.aio.AioRpcError: there is none, or the coordinator is out of reach.
        """
        answer = await self.whole_batch(name)
        return await asyncio.to_thread(as_dict, answer) if len(answer.runs) > BESIDE_RUNS else as_dict(answer)

    async def whole_batch(self, name: str) -> pb.GetBatchResponse:
        """Return a batch with its runs as the coordinator sent it.

        Raises:
            grpc.aio.AioRpcError: there is none, or the coordinator is out of reach.
        """
        WHOLE_READS.inc()
        return await self.stub.GetBatch(pb.GetBatchRequest(name=name), timeout=WHOLE_SECONDS)

    async def run(self, name: str) -> dict[str, Any]:
        """Return a run with its results; of a change its diff, without the whole files.

        Raises:
            grpc.aio.AioRpcError: there is none, or the coordinator is out of reach.
        """
        answer = await self.stub.GetIssueRun(pb.GetIssueRunRequest(name=name), timeout=CALL_SECONDS)
        for change in (answer.run.change_set, answer.run.documentation.change_set):
            for file in change.files:
                file.ClearField("content")
        return as_dict(answer)

    async def agents(self) -> list[dict[str, Any]]:
        """Return the attached agents.

        Raises:
            grpc.aio.AioRpcError: the coordinator is out of reach.
        """
        answer = await self.stub.ListAgents(pb.ListAgentsRequest(), timeout=CALL_SECONDS)
        return [as_dict(agent) for agent in answer.agents]

    async def follow(self, take: Callable[[list[BatchEvent]], None], reached: Callable[[bool], None]) -> None:
        """Give every event to *take*, through broken connections, until cancelled; *reached* is told each change."""
        cursor, delay = "", FIRST_DELAY
        while True:
            try:
                async for answer in self.stub.WatchEvents(pb.WatchEventsRequest(cursor=cursor)):
                    if not self.connected:
                        self.connected, delay = True, FIRST_DELAY
                        reached(True)
                    cursor = answer.cursor or cursor
                    if answer.events:
                        take(list(answer.events))
            except grpc.aio.AioRpcError as error:
                if error.code() is grpc.StatusCode.INVALID_ARGUMENT:
                    cursor = ""
                _LOG.info("coordinator.lost", code=error.code().name)
            if self.connected:
                self.connected = False
                reached(False)
            await asyncio.sleep(delay.total_seconds())
            delay = min(delay * 2, LONGEST_DELAY)
