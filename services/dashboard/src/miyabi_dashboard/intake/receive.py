"""Takes events over HTTP, one or many at once, and lists those that are stored."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from aiohttp import web

from miyabi_core.access.identity import current_identity
from miyabi_core.edge import InvalidJsonError, strict_json
from miyabi_core.text import split_lines
from miyabi_dashboard.intake.buckets import Buckets
from miyabi_dashboard.intake.events import EVENT_SCHEMA, InvalidEventError, check
from miyabi_dashboard.intake.store import IntakeStore, Stored
from miyabi_dashboard.live.hub import Hub
from miyabi_dashboard.live.told import Told
from miyabi_dashboard.policy import INTAKE, READ
from miyabi_dashboard.serving.incoming import BESIDE_BYTES, JSON, NDJSON, bad_field, body_of, cursor_of, json_of
from miyabi_dashboard.serving.parameters import MOST_NUMBER, REPOSITORY, array_of, object_of, text, whole
from miyabi_dashboard.serving.query import Query
from miyabi_dashboard.serving.routes import Route

#: Events of one POST to /api/events, and of one answer.
MAX_EVENTS = 1000
_ONE = object_of(success={"const": True}, id={"type": "string"}, repeated={"type": "boolean"})
_MANY = object_of(success={"const": True}, ids=array_of({"type": "string"}), repeated={"type": "integer"})
_STORED = object_of(events=array_of({"type": "object"}), lastId={"type": "string"}, complete={"type": "boolean"})
_LIST = {
    "anyOf": [
        {"type": "array", "items": EVENT_SCHEMA, "minItems": 1, "maxItems": MAX_EVENTS},
        {
            "type": "object", "required": ["events"], "additionalProperties": False,
            "properties": {"events": {"type": "array", "items": EVENT_SCHEMA, "minItems": 1, "maxItems": MAX_EVENTS}},
        },
    ]
}  # fmt: skip


class Receiver:
    """Serves the intake.

    Args:
        store: Keeps events.
        hub: Shows them.
        buckets: How much each sender may send.
        knows_callers: False: senders are told apart by their addresses.
    """

    def __init__(self, store: IntakeStore, hub: Hub, buckets: Buckets, *, knows_callers: bool) -> None:
        self._store = store
        self._hub = hub
        self._buckets = buckets
        self._knows_callers = knows_callers

    def routes(self) -> list[Route]:
        """Return the routes."""
        filters = (
            text("after", "Only events behind this id.", maxLength=41),
            text("type", "Only of this type.", maxLength=64),
            text("agent", "Only of this agent.", maxLength=128),
            REPOSITORY,
            whole("issue", "Only of this issue.", 0, MOST_NUMBER),
            whole("limit", "Events, at most.", 1, MAX_EVENTS, default=MAX_EVENTS),
        )
        many = "Report up to 1,000 events: all of them are taken, or none."
        return [
            Route("POST", "/api/agent-event", self._one, "Report an event.", _ONE, INTAKE, body=EVENT_SCHEMA),
            Route("POST", "/api/events", self._many, many, _MANY, INTAKE, body=_LIST, body_types=(JSON, NDJSON)),
            Route("GET", "/api/events", self._stored, "Events that were reported.", _STORED, READ, filters),
        ]

    async def _one(self, request: web.Request, query: Query) -> Any:
        """Take one event."""
        del query
        event = check(await json_of(request))
        self._buckets.take(self._sender(request), 1)
        (stored,) = await self._take([event])
        return {"success": True, "id": stored.id, "repeated": stored.repeated}

    async def _many(self, request: web.Request, query: Query) -> Any:
        """Take a list of events: all of them, or none."""
        del query
        is_lines = request.content_type == NDJSON
        body = await _lines_of(request) if is_lines else await json_of(request)
        events = _listed(body)
        if not isinstance(events, list) or not 0 < len(events) <= MAX_EVENTS:
            message = f"must be a list of 1 to {MAX_EVENTS} events"
            raise InvalidEventError([{"field": "events", "message": message, "received": type(events).__name__}])
        checked = [check(event, prefix=f"events[{position}].") for position, event in enumerate(events)]
        self._buckets.take(self._sender(request), len(checked))
        stored = await self._take(checked)
        return {"success": True, "ids": [one.id for one in stored], "repeated": sum(one.repeated for one in stored)}

    def _sender(self, request: web.Request) -> str:
        """Return what tells senders apart."""
        return current_identity().name if self._knows_callers else request.remote or ""

    async def _take(self, events: list[dict[str, Any]]) -> list[Stored]:
        """Store events, then show those that are new."""
        caller = current_identity().name if self._knows_callers else ""
        stored = await self._store.append(events, caller=caller)
        # Ours last: what comes from outside is never taken for it, whatever else it has to say.
        new = (
            {**event, "id": one.id, "source": "external"}
            for event, one in zip(events, stored, strict=True)
            if not one.repeated
        )
        self._hub.publish(map(Told.of_intake, new))
        return stored

    async def _stored(self, request: web.Request, query: Query) -> Any:
        """Answer stored events behind a cursor."""
        del request
        after = cursor_of(query.get("after", ""))
        page = await self._store.after(after, limit=query["limit"], matches=_filter(query))
        return {"events": page.events, "lastId": page.last, "complete": page.complete}


def _listed(body: Any) -> Any:
    """Return the events of a body: a list, or an object that holds one and nothing else."""
    if isinstance(body, dict) and body.keys() - {"events"}:
        name = min(body.keys() - {"events"})
        raise bad_field(name, "is no field of this request")
    return body.get("events") if isinstance(body, dict) else body


async def _lines_of(request: web.Request) -> list[Any]:
    """Read a body of lines, a JSON value each (github.com/ndjson/ndjson-spec); empty ones count not.

    Raises:
        InvalidEventError: a line is no JSON; it is named by its place among the events.
    """
    body = await body_of(request, NDJSON)
    return await asyncio.to_thread(_parsed, body) if len(body) > BESIDE_BYTES else _parsed(body)


def _parsed(body: bytes) -> list[Any]:
    """Return the values of lines."""
    values: list[Any] = []
    for line in split_lines(body):
        if not line.strip():
            continue
        try:
            values.append(strict_json.loads(line))
        except InvalidJsonError as error:
            raise bad_field(f"events[{len(values)}]", str(error)) from error
    return values


def _filter(query: Query) -> Callable[[dict[str, Any]], bool]:
    """Return what tells whether an event is asked for."""
    names = {"type": "eventType", "agent": "agentId", "repository": "repository", "issue": "issueNumber"}
    wanted = {field: query[name] for name, field in names.items() if name in query}
    return lambda event: all(event.get(field) == value for field, value in wanted.items())
