"""What stands in the shared cache is not always what a replica has written."""

from __future__ import annotations

import asyncio
import zlib
from datetime import timedelta

import msgspec
import pytest
import redis.asyncio

from miyabi_core.metrics import REGISTRY
from miyabi_github_gateway.adapters.redis_cache import codec as cache_codec
from miyabi_github_gateway.adapters.redis_cache import news as cache_news
from miyabi_github_gateway.adapters.redis_cache.cache import RedisCache
from miyabi_github_gateway.adapters.redis_cache.news import News, UnreadableError
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


@pytest.mark.parametrize(
    "data",
    [
        b"", b"\x00", b"\x01garbage", b"\x00\x94\xa3\xff\xff\xff", b"\x00" + b"\x91" * 5000, b"\x01" + zlib.compress(bytes(65 << 20), 1),
        b"\x01" + zlib.compress(b"x" * 100)[:-4], b"\x00" + encode(["", 1.0, "no kind", 1]), b"\x00" + encode(["", 1.0, "i", 1]),
    ],
)  # fmt: skip
def test_value_that_cannot_be_read_is_not_there(data: bytes) -> None:
    """Whatever stands under a key of the cache is a value of ours, or as good as nothing."""
    assert cache_codec.decode(data, stamp="") is None


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
