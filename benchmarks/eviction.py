"""Row 8: hits of both caches on two traces, beside an exact LRU and a FIFO of the same size on the same trace."""

from __future__ import annotations

import asyncio
import random
import secrets
import tempfile
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

import redis.asyncio
from pydantic import SecretStr

from benchmarks.report import Row
from benchmarks.simulated_github import github_process, write_seed
from miyabi_core.valkey import EmbeddedValkey
from miyabi_github_gateway.app import running
from miyabi_github_gateway.models import Entry, Issue, IssueField
from miyabi_github_gateway.service.local_cache import LocalCache
from miyabi_github_gateway.settings import GatewaySettings

#: Keys and accesses of the Zipf trace, and its exponent: that of requests to web caches (Breslau et al., 1999).
KEYS, ACCESSES, EXPONENT = 4000, 30_000, 0.9
#: Share of a trace's keys that fits into a cache.
SHARE = 0.15
#: Seed of what is drawn, so that every run measures the same trace.
SEED = 8
#: Issues of the batches that are recorded, how many are worked on at once, and the steps of one that read it.
BATCH_ISSUES, AT_ONCE, STEPS = 1000, 50, 5
#: Issues that others are parts of; the first has most parts.
PARENTS = 40
#: Bytes of a value in the shared cache; they cannot be compressed.
VALUE_BYTES = 4000
#: Samples of an eviction; with 10 Redis and Valkey come close to exact LRU (valkey.io, "Key eviction").
SAMPLES = 10
#: A hit ratio may be this far below exact LRU.
MARGIN = 0.01

#: Keys in the order in which they were asked for.
Trace = Sequence[str]


async def rows() -> AsyncIterator[Row]:
    """Measure the row."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        async with EmbeddedValkey(root / "valkey", appendfsync="no") as valkey:
            for name, trace in (("zipf", zipf()), ("recorded batches", await recorded(root, valkey.url))):
                yield _row(f"{name}, process", trace, int(len(set(trace)) * SHARE), local_hits)
                hits, size = await shared_hits(trace, valkey.url)
                yield _row(f"{name}, Valkey", trace, size, lambda _trace, _size, hits=hits: hits)  # type: ignore[misc]


def _row(name: str, trace: Trace, size: int, measure: Callable[[Trace, int], int]) -> Row:
    """Compare hits at one size."""
    ours, exact, fifo = (
        count / len(trace) for count in (measure(trace, size), lru_hits(trace, size), fifo_hits(trace, size))
    )
    goal = f"{name}: hit ratio within 1 % of exact LRU, above FIFO"
    passed = ours >= exact - MARGIN and ours > fifo
    figures = {"hit_ratio": round(ours, 4), "entries": size, "keys": len(set(trace))}
    return Row(
        "8", figures, {"exact_lru": round(exact, 4), "fifo": round(fifo, 4)}, ours / exact, goal, passed, len(trace)
    )


def zipf() -> Trace:
    """Return accesses whose popularity follows Zipf's law."""
    draw = random.Random(SEED)
    weights = [1 / rank**EXPONENT for rank in range(1, KEYS + 1)]
    return [str(key) for key in draw.choices(range(KEYS), weights, k=ACCESSES)]


async def recorded(root: Path, redis_url: str) -> Trace:
    """Record what a gateway is asked for while two batches that share a third of their issues run through it.

    Each issue is read by the steps of its run, and so is the issue that it is a part of, as many issues at once as a
    batch works on; the order is what came.
    """
    token = f"ghp_{secrets.token_hex(18)}"
    seed = write_seed(root, repository="acme/bench", issues=BATCH_ISSUES)
    trace: list[str] = []
    async with github_process(root / "github", seed, token=token) as github:
        settings = GatewaySettings(
            address="127.0.0.1:0", http_address="127.0.0.1:0", api_url=github.url, graphql_url=f"{github.url}/graphql",
            git_url=github.url, token=SecretStr(token), simulated=True, warm_seconds=0.0, mirror_bytes=0,
            redis_url=SecretStr(redis_url),
        )  # fmt: skip
        async with running(settings) as gateway:
            draw, slots = random.Random(SEED), asyncio.Semaphore(AT_ONCE)
            fields = frozenset({IssueField.BODY, IssueField.LABELS})

            async def run(number: int) -> None:
                async with slots:
                    whole = min(PARENTS, int(draw.paretovariate(1)))
                    for _ in range(STEPS):
                        for wanted in (number, whole):
                            trace.append(str(wanted))
                            async for _answers in gateway.reading.issues.load("acme/bench", [wanted], fields=fields):
                                pass
                        await asyncio.sleep(draw.expovariate(200))

            third = BATCH_ISSUES // 3
            for numbers in (range(PARENTS + 1, 2 * third), range(third, BATCH_ISSUES)):
                async with asyncio.TaskGroup() as tasks:
                    for number in numbers:
                        tasks.create_task(run(number))
    return trace


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
    """Count the hits of a Valkey that is full; returns them and the entries that it held in the middle of the trace."""
    draw = random.Random(SEED)
    value = draw.randbytes(VALUE_BYTES)
    async with redis.asyncio.Redis.from_url(url) as client:
        await client.flushall()
        await client.config_set("maxmemory-samples", SAMPLES)
        empty = (await client.info("memory"))["used_memory"]
        for place in range(200):
            await client.set(f"probe:{place}", value, px=3_600_000)
        each = ((await client.info("memory"))["used_memory"] - empty) / 200
        await client.flushall()
        await client.config_set("maxmemory", int(empty + each * len(set(trace)) * SHARE))
        hits, sizes = 0, []
        for place, key in enumerate(trace):
            if await client.get(key) is not None:
                hits += 1
            else:
                await client.set(key, value, px=3_600_000)
            if place > len(trace) // 3 and place % 100 == 0:
                sizes.append(await client.dbsize())
        await client.config_set("maxmemory", 0)
        await client.flushall()
    return hits, round(sum(sizes) / len(sizes))
