"""The audit on Redis or Valkey: one capped stream beside the first shard's keys."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from miyabi_coordinator import shards
from miyabi_coordinator.adapters.redis_store.connection import ShardConnection
from miyabi_coordinator.models.audit import AuditEntry

#: Entries that are kept, roughly: a year of a busy team, some 25 MB.
ENTRIES_KEPT = 100_000
#: Entries of one read.
PAGE = 500
#: Entries that are looked through for one page, so that a filter that matches nothing is answered soon.
SCAN_LIMIT = 20_000
_FIELDS = ("call", "actor", "method", "resource", "code", "request_id", "traceparent")


class RedisAudit:
    """Implements `ports.audit.AuditTrail`.

    Args:
        connection: The way to shard 0.
    """

    def __init__(self, connection: ShardConnection) -> None:
        self._connection = connection
        self._key = f"{shards.prefix(0)}audit"

    async def append(self, entries: Sequence[AuditEntry]) -> None:
        """Write entries in their order, in one go."""

        async def write(redis: Any) -> Any:
            async with redis.pipeline(transaction=False) as pipe:
                for entry in entries:
                    pipe.xadd(self._key, _encode(entry), maxlen=ENTRIES_KEPT, approximate=True)
                return await pipe.execute()

        await self._connection.run_confirmed(write)

    async def page(self, *, before: str, limit: int, actor: str, resource: str) -> tuple[list[AuditEntry], str]:
        """Return entries, newest first, and the position to go on from."""
        found: list[AuditEntry] = []
        seen = {_decode(fields).call for _, fields in await self._newer(before)} if before else set()
        position = before
        for _ in range(SCAN_LIMIT // PAGE):
            rows = await self._read(position)
            for identifier, fields in rows:
                entry = _decode(fields)
                if entry.call in seen or not _matches(entry, actor, resource):
                    position = identifier.decode()
                    continue
                if len(found) == limit:
                    return found, position
                found.append(entry)
                seen.add(entry.call)
                position = identifier.decode()
            if len(rows) < PAGE:
                return found, ""
        return found, position

    async def _newer(self, position: str) -> list[tuple[bytes, dict[bytes, bytes]]]:
        """Return the entries from a position on: a write that was repeated may have its other half there."""
        rows: list[tuple[bytes, dict[bytes, bytes]]] = await self._connection.run(
            lambda redis: redis.xrange(self._key, min=position, max="+", count=PAGE)
        )
        return rows

    async def _read(self, before: str) -> list[tuple[bytes, dict[bytes, bytes]]]:
        """Return the entries before a position, newest first."""
        newest = f"({before}" if before else "+"

        async def read(redis: Any) -> Any:
            return await redis.xrevrange(self._key, max=newest, min="-", count=PAGE)

        rows: list[tuple[bytes, dict[bytes, bytes]]] = await self._connection.run(read)
        return rows


def _encode(entry: AuditEntry) -> dict[str, str]:
    """Return an entry as fields; empty ones are left out."""
    fields = {name: str(getattr(entry, name)) for name in _FIELDS if getattr(entry, name)}
    return {"time": repr(entry.time), **fields}


def _decode(fields: dict[bytes, bytes]) -> AuditEntry:
    """Return an entry of its fields."""
    texts = {name: fields.get(name.encode(), b"").decode() for name in _FIELDS}
    return AuditEntry(time=float(fields[b"time"]), **texts)


def _matches(entry: AuditEntry, actor: str, resource: str) -> bool:
    """Tell whether a page's filters let an entry through."""
    if actor and entry.actor != actor:
        return False
    return not resource or entry.resource == resource or entry.resource.startswith(f"{resource}/")
