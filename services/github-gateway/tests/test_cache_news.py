"""What stands in the shared cache is not always what a replica has written."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import msgspec
import pytest
import redis.asyncio

from miyabi_core.metrics import REGISTRY
from miyabi_github_gateway.adapters import cache_news
from miyabi_github_gateway.adapters.cache_news import News, UnreadableError
from miyabi_github_gateway.adapters.redis_cache import RedisCache
from miyabi_github_gateway.models import Change, Kind, Shape

CHANGE = Change("acme/toy", 7, frozenset({Kind.ISSUE}))
encode = msgspec.msgpack.encode
UNREADABLE = [
    b"", b"\xc1", b"garbage", b"\x91" * 4000, b"\xdd\xff\xff\xff\xff", encode(["o", "acme/toy", True, ["issue"]]), encode(["o", "acme/toy", -1, []]),
    encode(["o", "acme/toy", 2**64 - 1, []]), encode(["o", "acme/toy", 1, ["no kind"]]), encode(["o", 7, 1, []]), encode(["o", "../x/y", 1, []]),
    encode(["o", "acme/toy", 1, "issue"]), encode(["o"]), encode({"origin": "o"}), encode(["o", "acme/toy", 1, ["issue"] * 5000]),
]  # fmt: skip


def test_news_are_read_as_they_were_written() -> None:
    """What one replica writes another reads."""
    news = News("origin", CHANGE)
    assert news == cache_news.read(cache_news.written(news))


@pytest.mark.parametrize("data", [*UNREADABLE, "text", 3, None])
def test_what_is_no_news_ends_in_one_error(data: object) -> None:
    """Whatever stands there, it is news or the one error."""
    with pytest.raises(UnreadableError):
        cache_news.read(data)


@pytest.mark.parametrize(
    "member", [b"", b"\xff", b"acme/toy", b"acme/toy nonsense.b", b"../x/y issue.b", b"a/b" * 2000 + b" issue.b"]
)
def test_what_is_no_name_in_use_ends_in_one_error(member: bytes) -> None:
    """The same for repositories that were in use."""
    with pytest.raises(UnreadableError):
        cache_news.used(member)


async def test_listener_outlives_what_it_cannot_read(redis_url: str) -> None:
    """Messages that nobody can read are counted and skipped; the next change is heard, names in use are still known."""
    heard: asyncio.Queue[Change] = asyncio.Queue()
    listening, telling = (RedisCache(redis_url, namespace="n", lifetime=timedelta(minutes=1)) for _ in range(2))
    before = REGISTRY.get_sample_value("miyabi_github_cache_news_unreadable_total") or 0.0
    async with redis.asyncio.Redis.from_url(redis_url) as client, listening.listening(heard.put_nowait, lambda: None):
        for data in UNREADABLE:
            await client.publish("miyabi:cache:1:n:news", data)
        await client.zadd("miyabi:cache:1:n:recent", {b"\xff": 1, b"acme/toy nonsense": 2})
        await telling.used("acme/toy", Shape(Kind.REPOSITORY))
        await telling.drop("acme/toy", [], CHANGE)
        async with asyncio.timeout(10):
            assert await heard.get() == CHANGE
        assert [("acme/toy", Shape(Kind.REPOSITORY))] == await listening.recent(10)
    after = REGISTRY.get_sample_value("miyabi_github_cache_news_unreadable_total")
    assert after == before + len(UNREADABLE) + 2
    for cache in (listening, telling):
        await cache.close()
