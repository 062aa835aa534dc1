"""The replicas' shared cache in Redis: values, claims, stamps and news of changes, each with an expiry."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from functools import partial
from typing import Any, TypeVar

import hiredis
import redis.asyncio
from redis.exceptions import RedisError

from miyabi_core.logging import get_logger
from miyabi_core.store.connection import cancellable
from miyabi_github_gateway.adapters.redis_cache import news as cache_news
from miyabi_github_gateway.adapters.redis_cache.codec import decode, encode
from miyabi_github_gateway.adapters.redis_cache.news import News, UnreadableError
from miyabi_github_gateway.models import Change, Entry, Shape
from miyabi_github_gateway.service.caching.local_cache import weight
from miyabi_github_gateway.service.caching.metrics import NEWS_UNREADABLE, SHARED_BYTES, SHARED_ERRORS, SHARED_EVICTED

#: A claim ends by itself after this: a little more than one answer of GitHub takes at most.
CLAIM = timedelta(seconds=12)
#: How often those who wait for another replica look.
POLL_SECONDS = 0.02
#: A cache that is slower than this is worse than none.
TIMEOUT_SECONDS = 1.0
#: After a failure the cache is left alone for a moment, so that its absence costs no reader anything.
REST_SECONDS = 1.0
#: Connections at once.
CONNECTIONS = 16
#: Values that are decoded or encoded before others get the event loop: some 5 ms with 10 KB each.
VALUES_AT_ONCE = 50
#: Bytes of values after which others get the event loop.
BYTES_AT_ONCE = 200_000
#: Larger values are compressed in a thread, where zlib holds nobody up: 6 MB of comments take it 0.4 s.
BESIDE_BYTES = 256 << 10
#: Repositories and shapes that are remembered for the warm-up, and how long.
RECENT, RECENT_TIME = 100, timedelta(days=30)
#: How often the server is asked what it has evicted.
LOOK_SECONDS = 15.0

#: KEYS: the repository's stamp, then claims. ARGV: token, milliseconds, then 1 for each claim that is taken by force.
#: Answers the stamp, then 1 for each claim that was taken; the stamp becomes part of the token.
_CLAIM = """
local stamp = redis.call('GET', KEYS[1]) or ''
local token, answer = ARGV[1] .. ':' .. stamp, {stamp}
for i = 2, #KEYS do
  local done
  if ARGV[i + 1] == '1' then done = redis.call('SET', KEYS[i], token, 'PX', ARGV[2])
  else done = redis.call('SET', KEYS[i], token, 'PX', ARGV[2], 'NX') end
  answer[i] = done and 1 or 0
