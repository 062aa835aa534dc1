"""What a full cache server evicts: what was not used for longest, and never the state beside it."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import pytest_asyncio
import redis.asyncio
from redis.asyncio import Redis

from miyabi_core.store.valkey import EmbeddedValkey
from miyabi_github_gateway.adapters.redis_cache.cache import RedisCache
from miyabi_github_gateway.models import Entry, Issue
from miyabi_github_gateway.service.caching.local_cache import LocalCache

REPOSITORY = "acme/toy"
MOMENT = datetime(2026, 1, 1, tzinfo=UTC)
#: Keys that are in use all the time, and keys that come once.
HOT, COLD = 20, 600
#: Keys that come within one tick of the server's clock of uses, which ticks once a second: fewer than there is room for.
WAVE = 100


@pytest_asyncio.fixture
async def small(tmp_path: Path) -> AsyncIterator[tuple[Redis, RedisCache]]:
    """A server that holds both state and cache, with room for 2 MB."""
    async with EmbeddedValkey(tmp_path / "small", appendfsync="no") as server, Redis.from_url(server.url) as client:
        used = (await client.info("memory"))["used_memory"]
        await client.config_set("maxmemory", used + (2 << 20))
        cache = RedisCache(server.url, namespace="test", lifetime=timedelta(hours=1))
        yield client, cache
        await cache.close()


def entry(number: int, *, size: int = 8000) -> Entry:
    """Return an issue whose text cannot be compressed much."""
    body = secrets.token_hex(size // 2)
    return Entry(Issue(number, f"I_{number}", "t", "open", "u", "a", MOMENT, MOMENT, body=body), 0.0)


async def put(cache: RedisCache, key: str, value: Entry) -> None:
    """Keep one entry as a read does."""
    tokens = await cache.claim(REPOSITORY, [key], force=[key])
    await cache.put_many(REPOSITORY, {key: value}, tokens=tokens)


async def until_unused(client: Redis) -> None:
    """Wait until the server's clock of uses has ticked: what was written before counts as unused since."""
    await client.set("clock", "", ex=3600)
    while not await client.object("idletime", "clock"):
        await client.blpop(["nothing"], timeout=0.1)


@pytest.mark.parametrize(("policy", "states"), [("volatile-lru", 100), ("allkeys-lru", 0)])
async def test_entries_in_use_survive_and_state_is_never_evicted(
    small: tuple[Redis, RedisCache], policy: str, states: int
) -> None:
    """Under pressure the keys that are read stay and keys that were not read go, under the policy of a cache server.

    Under that of a server for both, keys without an expiry, which are state, all stay.
    """
    client, cache = small
    await client.config_set("maxmemory-policy", policy)
    for place in range(states):
        await client.set(f"state:{place}", secrets.token_hex(200))
    hot = [f"hot:{place}" for place in range(HOT)]
    for place, key in enumerate(hot):
        await put(cache, key, entry(place))
    for place in range(COLD):
        await put(cache, f"cold:{place}", entry(place))
        if place % WAVE == WAVE - 1:
            await until_unused(client)
            await cache.get_many(REPOSITORY, hot)
    evicted = (await client.info("stats"))["evicted_keys"]
    assert evicted > 100
    kept = await cache.get_many(REPOSITORY, hot)
    cold = await cache.get_many(REPOSITORY, [f"cold:{place}" for place in range(COLD)])
    # Were entries chosen at random, as many of the one kind as of the other would be left.
    assert len(cold) / COLD < 0.7
    assert len(kept) / HOT >= 0.9
    assert sum([await client.exists(f"state:{place}") for place in range(states)]) == states


async def test_server_full_of_state_makes_reads_misses_and_nothing_worse(small: tuple[Redis, RedisCache]) -> None:
    """Where nothing may be evicted a value is not kept, and the reader goes on."""
    client, cache = small
    for place in range(300):
        try:
            await client.set(f"state:{place}", secrets.token_hex(5000))
        except redis.exceptions.OutOfMemoryError:
            break
    assert await cache.get_many(REPOSITORY, ["a"]) == {}
    await put(cache, "a", entry(1))
    assert await cache.get_many(REPOSITORY, ["a"]) == {}


async def test_values_above_a_kilobyte_are_compressed(small: tuple[Redis, RedisCache]) -> None:
    """A long text takes a fraction of its size; a short one is kept as it is. Both come back whole."""
    client, cache = small
    long, short = entry(1), entry(2, size=100)
    long = Entry(Issue(1, "I_1", "t", "open", "u", "a", MOMENT, MOMENT, body="A sentence. " * 1000), 0.0)
    for key, value in (("long", long), ("short", short)):
        await put(cache, key, value)
    assert await cache.get_many(REPOSITORY, ["long", "short"]) == {"long": long, "short": short}
    assert await client.strlen(cache._value("long")) < 1200
    assert await client.strlen(cache._value("short")) > 100


async def test_large_value_comes_back_whole(tmp_path: Path) -> None:
    """A megabyte of text, which is packed and unpacked beside the event loop, is the same afterwards."""
    async with EmbeddedValkey(tmp_path / "roomy", appendfsync="no") as server:
        cache = RedisCache(server.url, namespace="test", lifetime=timedelta(hours=1))
        large = entry(1, size=1 << 20)
        await put(cache, "large", large)
        assert await cache.get_many(REPOSITORY, ["large"]) == {"large": large}
        await cache.close()


async def test_value_of_another_version_is_a_miss(small: tuple[Redis, RedisCache]) -> None:
    """What cannot be read is nothing, not an error."""
    client, cache = small
    await client.set(cache._value("a"), b"\x01not zlib", px=60_000)
    await client.set(cache._value("b"), b"\x00not msgpack", px=60_000)
    assert await cache.get_many(REPOSITORY, ["a", "b"]) == {}


def test_own_cache_is_bounded_by_entries_and_by_bytes() -> None:
    """Neither many small nor few large entries pass the bounds; what is larger than all of it is not kept."""
    cache = LocalCache(max_bytes=100_000, max_entries=10)
    for place in range(50):
        cache.put(str(place), entry(place, size=10))
    assert (len(cache), cache.get("49") is not None, cache.get("39")) == (10, True, None)
    for place in range(50):
        cache.put(str(place), entry(place, size=40_000))
    assert len(cache) == 2
    cache.put("huge", entry(1, size=200_000))
    assert cache.get("huge") is None
    assert cache.size_bytes <= 100_000


def test_own_cache_evicts_what_was_not_used_for_longest() -> None:
    """An entry that is read stays, though it is the oldest."""
    cache = LocalCache(max_bytes=100_000, max_entries=3)
    for key in ("a", "b", "c"):
        cache.put(key, entry(1, size=10))
    assert cache.get("a") is not None
    cache.put("d", entry(1, size=10))
    assert [key for key in "abcd" if cache.get(key) is not None] == ["a", "c", "d"]
