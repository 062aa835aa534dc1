"""Lists the batches of all shards, newest first, from a position that outlives its batch."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from miyabi_coordinator.models import Batch
from miyabi_coordinator.ports.store import Position
from miyabi_coordinator.service.shard import ShardTable
from miyabi_coordinator.shards import shard_of
from miyabi_core.errors import MiyabiError, first_of

#: Batches that are looked through for one page, so that a filter that matches nothing is answered soon.
SCAN_LIMIT = 2000
#: Batches of one look where there is a filter: most may be left out, and each look is a round trip.
FILTERED_STEP = 200


async def list_batches(
    shards: ShardTable, *, before: Position | None, limit: int, repository: str = "", state: int = 0
) -> tuple[list[Batch], Position | None]:
    """Return a page of batches, and the position that the next one goes on behind; None at the end.

    A batch that is there from the first page to the last is on exactly one, whatever is added or removed between.
    A page may be shorter than *limit* though more follow: only `SCAN_LIMIT` batches are looked through.

    Args:
        shards: All of them.
        before: Position that a page before this one returned; None: from the newest.
        limit: Most batches, from 1.
        repository: Only those of this one; empty: all.
        state: Only those in this state; 0: all.

    Raises:
        UnavailableError: the store of a shard did not answer in time.
    """
    found: list[Batch] = []
    position = last = before
    step = max(limit, FILTERED_STEP) if repository or state else limit
    for _ in range(0, SCAN_LIMIT, step):
        places = await _positions(shards, before=position, limit=step + 1)
        for place, batch in zip(places, await _load(shards, places), strict=True):
            if batch is None or repository not in {"", batch.spec.repository} or state not in {0, int(batch.state)}:
                continue
            if len(found) == limit:
                return found, last
            found.append(batch)
            last = place
        if len(places) <= step:
            return found, None
        position = places[-1]
    return found, position


async def _positions(shards: ShardTable, *, before: Position | None, limit: int) -> list[Position]:
    """Return the next positions over all shards."""
    try:
        async with asyncio.TaskGroup() as group:
            asked = [group.create_task(shard.store.list_positions(before=before, limit=limit)) for shard in shards.all]
    except* MiyabiError as failures:
        raise first_of(failures) from None
    return sorted((place for task in asked for place in task.result()), reverse=True)[:limit]


async def _load(shards: ShardTable, places: Sequence[Position]) -> list[Batch | None]:
    """Return the batches at positions, in one round trip a shard; None for one that was removed meanwhile."""
    of_shard: dict[int, list[str]] = {}
    for place in places:
        of_shard.setdefault(shard_of(place.batch), []).append(place.batch)
    try:
        async with asyncio.TaskGroup() as group:
            asked = [
                group.create_task(shards.all[number].store.load_batches(batches))
                for number, batches in of_shard.items()
            ]
    except* MiyabiError as failures:
        raise first_of(failures) from None
    loaded = {batch.id: batch for task in asked for batch in task.result() if batch is not None}
    return [loaded.get(place.batch) for place in places]
