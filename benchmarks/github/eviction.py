"""Row 8: hits of both caches on two traces, beside an exact LRU and a FIFO of the same size on the same trace.

The caches promise LRU, so that is what they are measured by; and they are to be above FIFO. Whether LRU can be is the
trace's matter: it is where some keys are popular, as in the Zipf trace; it is not where each key has a few uses and is
then done with, as issues are in the recorded one. There even an exact LRU is below FIFO, and the row fails.

Valkey notes uses in whole seconds. A gateway's cache keeps an entry for minutes or hours; so that one of some hundred
entries keeps it for some seconds, the trace is played at a pace (`STAY_SECONDS`) rather than as fast as possible.
"""

from __future__ import annotations

import asyncio
import random
import tempfile
import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

import redis.asyncio

from benchmarks.github.recording import recorded
from benchmarks.measuring.report import Row
from miyabi_core.store.valkey import EmbeddedValkey
from miyabi_github_gateway.models import Entry, Issue
from miyabi_github_gateway.service.caching.local_cache import LocalCache

#: Keys and accesses of the Zipf trace, and its exponent: that of requests to web caches (Breslau et al., 1999).
KEYS, ACCESSES, EXPONENT = 4000, 30_000, 0.9
#: Share of a trace's keys that fits into a cache.
SHARE = 0.15
#: Seed of what is drawn, so that every run measures the same trace.
SEED = 8
#: Bytes of a value in the shared cache; they cannot be compressed.
VALUE_BYTES = 4000
#: Entries by which an entry's memory is measured, and the time after which values end, which is longer than the row.
PROBES, EXPIRY_MS = 200, 3_600_000
#: Seconds for which an entry that nobody uses stays in the shared cache: with four, one more or less does not matter.
STAY_SECONDS = 4.0
#: Accesses between two looks at the clock.
PACE = 10
#: A hit ratio may be this far below exact LRU.
MARGIN = 0.01

#: Keys in the order in which they were asked for.
Trace = Sequence[str]


async def rows() -> AsyncIterator[Row]:
    """Measure the row."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        recording = await recorded(root / "coordinator")
        traces = {"zipf": zipf(), "recorded leases": recording}
        async with asyncio.TaskGroup() as tasks:
            shared = {name: tasks.create_task(_shared(root / name, trace)) for name, trace in traces.items()}
        for name, trace in traces.items():
            size = int(len(set(trace)) * SHARE)
            yield _row(name, "process", trace, size, local_hits(trace, size))
            yield _row(name, "Valkey", trace, *shared[name].result())


async def _shared(folder: Path, trace: Trace) -> tuple[int, int]:
    """Measure a Valkey of its own."""
    async with EmbeddedValkey(folder, appendfsync="no") as valkey:
        return await shared_hits(trace, valkey.url)


def _row(name: str, cache: str, trace: Trace, size: int, hits: int) -> Row:
    """Compare hits at one size."""
    ours, exact, fifo = (count / len(trace) for count in (hits, lru_hits(trace, size), fifo_hits(trace, size)))
    figures = {"hit_ratio": round(ours, 4), "entries": size, "keys": len(set(trace))}
    goal = "hit ratio at most 1 % below exact LRU, above FIFO"
    passed = ours >= exact - MARGIN and ours > fifo
    baseline = {"exact_lru": round(exact, 4), "fifo": round(fifo, 4)}
    return Row("8", figures, baseline, ours / exact, goal, passed, len(trace), f"{name}, {cache}")


def zipf() -> Trace:
    """Return accesses whose popularity follows Zipf's law."""
    draw = random.Random(SEED)
    weights = [1 / rank**EXPONENT for rank in range(1, KEYS + 1)]
    return [str(key) for key in draw.choices(range(KEYS), weights, k=ACCESSES)]


def lru_hits(trace: Trace, size: int) -> int:
    """Count the hits of an exact LRU."""
    return _hits(trace, size, touched=True)


def fifo_hits(trace: Trace, size: int) -> int:
    """Count the hits of a FIFO."""
    return _hits(trace, size, touched=False)


def _hits(trace: Trace, size: int, *, touched: bool) -> int:
    kept: OrderedDict[str, None] = OrderedDict()
    hits = 0
    for key in trace:
        if key in kept:
            hits += 1
            if touched:
                kept.move_to_end(key)
            continue
        kept[key] = None
        if len(kept) > size:
            kept.popitem(last=False)
    return hits


def local_hits(trace: Trace, size: int) -> int:
    """Count the hits of the process's own cache."""
    moment = datetime(2026, 1, 1, tzinfo=UTC)
    cache = LocalCache(max_bytes=size * 10_000, max_entries=size)
    hits = 0
    for key in trace:
        if cache.get(key) is not None:
            hits += 1
            continue
        cache.put(key, Entry(Issue(1, "I", "t", "open", "u", "a", moment, moment), 0.0))
    return hits


async def shared_hits(trace: Trace, url: str) -> tuple[int, int]:
    """Count the hits of a full Valkey; returns the entries that it held in the middle of the trace, and the hits."""
    value = random.Random(SEED).randbytes(VALUE_BYTES)
    keys = len(set(trace)) * SHARE
    rate = keys / (STAY_SECONDS * (1 - lru_hits(trace, int(keys)) / len(trace)))
    async with redis.asyncio.Redis.from_url(url) as client:
        await client.config_set("maxmemory", await _bytes_of(client, value, keys))
        hits, sizes, began = 0, [], time.monotonic()
        for place, key in enumerate(trace):
            if place % PACE == 0:
                await asyncio.sleep(began + place / rate - time.monotonic())
            if await client.get(key) is not None:
                hits += 1
            else:
                await client.set(key, value, px=EXPIRY_MS)
            if place > len(trace) // 3 and place % 100 == 0:
                sizes.append(await client.dbsize())
    return round(sum(sizes) / len(sizes)), hits


async def _bytes_of(client: redis.asyncio.Redis, value: bytes, entries: float) -> int:
    """Return the memory of a server that holds so many entries; it is empty before and afterwards."""
    empty = (await client.info("memory"))["used_memory"]
    for place in range(PROBES):
        await client.set(f"probe:{place}", value, px=EXPIRY_MS)
    each = ((await client.info("memory"))["used_memory"] - empty) / PROBES
    await client.flushall()
    return int(empty + each * entries)
