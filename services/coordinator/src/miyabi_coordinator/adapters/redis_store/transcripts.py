"""Calls of models on Redis or Valkey: one hash a run, beside the batch's other keys."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Sequence
from itertools import groupby
from typing import Any

from miyabi_coordinator.adapters.redis_store.connection import ShardConnection
from miyabi_coordinator.adapters.redis_store.shard_base import ShardBase
from miyabi_coordinator.models.transcript import CallHead, CallLimits, ReportedCall

#: Level of compression: a higher one takes twice the time for a hundredth of the size.
LEVEL = 6
#: Between a task's id and the head in a stored head; ids have none.
_BEHIND_ID = b"\n"


class RedisTranscripts(ShardBase):
    """Implements `ports.transcripts.TranscriptStore`.

    Args:
        connection: The way to the shard.
        shard: Which one.
        limits: What is kept of each run.
    """

    def __init__(self, connection: ShardConnection, *, shard: int = 0, limits: CallLimits | None = None) -> None:
        super().__init__(connection, shard=shard)
        self._limits = limits or CallLimits()

    async def add(self, calls: Sequence[ReportedCall]) -> None:
        """Keep calls, one script call for those of a run."""
        for (batch, issue), own in groupby(calls, key=lambda call: (call.reference.batch, call.reference.issue)):
            parts = await asyncio.to_thread(_packed, list(own))
            limits = self._limits
            await self._scripts.call("record", batch, str(issue), str(limits.bytes), str(limits.calls), *parts)

    async def heads(self, batch: str, issue: int, *, after: int, limit: int) -> tuple[list[CallHead], int]:
        """Return a page of calls and how many were removed altogether."""
        key = self._calls(batch, issue)
        first, last = (int(value or 0) for value in await self._read(key, ["first", "last"]))
        start = max(after + 1, first, 1)
        numbers = range(start, min(last, start + limit - 1) + 1)
        stored = await self._read(key, [f"h{number}" for number in numbers])
        # One may have been removed since.
        found = [_head(number, value) for number, value in zip(numbers, stored, strict=True) if value is not None]
        return found, max(0, first - 1)

    async def bodies(self, batch: str, issue: int, numbers: Sequence[int]) -> list[bytes | None]:
        """Return what was said in calls."""
        stored = await self._read(self._calls(batch, issue), [f"b{number}" for number in numbers])
        return await asyncio.to_thread(lambda: [None if value is None else zlib.decompress(value) for value in stored])

    async def _read(self, key: str, fields: Sequence[str]) -> list[bytes | None]:
        """Return fields of a hash."""

        async def read(redis: Any) -> Any:
            return await redis.hmget(key, fields)

        return list(await self._connection.run_confirmed(read)) if fields else []

    def _calls(self, batch: str, issue: int) -> str:
        """Return the key of a run's calls."""
        return f"{self._batch(batch)}:calls:{issue}"


def _packed(calls: Sequence[ReportedCall]) -> list[bytes]:
    """Return calls as the script takes them; runs on a thread, since it compresses."""
    parts: list[bytes] = []
    for call in calls:
        reference, task = call.reference, call.reference.task_id.encode()
        numbers = (str(reference.fence).encode(), str(call.index).encode())
        parts += (task, *numbers, task + _BEHIND_ID + call.head, zlib.compress(call.body, LEVEL))
    return parts


def _head(number: int, value: bytes) -> CallHead:
    """Return a stored head."""
    task, _, head = value.partition(_BEHIND_ID)
    return CallHead(number, task.decode(), head)
