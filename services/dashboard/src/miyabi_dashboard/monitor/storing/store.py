"""Writes measurements and the position up to which events were read, in one transaction by the lease's holder alone.

So an event is counted once: where the transaction was made its events are counted and read, and else neither. A holder
that does not know whether its transaction was made, or that lost its lease, forgets what it has and reads it anew.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar

import redis.asyncio
from redis.exceptions import RedisError, WatchError

from miyabi_core.errors import AbortedError, UnavailableError
from miyabi_core.ids import new_ulid
from miyabi_dashboard.monitor.measuring.open_work import KnownBatch, OpenTask, OpenWork, TaskName
from miyabi_dashboard.monitor.storing.buckets import Bucket, start_of

#: All keys of the monitor; the dashboard alone writes them. They have no expiry, or a full store would drop them first.
PREFIX = "{s0}:monitor:"
#: How long a lease lasts that is not renewed: so long nothing is measured after a kill, and then it is made up for.
LEASE = timedelta(seconds=10)
_Entry = TypeVar("_Entry")
#: Entries of one command while names are read.
_TOGETHER = 200


class LeaseLostError(AbortedError):
    """Another replica measures now, or nobody knows whether the last write was made."""


@dataclass(frozen=True)
class Written:
    """What one transaction writes, encoded at one moment.

    Args:
        cursor: Position of the event stream behind what is counted.
        tasks: Stored form of each task that changed; None where it ended.
        batches: The same of batches; None where one is forgotten.
        buckets: Names and values that changed, by bucket.
        dropped: Names of buckets that go away.
    """

    cursor: str
    tasks: Mapping[str, str | None]
    batches: Mapping[str, str | None]
    buckets: Mapping[str, Mapping[bytes, bytes]]
    dropped: Sequence[str] = ()

    @classmethod
    def taken(
        cls, cursor: str, work: OpenWork, buckets: Mapping[str, Bucket], *, dropped: Sequence[str] = ()
    ) -> Written:
        """Take what changed since the last time; if it cannot be written all has to be read anew."""
        tasks = {_field_of(name): _stored(work.tasks.get(name)) for name in work.changed_tasks}
        batches = {name: _stored(work.batches.get(name)) for name in work.changed_batches}
        fields = {name: dict(bucket.encode_changed()) for name, bucket in buckets.items() if bucket.changed}
        work.changed_tasks.clear()
        work.changed_batches.clear()
        for bucket in buckets.values():
            bucket.changed.clear()
        return cls(cursor, tasks, batches, fields, dropped)


class MeasurementStore:
    """The monitor's keys in the state store.

    Args:
        client: The state store.
    """

    def __init__(self, client: redis.asyncio.Redis) -> None:
        self._client = client
        self._token = new_ulid().encode()

    def _pipeline(self) -> Any:
        """Return a transaction."""
        return self._client.pipeline(transaction=True)

    async def take_lease(self) -> bool:
        """Become the one replica that measures, or stay it; False where another one is.

        Raises:
            UnavailableError: the store did not answer.
        """
        try:
            taken = await self._client.set(f"{PREFIX}lease", self._token, nx=True, px=LEASE)
            if not taken and await self._client.get(f"{PREFIX}lease") == self._token:
                taken = await self._client.pexpire(f"{PREFIX}lease", LEASE)
        except (RedisError, OSError) as error:
            raise _away() from error
        return bool(taken)

    async def leave(self) -> None:
        """Give the lease up, so that another replica need not wait; where the store is away it ends by itself."""
        try:
            async with self._pipeline() as pipe:
                await pipe.watch(f"{PREFIX}lease")
                if await pipe.get(f"{PREFIX}lease") == self._token:
                    pipe.multi()
                    pipe.delete(f"{PREFIX}lease")
                    await pipe.execute()
        except (RedisError, OSError):
            return

    async def load_work(self) -> tuple[str, OpenWork]:
        """Return the position and what had begun, as the last holder left it.

        Raises:
            UnavailableError: the store did not answer.
        """
        try:
            async with self._pipeline() as pipe:
                pipe.get(f"{PREFIX}cursor").hgetall(f"{PREFIX}tasks").hgetall(f"{PREFIX}batches")
                cursor, tasks, batches = await pipe.execute()
        except (RedisError, OSError) as error:
            raise _away() from error
        work = OpenWork()
        work.tasks = dict(_readable(tasks, lambda name, value: (_task_name(name), OpenTask.decode(value))))
        work.batches = dict(_readable(batches, lambda name, value: (name, KnownBatch.decode(value))))
        return (cursor or b"").decode(), work

    async def write(self, written: Written) -> None:
        """Write all of it or nothing, and renew the lease.

        Raises:
            LeaseLostError: another replica holds the lease, or the store did not say whether it wrote.
        """
        try:
            async with self._pipeline() as pipe:
                await pipe.watch(f"{PREFIX}lease")
                if await pipe.get(f"{PREFIX}lease") != self._token:
                    raise LeaseLostError("another replica measures now", reason="MEASURING_ELSEWHERE")
                pipe.multi()
                _queue(pipe, written)
                pipe.pexpire(f"{PREFIX}lease", LEASE)
                await pipe.execute()
        except WatchError as error:
            raise LeaseLostError("another replica measures now", reason="MEASURING_ELSEWHERE") from error
        except (RedisError, OSError) as error:
            raise LeaseLostError("the state store did not answer", reason="STORE_UNAVAILABLE") from error

    async def names(self, *, start: float = float("-inf"), end: float = float("inf")) -> list[str]:
        """Return the names of the buckets that begin between two moments, oldest first.

        Raises:
            UnavailableError: the store did not answer.
        """
        try:
            found: Any = await self._client.zrange(f"{PREFIX}buckets", start, end, byscore=True)
        except (RedisError, OSError) as error:
            raise _away() from error
        return [name.decode() for name in found]

    async def load(self, names: list[str]) -> dict[str, dict[bytes, bytes]]:
        """Return buckets as they are stored, `Bucket.decode` reads them; one that is not there is empty.

        Raises:
            UnavailableError: the store did not answer.
        """
        found: dict[str, dict[bytes, bytes]] = {}
        try:
            for first in range(0, len(names), _TOGETHER):
                some = names[first : first + _TOGETHER]
                async with self._client.pipeline(transaction=False) as pipe:
                    for name in some:
                        pipe.hgetall(_bucket_key(name))
                    found |= dict(zip(some, await pipe.execute(), strict=True))
        except (RedisError, OSError) as error:
            raise _away() from error
        return found


def _queue(pipe: Any, written: Written) -> None:
    """Put the commands of a transaction into a pipeline."""
    pipe.set(f"{PREFIX}cursor", written.cursor)
    _queue_hash(pipe, f"{PREFIX}tasks", written.tasks)
    _queue_hash(pipe, f"{PREFIX}batches", written.batches)
    for name, fields in written.buckets.items():
        if name not in written.dropped:
            pipe.hset(_bucket_key(name), mapping=dict(fields))
            pipe.zadd(f"{PREFIX}buckets", {name: start_of(name)})
    for name in written.dropped:
        pipe.unlink(_bucket_key(name))
        pipe.zrem(f"{PREFIX}buckets", name)


def _queue_hash(pipe: Any, key: str, values: Mapping[str, str | None]) -> None:
    """Set the fields that have a value, and remove the others."""
    if present := {name: value for name, value in values.items() if value is not None}:
        pipe.hset(key, mapping=present)
    if absent := [name for name, value in values.items() if value is None]:
        pipe.hdel(key, *absent)


def _stored(entry: OpenTask | KnownBatch | None) -> str | None:
    return entry.encode() if entry is not None else None


def _bucket_key(name: str) -> str:
    return f"{PREFIX}bucket:{name}"


def _field_of(name: TaskName) -> str:
    return "|".join(map(str, name))


def _readable(stored: Mapping[bytes, bytes], read: Callable[[str, str], _Entry]) -> Iterator[_Entry]:
    """Yield the entries that can be read; what a newer version wrote must not keep this one from measuring."""
    for name, value in stored.items():
        try:
            yield read(name.decode(), value.decode())
        except ValueError:
            continue


def _task_name(field: str) -> TaskName:
    """Read a field of the tasks.

    Raises:
        ValueError: it is none.
    """
    batch, issue, task = field.split("|", 2)
    return batch, int(issue), task


def _away() -> UnavailableError:
    return UnavailableError("the state store did not answer", reason="STORE_UNAVAILABLE")
