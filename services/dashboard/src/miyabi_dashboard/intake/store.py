"""Stores events that come in over HTTP: one connection, whatever came meanwhile goes out together."""

from __future__ import annotations

import asyncio
import hashlib
import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import orjson
import redis.asyncio
from prometheus_client import Counter
from redis.exceptions import RedisError

from miyabi_core.edge import InvalidJsonError, strict_json
from miyabi_core.errors import UnavailableError
from miyabi_core.metrics import REGISTRY

#: Stream of the shard's intake; the dashboard alone writes it.
INTAKE_KEY = "{s0}:intake"
#: Keys of events whose senders gave them an id.
KNOWN_PREFIX = "{s0}:intake:known:"
#: Events that are kept, roughly.
MAX_EVENTS = 100_000
#: Events of one write.
MAX_TOGETHER = 256
#: Events that a filtered read looks at before it answers what it found so far.
MAX_LOOKED_AT = 20_000
#: Events of one read of the store.
_CHUNK = 1000
#: Stores an event unless its sender sent it before: the id that it has, and whether it was there already.
_ONCE = """local known = redis.call('GET', KEYS[2])
if known then return {known, 1} end
local id = redis.call('XADD', KEYS[1], 'MAXLEN', '~', ARGV[2], '*', 'source', 'external', 'event', ARGV[1])
redis.call('SET', KEYS[2], id, 'PX', ARGV[3])
return {id, 0}"""

UNREADABLE = Counter(
    "miyabi_dashboard_intake_unreadable_total",
    "Stored events that could not be read, and were left out.",
    registry=REGISTRY,
)
REPEATED = Counter(
    "miyabi_dashboard_intake_repeated_total",
    "Events that their senders had sent before, by the ids that they gave them.",
    registry=REGISTRY,
)


@dataclass(frozen=True)
class Stored:
    """Where an event is.

    Args:
        id: Grows with each event.
        repeated: True where its sender had sent it before.
    """

    id: str
    repeated: bool = False


@dataclass(frozen=True)
class Page:
    """Events behind a cursor.

    Args:
        events: That match, oldest first.
        last: Id of the last event that was looked at; empty: none was.
        complete: True where there are no more for now.
    """

    events: list[dict[str, Any]]
    last: str
    complete: bool


#: Bodies with the keys of the sender's own ids, which are stored together, and who waits.
_Waiting = tuple[list[tuple[bytes, str]], asyncio.Future[list[Stored]]]


