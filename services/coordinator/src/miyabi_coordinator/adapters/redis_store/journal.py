"""The events of a shard: a log for each batch, and one stream of references that tells which logs grew."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping
from functools import partial
from typing import Any

from prometheus_client import Counter

from miyabi_coordinator.adapters.redis_store.shard_base import ShardBase
from miyabi_coordinator.ports.store import PAGE, Chunk, Growth
from miyabi_coordinator.translate.events import unreadable
from miyabi_coordinator.translate.frames import count, frame, with_sequence
from miyabi_core.logging import get_logger
from miyabi_core.metrics import REGISTRY

#: Longest blocking read; shorter than the client's answer timeout.
BLOCK_MILLISECONDS = 2000
#: References of one read of the shard's stream.
REFERENCES = 500
#: Placeholders of one unreadable entry; a commit writes 64 events into one, so more are missing only in foreign ones.
MOST_PLACEHOLDERS = 1000

_LOG = get_logger(__name__)

UNREADABLE = Counter(
    "miyabi_store_unreadable_total",
    "Entries of a batch's log, or of a shard's stream of references, that could not be read.",
    registry=REGISTRY,
)


class Journal(ShardBase):
    """Reads what commits have written."""

    async def read_log(self, batch: str, *, after: int) -> list[Chunk]:
        """Return a page of a log behind a sequence, oldest first; empty at its end."""
        return (await self.read_logs({batch: after}))[batch]

    async def read_logs(self, after: Mapping[str, int]) -> dict[str, list[Chunk]]:
        """Return a page of each batch's log behind a sequence, in one round trip."""

        async def read(redis: Any) -> Any:
            async with redis.pipeline(transaction=False) as pipe:
                for batch, sequence in after.items():
                    pipe.xrange(f"{self._batch(batch)}:log", min=f"0-{sequence + 1}", count=PAGE)
                return await pipe.execute()

        pages = await self._connection.run_confirmed(read)
        return {
            batch: _chunks(batch, page, after=sequence)
            for (batch, sequence), page in zip(after.items(), pages, strict=True)
        }

    async def last_position(self) -> str:
        """Return the position of the newest reference of the shard."""
        newest = await self._connection.run(lambda redis: redis.xrevrange(self._key("events"), count=1))
        return newest[0][0].decode() if newest else "0-0"

    async def read_growth(self, position: str) -> tuple[str, list[Growth]]:
        """Return what logs grew after a position, oldest first, with the new position."""
        stream = self._key("events")
        entries = await self._connection.run_confirmed(
            lambda redis: redis.xrange(stream, min=f"({position}", count=REFERENCES)
        )
        if not entries:
            return position, []
        return entries[-1][0].decode(), _growths(entries)

    async def follow(self, position: str) -> AsyncIterator[list[Growth]]:
        """Yield what logs grow after a position, with no end; the one blocked read of the shard."""
        stream = self._key("events")
        while True:
            answer = await self._connection.blocking(partial(_read_on, stream=stream, position=position))
            entries = next(iter(answer.values()))[0] if isinstance(answer, dict) and answer else _entries(answer)
            if entries:
                position = entries[-1][0].decode()
                yield _growths(entries)


async def _read_on(redis: Any, *, stream: str, position: str) -> Any:
    """Wait a while for entries after a position."""
    return await redis.xread({stream: position}, count=REFERENCES, block=BLOCK_MILLISECONDS)


def _entries(answer: Any) -> list[tuple[bytes, dict[bytes, bytes]]]:
    """Return the entries of the one stream that was read."""
    return answer[0][1] if answer else []


def _chunks(batch: str, entries: Iterable[tuple[bytes, dict[bytes, bytes]]], *, after: int) -> list[Chunk]:
    """Return the entries of a log behind a sequence, without a gap, whatever stands in the log."""
    found: list[Chunk] = []
    last = after
    for identifier, fields in entries:
        end = int(identifier.split(b"-")[1])
        if end <= last:
            continue
        try:
            chunk = _chunk(batch, end, fields)
        except (KeyError, ValueError):
            UNREADABLE.inc()
            _LOG.warning("journal.entry_unreadable", batch=f"batches/{batch}", entry=identifier.decode())
            chunk = None
        if chunk is None or chunk.first > last + 1:
            found.append(_placeholders(batch, last + 1, end if chunk is None else chunk.first - 1))
        if chunk is not None:
            found.append(chunk.behind(last))
        last = end
    return found


def _chunk(batch: str, last: int, fields: dict[bytes, bytes]) -> Chunk:
    """Return an entry of a log.

    Raises:
        KeyError, ValueError: it is none.
    """
    size, frames = int(fields[b"n"]), fields[b"e"]
    if not 0 < size <= last or count(frames) != size:
        raise ValueError("as many events as it says are not in it")
    return Chunk(batch, last - size + 1, last, frames, final=fields[b"f"] == b"1")


def _placeholders(batch: str, first: int, last: int) -> Chunk:
    """Return named events in the place of those that cannot be read, so that no watcher waits for them for ever.

    They count as the end perhaps: whether the batch has ended is then asked of the batch.
    """
    first = max(first, last - MOST_PLACEHOLDERS + 1)
    event = unreadable(batch)
    frames = b"".join(frame(with_sequence(event, sequence)) for sequence in range(first, last + 1))
    return Chunk(batch, first, last, frames, final=True)


def _growths(entries: Iterable[tuple[bytes, dict[bytes, bytes]]]) -> list[Growth]:
    """Return references; what is none is counted and skipped, since no writer to the stream may end its reader."""
    found = []
    for _, fields in entries:
        try:
            found.append(_growth(fields))
        except (KeyError, ValueError):
            UNREADABLE.inc()
    return found


def _growth(fields: dict[bytes, bytes]) -> Growth:
    """Return a reference."""
    last = int(fields[b"s"])
    return Growth(fields[b"b"].decode(), last - int(fields[b"n"]) + 1, last, ready=int(fields[b"r"]))
