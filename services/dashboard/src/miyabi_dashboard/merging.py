"""Merges the coordinator's events and the intake's behind one opaque cursor."""

from __future__ import annotations

import asyncio
import base64
import json
import re
from dataclasses import asdict, dataclass

import grpc
import redis.asyncio

from miyabi.coordinator.v1 import coordinator_service_pb2 as coordinator_pb
from miyabi.dashboard.v1 import telemetry_service_pb2 as pb
from miyabi_core.edge import strict_json
from miyabi_core.errors import InvalidArgumentError, UnavailableError
from miyabi_core.status import from_rpc_error
from miyabi_dashboard.intake import watching
from miyabi_dashboard.intake.store import IntakeStore
from miyabi_dashboard.upstream import Upstream

#: An id of the intake's stream.
_ID = re.compile(r"[0-9]{1,20}-[0-9]{1,20}")
#: Where answers wait to be sent: one, so that a slow client holds both sources up and none is dropped.
Answers = asyncio.Queue[pb.WatchEventsResponse]


@dataclass
class Cursors:
    """How far each source was sent.

    Args:
        coordinator: Its own cursor; empty: from now.
        intake: Id of an event of the intake.
    """

    coordinator: str
    intake: str

    def pack(self) -> str:
        """Return both as one text."""
        return base64.urlsafe_b64encode(json.dumps(asdict(self)).encode()).decode()

    @classmethod
    def unpack(cls, cursor: str) -> Cursors:
        """Read what `pack` made; an id of the intake that is not there is empty, as in cursors of before it was.

        Raises:
            InvalidArgumentError: it is not one of ours.
        """
        try:
            stored = strict_json.loads(base64.urlsafe_b64decode(cursor))
            cursors = cls(str(stored["coordinator"]), str(stored.get("intake", "")))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise _bad_cursor() from error
        if cursors.intake and not _ID.fullmatch(cursors.intake):
            raise _bad_cursor()
        return cursors


class Merged:
    """Both sources.

    Args:
        upstream: The coordinator.
        store: Where the intake's events are.
        client: The state store.
    """

    def __init__(self, upstream: Upstream, store: IntakeStore, client: redis.asyncio.Redis) -> None:
        self._upstream = upstream
        self._store = store
        self._client = client

    async def start(self, request: pb.WatchEventsRequest) -> Cursors:
        """Return where a stream begins: behind its cursor, or now.

        Raises:
            InvalidArgumentError: the cursor is not one of ours.
            UnavailableError: the store did not answer.
        """
        cursors = Cursors.unpack(request.cursor) if request.cursor else Cursors("", "")
        cursors.intake = cursors.intake or await watching.newest_id(self._client)
        return cursors

    async def coordinator(self, request: pb.WatchEventsRequest, cursors: Cursors, answers: Answers) -> None:
        """Put the coordinator's events into *answers*; the first answer is a cursor without events, at once.

        Raises:
            MiyabiError: the coordinator was lost, or refused its cursor.
        """
        wanted = coordinator_pb.WatchEventsRequest(cursor=cursors.coordinator, repository=request.repository)
        try:
            async for answer in self._upstream.stub.WatchEvents(wanted):
                events = [pb.TelemetryEvent(batch_event=event) for event in answer.events]
                cursors.coordinator = answer.cursor or cursors.coordinator
                await answers.put(pb.WatchEventsResponse(events=events, cursor=cursors.pack()))
        except grpc.aio.AioRpcError as error:
            raise from_rpc_error(error) from error
        # Nobody would hear of the coordinator any more on a stream that seems whole.
        raise UnavailableError("the coordinator ended its stream of events", reason="SHUTTING_DOWN")

    async def intake(self, request: pb.WatchEventsRequest, cursors: Cursors, answers: Answers) -> None:
        """Put the intake's events into *answers*.

        Raises:
            UnavailableError: the store did not answer.
        """
        async for found, cursor in watching.follow(self._store, cursors.intake, repository=request.repository):
            cursors.intake = cursor
            if found:
                events = [pb.TelemetryEvent(intake_event=event) for event in found]
                await answers.put(pb.WatchEventsResponse(events=events, cursor=cursors.pack()))


def _bad_cursor() -> InvalidArgumentError:
    return InvalidArgumentError("cursor: not one of this service", reason="BAD_CURSOR")