class IntakeStore:
    """Appends events to the intake stream; an answer is given only after the store has acknowledged.

    Args:
        client: The state store.
        known_for: How long senders' own ids are known.
    """

    def __init__(self, client: redis.asyncio.Redis, *, known_for: timedelta) -> None:
        self._client = client
        self._known_for = int(known_for.total_seconds() * 1000)
        self._waiting: list[_Waiting] = []
        self._filled = asyncio.Event()

    async def run(self) -> None:
        """Write what waits, until cancelled."""
        while True:
            await self._filled.wait()
            lists = self._next()
            if not self._waiting:
                self._filled.clear()
            await self._write(lists)

    def _next(self) -> list[_Waiting]:
        """Take the lists of the next write: whole ones, as many as make enough events."""
        taken = events = 0
        while taken < len(self._waiting) and events < MAX_TOGETHER:
            events += len(self._waiting[taken][0])
            taken += 1
        lists, self._waiting = self._waiting[:taken], self._waiting[taken:]
        return lists

    async def _write(self, lists: Sequence[_Waiting]) -> None:
        """Append lists in one transaction, so that of none a part is stored, and answer each."""
        pipe = self._client.pipeline(transaction=True)
        for body, known in itertools.chain.from_iterable(events for events, _ in lists):
            if known:
                pipe.eval(_ONCE, 2, INTAKE_KEY, known, body, MAX_EVENTS, self._known_for)
            else:
                pipe.xadd(INTAKE_KEY, {"source": "external", "event": body}, maxlen=MAX_EVENTS, approximate=True)
        try:
            found = iter([_stored(entry) for entry in await pipe.execute()])
        except (RedisError, OSError):
            for _, answer in lists:
                if not answer.done():
                    answer.set_exception(UnavailableError("the state store did not answer", reason="STORE_UNAVAILABLE"))
            return
        for events, answer in lists:
            stored = list(itertools.islice(found, len(events)))
            if not answer.done():
                answer.set_result(stored)

    async def append(self, events: Sequence[dict[str, Any]], *, caller: str) -> list[Stored]:
        """Store events, all or none; one whose sender sent it before, by `eventId`, is not stored again.

        Args:
            events: As they were checked.
            caller: Identity that sent them: what others call their events is nothing to it. Empty: identity is off.

        Raises:
            UnavailableError: the store did not take them, or did not say whether it did.
        """
        answer: asyncio.Future[list[Stored]] = asyncio.get_running_loop().create_future()
        self._waiting.append(([(orjson.dumps(event), _known_key(event, caller)) for event in events], answer))
        self._filled.set()
        stored = await answer
        REPEATED.inc(sum(one.repeated for one in stored))
        return stored

    async def after(self, cursor: str, *, limit: int, matches: Callable[[dict[str, Any]], bool]) -> Page:
        """Return stored events behind a cursor that match, oldest first.

        Raises:
            UnavailableError: the store did not answer.
        """
        events: list[dict[str, Any]] = []
        looked_at = 0
        while looked_at < MAX_LOOKED_AT:
            found = await self._read(cursor)
            for entry, event in await asyncio.to_thread(_shown, found):
                cursor = entry
                looked_at += 1
                if event is not None and matches(event):
                    events.append(event)
                    if len(events) == limit:
                        return Page(events, cursor, complete=False)
            if len(found) < _CHUNK:
                return Page(events, cursor, complete=True)
        return Page(events, cursor, complete=False)

    async def _read(self, cursor: str) -> Sequence[tuple[bytes, dict[bytes, bytes]]]:
        """Read some events behind a cursor.

        Raises:
            UnavailableError: the store did not answer.
        """
        try:
            found: Any = await self._client.xrange(INTAKE_KEY, min=f"({cursor}" if cursor else "-", count=_CHUNK)
        except RedisError as error:
            raise UnavailableError("the state store did not answer", reason="STORE_UNAVAILABLE") from error
        return list(found)


def _stored(entry: Any) -> Stored:
    """Read what the store answers to an event: its id, or that with whether it was there."""
    return Stored(entry[0].decode(), repeated=bool(entry[1])) if isinstance(entry, list) else Stored(entry.decode())


def _known_key(event: dict[str, Any], caller: str) -> str:
    """Return the key of a sender's own id, which is told from others' of the same name; empty where it gave none."""
    if not (identifier := event.get("eventId")):
        return ""
    return KNOWN_PREFIX + hashlib.sha256(f"{caller}\0{event['agentId']}\0{identifier}".encode()).hexdigest()


def _shown(found: Sequence[tuple[bytes, dict[bytes, bytes]]]) -> list[tuple[str, dict[str, Any] | None]]:
    """Return each event with its id and source, which it cannot have of its own; None where it cannot be read."""
    shown: list[tuple[str, dict[str, Any] | None]] = []
    for identifier, fields in found:
        try:
            event = {**stored_event(fields), "id": identifier.decode(), "source": "external"}
        except InvalidJsonError:
            UNREADABLE.inc()
            shown.append((identifier.decode(), None))
            continue
        shown.append((identifier.decode(), event))
    return shown


def stored_event(fields: dict[bytes, bytes]) -> dict[str, Any]:
    """Read an entry of the stream.

    Raises:
        InvalidJsonError: it is none of ours, or of a time when more was taken.
    """
    event = strict_json.loads(fields.get(b"event", b""))
    if not isinstance(event, dict):
        raise InvalidJsonError("is no event")
    return event
