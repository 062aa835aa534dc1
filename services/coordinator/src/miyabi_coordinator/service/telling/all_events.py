"""Follows the events of all batches, over all shards, from an opaque cursor."""

from __future__ import annotations

import asyncio
import base64
import binascii
import json
import re
from collections.abc import AsyncIterator, Sequence
from datetime import timedelta

from miyabi_coordinator import errors
from miyabi_coordinator.ports.store import PAGE, Chunk, Growth, Store
from miyabi_coordinator.service.shard import ShardTable
from miyabi_coordinator.service.telling.watch import Listener
from miyabi_coordinator.translate.frames import frame
from miyabi_core.edge import strict_json

_POSITION = re.compile(r"[0-9]{1,20}-[0-9]{1,20}")


class AllEvents:
    """Reads each shard's stream whenever something arrives on any of them."""

    def __init__(self, shards: ShardTable) -> None:
        self._shards = shards

    async def follow(
        self, cursor: str, *, from_start: bool, gather: timedelta = timedelta(), committed_only: bool = False
    ) -> AsyncIterator[tuple[list[Chunk], str]]:
        """Yield events and the cursor behind them, with no end; what a shard has trimmed is skipped.

        The first is a cursor without events, at once: who comes back with it has missed nothing.

        Args:
            cursor: Where to go on; empty: from now.
            from_start: Without a cursor begin at the oldest event that is kept.
            gather: How long events gather before they are told, once the first has come.
            committed_only: Leave out text that models are writing.

        Raises:
            InvalidArgumentError: the cursor is not one of ours.
        """
        positions = await self._start(cursor, from_start=from_start)
        listener = Listener(texts=not committed_only)
        for shard in self._shards.all:
            shard.hub.listeners.add(listener)
        try:
            yield [], encode(positions)
            while True:
                listener.arrived.clear()
                async for chunks in self._read(positions):
                    yield chunks, encode(positions)
                if listener.texts:
                    texts = [Chunk(batch, 0, 0, frame(message)) for batch, message in listener.texts]
                    listener.texts.clear()
                    yield texts, encode(positions)
                await listener.arrived.wait()
                await asyncio.sleep(gather.total_seconds())
        finally:
            for shard in self._shards.all:
                shard.hub.listeners.discard(listener)

    async def _start(self, cursor: str, *, from_start: bool) -> list[str]:
        """Return the position in each shard; a shard that is newer than the cursor is read from its start."""
        if cursor:
            known = decode(cursor)
            return [*known, *("0-0" for _ in self._shards.all[len(known) :])]
        if from_start:
            return ["0-0" for _ in self._shards.all]
        return [await shard.store.last_position() for shard in self._shards.all]

    async def _read(self, positions: list[str]) -> AsyncIterator[list[Chunk]]:
        """Yield pages of every shard to its end, moving the positions."""
        for number, shard in enumerate(self._shards.all):
            while True:
                positions[number], growths = await shard.store.read_growth(positions[number])
                if not growths:
                    break
                if chunks := await _chunks_of(shard.store, growths):
                    yield chunks


async def _chunks_of(store: Store, growths: Sequence[Growth]) -> list[Chunk]:
    """Read what logs grew, in order within each batch; a batch that was removed since has nothing to tell."""
    after: dict[str, int] = {}
    ends: dict[str, int] = {}
    for growth in growths:
        after.setdefault(growth.batch, growth.first - 1)
        ends[growth.batch] = growth.last
    found: list[Chunk] = []
    while after:
        pages = await store.read_logs(after)
        after = {}
        for batch, chunks in pages.items():
            # An entry of a log belongs to one growth as a whole; those behind the last one are told with theirs.
            found.extend(chunk for chunk in chunks if chunk.last <= ends[batch])
            if len(chunks) >= PAGE and chunks[-1].last < ends[batch]:
                after[batch] = chunks[-1].last
    return found


def encode(positions: list[str]) -> str:
    """Make a cursor of the position in each shard."""
    return base64.urlsafe_b64encode(json.dumps(positions).encode()).decode()


def decode(cursor: str) -> list[str]:
    """Read a cursor.

    Raises:
        InvalidArgumentError: it is not one of ours.
    """
    try:
        positions = strict_json.loads(base64.urlsafe_b64decode(cursor.encode()))
    except (ValueError, binascii.Error) as error:
        raise errors.bad_cursor("cursor") from error
    if not isinstance(positions, list) or not all(_POSITION.fullmatch(str(entry)) for entry in positions):
        raise errors.bad_cursor("cursor")
    return [str(entry) for entry in positions]
