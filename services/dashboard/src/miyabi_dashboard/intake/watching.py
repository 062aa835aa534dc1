"""Follows the events of the HTTP intake, whichever replica took them in, and renders them as messages."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import redis.asyncio
from google.protobuf.json_format import ParseDict
from pydantic import TypeAdapter
from redis.exceptions import RedisError

from miyabi.dashboard.v1 import telemetry_service_pb2 as pb
from miyabi_core.errors import UnavailableError
from miyabi_core.proto_time import to_timestamp
from miyabi_dashboard.intake.store import INTAKE_KEY, IntakeStore

#: Seconds between two looks: other replicas take events in too, and a blocking read takes a connection a stream.
PAUSE_SECONDS = 0.5
#: Events of one answer.
TOGETHER = 500
#: Fields that the message has of its own.
_OWN = frozenset({"id", "source", "eventType", "agentId", "issueNumber", "repository", "timestamp"})
_TIME: TypeAdapter[datetime] = TypeAdapter(datetime)


async def newest_id(client: redis.asyncio.Redis) -> str:
    """Return the id of the newest event; `0-0` where there is none.

    Raises:
        UnavailableError: the store did not answer.
    """
    try:
        found: Any = await client.xrevrange(INTAKE_KEY, count=1)
    except (RedisError, OSError) as error:
        raise UnavailableError("the state store did not answer", reason="STORE_UNAVAILABLE") from error
    return str(found[0][0].decode()) if found else "0-0"


async def follow(intake: IntakeStore, cursor: str, *, repository: str) -> AsyncIterator[tuple[list[Any], str]]:
    """Yield events behind an id with the id to go on from, with no end.

    Args:
        intake: Where they are stored.
        cursor: Id of an event.
        repository: Only those of this one; empty: all.

    Raises:
        UnavailableError: the store did not answer.
    """
    while True:
        page = await intake.after(
            cursor, limit=TOGETHER, matches=lambda event: repository in {"", event.get("repository")}
        )
        if page.last and page.last != cursor:
            cursor = page.last
            yield [message_of(event) for event in page.events], cursor
        if page.complete:
            await asyncio.sleep(PAUSE_SECONDS)


def message_of(event: dict[str, Any]) -> pb.IntakeEvent:
    """Return a stored event as a message."""
    message = pb.IntakeEvent(
        id=event["id"],
        event_type=event.get("eventType", ""),
        agent_id=event.get("agentId", ""),
        issue_number=event.get("issueNumber") or 0,
        repository=event.get("repository") or "",
    )
    came_in = datetime.fromtimestamp(int(event["id"].split("-")[0]) / 1000, UTC)
    message.receive_time.CopyFrom(to_timestamp(came_in))
    if (happened := event.get("timestamp")) is not None:
        # As it was checked when it came in: seconds since 1970 are a time too.
        moment = _TIME.validate_python(happened)
        message.time.CopyFrom(to_timestamp(moment if moment.tzinfo else moment.replace(tzinfo=UTC)))
    ParseDict({name: value for name, value in event.items() if name not in _OWN}, message.fields)
    return message
