"""Stores events that come in over HTTP: one connection, whatever came meanwhile goes out together."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from typing import Any

import redis.asyncio
from prometheus_client import Counter
from redis.exceptions import RedisError

from miyabi_core.edge import InvalidJsonError, strict_json
from miyabi_core.errors import UnavailableError
from miyabi_core.metrics import REGISTRY

#: Stream of the shard's intake; the dashboard alone writes it.
INTAKE_KEY = "{s0}:intake"
#: Events that are kept, roughly.
MAX_EVENTS = 100_000
#: Events of one write.
MAX_TOGETHER = 256

UNREADABLE = Counter(
    "miyabi_dashboard_intake_unreadable_total",
    "Stored events that could not be read, and were left out.",
    registry=REGISTRY,
)

_Waiting = tuple[bytes, asyncio.Future[str]]


class IntakeStore:
    """Appends events to the intake stream; an answer is given only after the store has acknowledged.

    Args:
        client: The state store.
    """

    def __init__(self, client: redis.asyncio.Redis) -> None:
        self._client = client
        self._waiting: list[_Waiting] = []
        self._filled = asyncio.Event()

    async def run(self) -> None:
        """Write what waits, until cancelled."""
        while True:
            await self._filled.wait()
            batch, self._waiting = self._waiting[:MAX_TOGETHER], self._waiting[MAX_TOGETHER:]
            if not self._waiting:
                self._filled.clear()
            await self._write(batch)

    async def _write(self, batch: Sequence[_Waiting]) -> None:
        """Append a batch in one round trip, and answer each."""
        pipe = self._client.pipeline(transaction=False)
        for body, _ in batch:
            pipe.xadd(INTAKE_KEY, {"source": "external", "event": body}, maxlen=MAX_EVENTS, approximate=True)
        try:
            ids: list[Any] = await pipe.execute(raise_on_error=False)
        except (RedisError, OSError) as error:
            ids = [error] * len(batch)
        for (_, answer), entry in zip(batch, ids, strict=True):
            if answer.done():
                continue
            if isinstance(entry, bytes):
                answer.set_result(entry.decode())
            else:
                answer.set_exception(UnavailableError("the state store did not answer", reason="STORE_UNAVAILABLE"))

    async def append(self, event: dict[str, Any]) -> str:
        """Store an event; returns its id, which grows with each.

        Raises:
            UnavailableError: the store did not take it.
        """
        answer: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._waiting.append((json.dumps(event, ensure_ascii=False).encode(), answer))
        self._filled.set()
        return await answer

    async def after(self, cursor: str, *, limit: int) -> list[dict[str, Any]]:
        """Return stored events behind a cursor, oldest first.

        Raises:
            UnavailableError: the store did not answer.
        """
        try:
            found: Any = await self._client.xrange(INTAKE_KEY, min=f"({cursor}" if cursor else "-", count=limit)
        except RedisError as error:
            raise UnavailableError("the state store did not answer", reason="STORE_UNAVAILABLE") from error
        return await asyncio.to_thread(_shown, found)


def _shown(found: Sequence[tuple[bytes, dict[bytes, bytes]]]) -> list[dict[str, Any]]:
    """Return the events that can be read, each with its id and source, which it cannot have of its own."""
    shown = []
    for identifier, fields in found:
        try:
            event = stored_event(fields)
        except InvalidJsonError:
            UNREADABLE.inc()
            continue
        shown.append({**event, "id": identifier.decode(), "source": "external"})
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
