"""Takes reads that the process cannot answer to the shared cache, to other replicas' reads, and at last to GitHub."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from functools import partial

from cachetools import LRUCache

from miyabi_core.errors import InternalError, MiyabiError
from miyabi_core.logging import get_logger
from miyabi_github_gateway.errors import GitHubUnavailableError, RateLimitedError, ReadTimedOutError
from miyabi_github_gateway.models import Answer, Entry, Read, Shape, StaleCause
from miyabi_github_gateway.ports import Fetched, SharedCache
from miyabi_github_gateway.service.caching.flights import Deadline, Flight, Outcome, merged, projected
from miyabi_github_gateway.service.caching.freshness import Age, Freshness, answer_of
from miyabi_github_gateway.service.caching.local_cache import LocalCache
from miyabi_github_gateway.service.caching.metrics import STALE, reads
from miyabi_github_gateway.service.coalescing.batching import Batcher
from miyabi_github_gateway.service.governor.model import Lane

#: Node ids that are remembered, some 200 bytes each.
NODE_IDS = 50_000

_LOG = get_logger(__name__)


class Departures:
    """Answers flights, and keeps what they bring.

    Args:
        batcher: Reads from GitHub.
        local: The process's own cache.
        shared: The replicas' cache.
        freshness: The times.
        clock: Seconds since the epoch; tests give their own.
    """

    def __init__(
        self,
        *,
        batcher: Batcher,
        local: LocalCache,
        shared: SharedCache,
        freshness: Freshness,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._batcher = batcher
        self._local = local
        self._shared = shared
        self._freshness = freshness
        self._clock = clock
        #: What is on its way, by key.
        self.flights: dict[str, Flight] = {}
        self._ids: LRUCache[tuple[str, str, int], str] = LRUCache(NODE_IDS)
        self._running: set[asyncio.Task[None]] = set()

    def start(self, tasks: asyncio.TaskGroup, work: Awaitable[None]) -> None:
        """Run something beside the callers."""
        task = tasks.create_task(_quiet(work))
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    async def close(self) -> None:
        """Call off what is under way; those who wait are told."""
        for flight in self.flights.values():
            flight.land(GitHubUnavailableError("the gateway is stopping"))
        for task in list(self._running):
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)
        self.flights.clear()

    async def go(self, flights: Sequence[Flight]) -> None:
        """Answer each flight, whatever happens."""
        try:
            left = await self._from_shared(flights)
            if left:
                await self._from_replicas(left)
        except Exception:
            _LOG.exception("read.failed", things=len(flights))
            raise
        finally:
            self._end(flights, InternalError("Internal error.", reason="INTERNAL"))

    def _end(self, flights: Iterable[Flight], otherwise: MiyabiError) -> None:
        """Land what has not landed, and forget the flights."""
        for flight in flights:
            if flight.outcome is None:
                flight.land(otherwise)
            if self.flights.get(flight.key) is flight:
                del self.flights[flight.key]

    async def _from_shared(self, flights: Sequence[Flight]) -> list[Flight]:
        """Land what the shared cache has; returns the rest."""
        left = [flight for flight in flights if flight.is_fresh]
        for repository, group in _by_repository(flight for flight in flights if not flight.is_fresh).items():
            known = await self._shared.get_many(repository, [flight.key for flight in group])
            left += [flight for flight in group if not self._is_known(flight, known.get(flight.key))]
        return left

    def _is_known(self, flight: Flight, entry: Entry | None) -> bool:
        """Land a flight with what the shared cache has of it, where that is fresh.

        What is a little old is handed out, and the flight goes on; older things are kept as a spare.
        """
        if entry is None:
            flight.spare = self._local.get(flight.key)
            return False
        kind, now = flight.read.shape.kind, self._clock()
        age = self._freshness.judge(flight.read.shape, entry, now)
        self._learn(flight.read, entry.value)
        if age in {Age.FRESH, Age.REVALIDATE}:
            reads(kind.value, "l2").inc()
            cause = StaleCause.REVALIDATING if age is Age.REVALIDATE else StaleCause.NONE
            flight.land(answer_of(entry, now, cause=cause))
            if flight.is_valid:
                self._local.put(flight.key, entry)
        if age is Age.REVALIDATE:
            STALE.labels(kind.value, "revalidating").inc()
        flight.spare = entry
        return age is Age.FRESH

    async def _from_replicas(self, flights: Sequence[Flight]) -> None:
        """Read what nobody reads, and wait for what another replica reads."""
        tokens: dict[str, str] = {}
        for repository, group in _by_repository(flights).items():
            forced = [flight.key for flight in group if flight.is_fresh]
            tokens |= await self._shared.claim(repository, [flight.key for flight in group], force=forced)
        mine = [flight for flight in flights if flight.key in tokens]
        theirs = [flight for flight in flights if flight.key not in tokens]
        async with asyncio.TaskGroup() as tasks:
            if mine:
                tasks.create_task(self._from_github(mine, tokens))
            for repository, group in _by_repository(theirs).items():
                tasks.create_task(self._follow(repository, group))

    async def _follow(self, repository: str, flights: list[Flight]) -> None:
        """Wait for another replica's reads; where it dies or fails, its claim ends and the read is ours."""
        waiting = {flight.key: flight for flight in flights}
        while waiting and any(flight.deadline > _now() for flight in waiting.values()):
            found, orphaned = await self._shared.wait(repository, list(waiting))
            for key, entry in found.items():
                if self._freshness.judge(waiting[key].read.shape, entry, self._clock()) is Age.FRESH:
                    flight = waiting.pop(key)
                    reads(flight.read.shape.kind.value, "other_replica").inc()
                    flight.land(answer_of(entry, self._clock()))
                    if flight.is_valid:
                        self._local.put(key, entry)
            if orphans := [waiting[key] for key in orphaned if key in waiting]:
                tokens = await self._shared.claim(repository, [flight.key for flight in orphans])
                mine = [waiting.pop(flight.key) for flight in orphans if flight.key in tokens]
                if mine:
                    await self._from_github(mine, tokens)
        self._end(waiting.values(), ReadTimedOutError())

    async def _from_github(self, flights: Sequence[Flight], tokens: Mapping[str, str]) -> None:
        """Read in batches, a lane and a shape at a time: what is part of a long list makes nothing else wait."""
        for (kind, is_fresh), count in Counter((flight.read.shape.kind, flight.is_fresh) for flight in flights).items():
            reads(kind.value, "bypassed" if is_fresh else "miss").inc(count)
        async with asyncio.TaskGroup() as tasks:
            for lane in Lane:
                if group := [flight for flight in flights if flight.lane is lane]:
                    deadline = Deadline(max(flight.deadline for flight in group), lane)
                    for (_, shape), things in merged(group).items():
                        tasks.create_task(self._read(shape, things, tokens, deadline))

    async def _read(
        self, shape: Shape, things: Mapping[Read, list[Flight]], tokens: Mapping[str, str], deadline: Deadline
    ) -> None:
        """Read things of a shape."""
        for read, flights in things.items():
            for flight in flights:
                flight.batch, flight.asked = deadline, read
        ids = {read: known for read in things if (known := self._ids.get(_name(read)))}
        deliver = partial(self._landed, things, tokens)
        await self._batcher.read(shape, list(things), ids=ids, deadline=deadline, deliver=deliver)

    async def _landed(
        self, things: Mapping[Read, list[Flight]], tokens: Mapping[str, str], found: Mapping[Read, Fetched]
    ) -> None:
        """Land what a query brought, then keep it for others."""
        fresh, nothing = self._land(things, found)
        await asyncio.sleep(0)  # the callers are answered before anything is kept
        for repository, flights in _by_repository(fresh).items():
            entries = {flight.key: fresh[flight] for flight in flights}
            kept = await self._shared.put_many(repository, entries, tokens={key: tokens[key] for key in entries})
            self._local.put_many(
                {flight.key: fresh[flight] for flight in flights if flight.is_valid and flight.key in kept}
            )
        if nothing:
            await self._shared.release({flight.key: tokens[flight.key] for flight in nothing})
        self._end([*fresh, *nothing], InternalError("Internal error.", reason="INTERNAL"))

    def _land(
        self, things: Mapping[Read, list[Flight]], found: Mapping[Read, Fetched]
    ) -> tuple[dict[Flight, Entry], list[Flight]]:
        """Land flights; returns what is to be kept of them, and those of which there is nothing to keep."""
        now = self._clock()
        fresh: dict[Flight, Entry] = {}
        nothing: list[Flight] = []
        for read, value in found.items():
            self._learn(read, value)
            for flight in things[read]:
                if value is None or isinstance(value, MiyabiError):
                    nothing.append(flight)
                    flight.land(self._unread(flight, value, now))
                else:
                    part = projected(value, flight.read.shape.fields, read=read.shape.fields)
                    fresh[flight] = Entry(part, now)
                    flight.land(Answer(part))
        return fresh, nothing

    def _unread(self, flight: Flight, value: MiyabiError | None, now: float) -> Outcome:
        """Return what callers are told where nothing came; where GitHub cannot be asked, what is known, marked."""
        if value is None:
            return Answer(None)
        kind, spare = flight.read.shape.kind, flight.spare or self._local.get(flight.key)
        away = isinstance(value, RateLimitedError | GitHubUnavailableError)
        if not away or spare is None or flight.is_fresh or not flight.is_valid:
            return value
        if self._freshness.judge(flight.read.shape, spare, now) is not Age.GONE:
            STALE.labels(kind.value, "unavailable").inc()
            is_limit = isinstance(value, RateLimitedError)
            return answer_of(spare, now, cause=StaleCause.RATE_LIMITED if is_limit else StaleCause.UNAVAILABLE)
        return value

    def _learn(self, read: Read, value: Fetched) -> None:
        """Remember a node id, and forget that of a thing that is gone."""
        if not read.number or isinstance(value, MiyabiError):
            return
        if value is None:
            self._ids.pop(_name(read), None)
        else:
            self._ids[_name(read)] = value.id


async def _quiet(work: Awaitable[None]) -> None:
    """Await; what goes wrong was told to those who wait, and must not end the other reads."""
    try:
        await work
    except Exception:  # noqa: BLE001 - the boundary of work that no caller waits for
        _LOG.exception("background.failed")


def _name(read: Read) -> tuple[str, str, int]:
    """Return what a node id belongs to."""
    return read.repository.casefold(), read.shape.kind.value, read.number


def _by_repository(flights: Iterable[Flight]) -> dict[str, list[Flight]]:
    """Group by repository."""
    groups: dict[str, list[Flight]] = {}
    for flight in flights:
        groups.setdefault(flight.read.repository, []).append(flight)
    return groups


def _now() -> float:
    """Return the event loop's time, which deadlines are in."""
    return asyncio.get_running_loop().time()
