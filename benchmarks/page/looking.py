"""What the rows of the page share: a batch that is handed over, a page's view of it, what a dashboard counted."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp

from miyabi.common.v1.problem_pb2 import ProblemKind
from miyabi.coordinator.v1 import coordinator_service_pb2 as pb
from miyabi.coordinator.v1.coordinator_service_pb2_grpc import CoordinatorServiceStub
from miyabi.coordinator.v1.state_pb2 import Pipeline
from miyabi_coordinator.testing import REPOSITORY
from miyabi_core.channel import open_channel
from miyabi_core.ids import new_ulid

#: Full name of the service that operators call.
_COORDINATOR = "miyabi.coordinator.v1.CoordinatorService"
#: Seconds until something that was done is seen, at most.
_SEEN_SECONDS = 30


@asynccontextmanager
async def handed_over(target: str, *, issues: int, concurrency: int) -> AsyncIterator[tuple[Any, str]]:
    """Hand a batch over; yields the coordinator's stub and the batch's name."""
    async with open_channel(target, service=_COORDINATOR) as channel:
        stub: Any = CoordinatorServiceStub(channel)
        request = pb.SubmitBatchRequest(
            repository=REPOSITORY, issue_numbers=range(1, issues + 1), pipeline=Pipeline.PIPELINE_TRIAGE,
            concurrency=concurrency, request_id=new_ulid(), overrule=[ProblemKind.PROBLEM_KIND_ISSUE_IN_BATCH],
        )  # fmt: skip
        call = stub.SubmitBatch(request)
        async for answer in call:
            name = answer.events[0].batch
            call.cancel()
            break
        yield stub, name


@dataclass
class Follower:
    """A page that follows events."""

    socket: aiohttp.ClientWebSocketResponse

    async def until_state(self, state: str) -> None:
        """Wait until the batch is said to have changed to a state."""
        async with asyncio.timeout(_SEEN_SECONDS):
            while True:
                message = await self.socket.receive_json()
                changes = [entry["event"].get("batch_state_changed", {}) for entry in message.get("events", [])]
                if any(change.get("to_state") == state for change in changes):
                    return


@asynccontextmanager
async def following(http: aiohttp.ClientSession) -> AsyncIterator[Follower]:
    """Open a page's WebSocket."""
    async with http.ws_connect("/ws", max_msg_size=0) as socket:
        await socket.receive()
        yield Follower(socket)


async def counted(http: aiohttp.ClientSession, name: str) -> float:
    """Return what a dashboard counted."""
    async with http.get("/metrics") as answer:
        found = re.search(rf"^{name} (\S+)$", await answer.text(), re.MULTILINE)
    return float(found[1]) if found else 0.0