end
return answer
"""
#: KEYS: the stamp, then claim and value by turns. ARGV: milliseconds, then token and value by turns. A claim ends
#: in any case; where the whole repository was forgotten meanwhile its value is not kept.
_PUT = """
local ending, kept = ':' .. (redis.call('GET', KEYS[1]) or ''), {}
for i = 2, #KEYS, 2 do
  local token = redis.call('GET', KEYS[i])
  local mine = token and token == ARGV[i]
  local holds = mine and string.sub(token, 33) == ending
  if holds then redis.call('SET', KEYS[i + 1], ARGV[i + 1], 'PX', ARGV[1]) end
  if mine then redis.call('UNLINK', KEYS[i]) end
  kept[#kept + 1] = holds and 1 or 0
end
return kept
"""
#: KEYS: claims. ARGV: their tokens.
_RELEASE = """
for i, key in ipairs(KEYS) do
  if redis.call('GET', key) == ARGV[i] then redis.call('UNLINK', key) end
end
"""

T = TypeVar("T")

#: Work in a thread.
_beside = asyncio.to_thread

_LOG = get_logger(__name__)


class _Packed:
    """Makes a connection write commands by hiredis: redis-py itself takes five times as long for 2,000 arguments."""

    def pack_command(self, *command: Any) -> list[bytes]:
        """Return the bytes of a command; its first argument may be several words."""
        return [hiredis.pack_command((*command[0].split(), *command[1:]))]


class RedisCache:
    """Implements `ports.SharedCache`.

    Args:
        url: Of a Redis or Valkey that evicts by LRU; see ADR 0012.
        namespace: Names the GitHub behind it: two of them may share a server.
        lifetime: Expiry of values.
    """

    def __init__(self, url: str, *, namespace: str, lifetime: timedelta) -> None:
        self._redis = redis.asyncio.Redis.from_url(
            url,
            max_connections=CONNECTIONS,
            socket_timeout=TIMEOUT_SECONDS,
            socket_connect_timeout=TIMEOUT_SECONDS,
            retry_on_error=[],
        )
        pool = cancellable(self._redis.connection_pool)
        pool.connection_class = type("Packed", (_Packed, pool.connection_class), {})
        self._prefix = f"miyabi:cache:1:{namespace}"
        # A store takes no expiry of nothing; what is kept for a millisecond is not kept.
        self._lifetime = max(1, int(lifetime.total_seconds() * 1000))
        self._origin = uuid.uuid4().hex
        self._resting_until = 0.0
        self._claim = self._redis.register_script(_CLAIM)
        self._put = self._redis.register_script(_PUT)
        self._release = self._redis.register_script(_RELEASE)

    async def close(self) -> None:
        """Close every connection."""
        await self._redis.aclose()

    async def _ask(self, call: Callable[[], Any], otherwise: T) -> T:
        """Ask the server; where it is away, *otherwise*."""
        if time.monotonic() < self._resting_until:
            return otherwise
        try:
            found: T = await call()
            return found
        except (RedisError, OSError) as error:
            SHARED_ERRORS.inc()
            self._resting_until = time.monotonic() + REST_SECONDS
            _LOG.warning("cache.failed", error=type(error).__name__)
            return otherwise

    def _value(self, key: str) -> str:
        return f"{self._prefix}:v:{key}"

    def _lock(self, key: str) -> str:
        return f"{self._prefix}:c:{key}"

    def _stamp(self, repository: str) -> str:
        return f"{self._prefix}:s:{repository.casefold()}"

    async def get_many(self, repository: str, keys: Sequence[str]) -> dict[str, Entry]:
        """Return what is there; see the port."""
        names = [self._stamp(repository), *map(self._value, keys)]
        raw: list[bytes | None] = await self._ask(lambda: self._redis.mget(names), [None] * len(names))
        return await self._decoded(raw[0], dict(zip(keys, raw[1:], strict=True)))

    async def _decoded(self, stamp: bytes | None, values: Mapping[str, bytes | None]) -> dict[str, Entry]:
        """Decode, a few at a time."""
        found: dict[str, Entry] = {}
        pause = _Pause()
        for key, data in values.items():
            if data is not None:
                SHARED_BYTES.labels("read").inc(len(data))
                read = partial(decode, data, stamp=(stamp or b"").decode())
                entry = await _beside(read) if len(data) > BESIDE_BYTES // 4 else read()
                if entry is not None:
                    found[key] = entry
                await pause.after(len(data))
        return found

    async def claim(self, repository: str, keys: Sequence[str], *, force: Collection[str] = ()) -> dict[str, str]:
        """Take claims; where the server is away, everything is ours."""
        token, forced = uuid.uuid4().hex, set(force)
        arguments = [token, int(CLAIM.total_seconds() * 1000), *("1" if key in forced else "0" for key in keys)]
        names = [self._stamp(repository), *map(self._lock, keys)]
        away: list[Any] = [b"", *[1] * len(keys)]
        stamp, *taken = await self._ask(lambda: self._claim(keys=names, args=arguments), away)
        token = f"{token}:{stamp.decode()}"
        return {key: token for key, is_ours in zip(keys, taken, strict=True) if is_ours}

    async def put_many(
        self, repository: str, entries: Mapping[str, Entry], *, tokens: Mapping[str, str]
    ) -> frozenset[str]:
        """Keep entries whose claim still holds; where the server is away, nothing speaks against keeping them here."""
        names = [self._stamp(repository)]
        arguments: list[Any] = [self._lifetime]
        pause = _Pause()
        for key, entry in entries.items():
            write = partial(encode, entry, stamp=tokens[key].partition(":")[2])
            data = await _beside(write) if weight(entry.value) > BESIDE_BYTES else write()
            names += [self._lock(key), self._value(key)]
            arguments += [tokens[key], data]
            SHARED_BYTES.labels("written").inc(len(data))
            await pause.after(len(data))
        kept = await self._ask(lambda: self._put(keys=names, args=arguments), [1] * len(entries))
        return frozenset(key for key, is_kept in zip(entries, kept, strict=True) if is_kept)

    async def release(self, tokens: Mapping[str, str]) -> None:
        """Give claims back."""
        names = [self._lock(key) for key in tokens]
        await self._ask(lambda: self._release(keys=names, args=list(tokens.values())), None)

    async def wait(self, repository: str, keys: Sequence[str]) -> tuple[dict[str, Entry], frozenset[str]]:
        """Look again after a moment; see the port."""
        await asyncio.sleep(POLL_SECONDS)
        names = [self._stamp(repository), *map(self._value, keys), *map(self._lock, keys)]
        raw: list[bytes | None] = await self._ask(lambda: self._redis.mget(names), [None] * len(names))
        values, locks = raw[1 : len(keys) + 1], raw[len(keys) + 1 :]
        found = await self._decoded(raw[0], dict(zip(keys, values, strict=True)))
        return found, frozenset(key for key, lock in zip(keys, locks, strict=True) if lock is None)

    async def drop(self, repository: str, keys: Sequence[str], change: Change) -> None:
        """Forget, and tell every replica."""
        names = [name for key in keys for name in (self._value(key), self._lock(key))]
        news = cache_news.written(News(self._origin, Change(repository, change.number, change.kinds)))

        async def forget() -> None:
            pipe = self._redis.pipeline(transaction=False)
            if not change.number:
                pipe.set(self._stamp(repository), uuid.uuid4().hex, px=2 * self._lifetime)
            elif names:
                pipe.unlink(*names)
            pipe.publish(f"{self._prefix}:news", news)
            await pipe.execute()

        await self._ask(forget, None)

    async def used(self, repository: str, shape: Shape) -> None:
        """Remember that a repository is in use."""
        key, member = f"{self._prefix}:recent", f"{repository} {shape.code}"

        async def remember() -> None:
            pipe = self._redis.pipeline(transaction=False)
            pipe.zadd(key, {member: time.time()})
            pipe.zremrangebyrank(key, 0, -RECENT - 1)
            pipe.expire(key, RECENT_TIME)
            await pipe.execute()

        await self._ask(remember, None)

    async def recent(self, limit: int) -> list[tuple[str, Shape]]:
        """Return what was in use lately, the latest first."""
        key = f"{self._prefix}:recent"
        members: list[bytes] = await self._ask(lambda: self._redis.zrevrange(key, 0, limit - 1), [])
        return [found for member in members if (found := _used(member)) is not None]

    @asynccontextmanager
    async def listening(self, changed: Callable[[Change], None], missed: Callable[[], None]) -> AsyncIterator[None]:
        """Hear of changes from other replicas for the length of the block.

        Args:
            changed: Is told of each.
            missed: Is called whenever some may have been missed.
        """
        async with asyncio.TaskGroup() as tasks:
            begun = asyncio.Event()
            listener = tasks.create_task(self._listen(changed, missed, begun))
            await begun.wait()
            try:
                yield
            finally:
                listener.cancel()

    async def _listen(
        self, changed: Callable[[Change], None], missed: Callable[[], None], begun: asyncio.Event
    ) -> None:
        """Listen, and begin again where the connection is lost; *begun* is set after the first try."""
        while True:
            try:
                async with self._redis.pubsub() as channel:
                    await channel.subscribe(f"{self._prefix}:news")
                    missed()
                    begun.set()
                    while True:
                        message = await channel.get_message(ignore_subscribe_messages=True, timeout=LOOK_SECONDS)
                        if message is None:
                            await self._look()
                        else:
                            self._tell(message["data"], changed)
            except (RedisError, OSError) as error:
                _LOG.warning("cache.news_lost", error=type(error).__name__)
                begun.set()
                await asyncio.sleep(REST_SECONDS)

    def _tell(self, data: object, changed: Callable[[Change], None]) -> None:
        """Pass on what another replica says; what cannot be read is counted and skipped: no writer ends a listener."""
        try:
            news = cache_news.read(data)
        except UnreadableError:
            NEWS_UNREADABLE.inc()
            return
        if news.origin != self._origin:
            changed(news.change)

    async def _look(self) -> None:
        """Ask what the server has evicted."""
        statistics = await self._redis.info("stats")
        SHARED_EVICTED.set(float(statistics.get("evicted_keys", 0)))


class _Pause:
    """Gives others the event loop now and then."""

    def __init__(self) -> None:
        self._values = self._bytes = 0

    async def after(self, size: int) -> None:
        """Count a value; pause where enough have been."""
        self._values += 1
        self._bytes += size
        if self._values >= VALUES_AT_ONCE or self._bytes >= BYTES_AT_ONCE:
            self._values = self._bytes = 0
            await asyncio.sleep(0)


def _used(member: bytes) -> tuple[str, Shape] | None:
    """Return what `used` has written; None where something else stands there."""
    try:
        return cache_news.used(member)
    except UnreadableError:
        NEWS_UNREADABLE.inc()
        return None
