"""Reads through the cache: what is there, else what is on its way, else together with whatever else is wanted now."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager, suppress
from datetime import timedelta

from miyabi_core.errors import MiyabiError
from miyabi_github_gateway.errors import ReadTimedOutError
from miyabi_github_gateway.models import ALL_KINDS, Answer, Change, Kind, Read, StaleCause
from miyabi_github_gateway.ports import SharedCache
from miyabi_github_gateway.service.caching.flights import Caller, Flight, Outcome
from miyabi_github_gateway.service.caching.freshness import Age, Freshness, answer_of
from miyabi_github_gateway.service.caching.local_cache import LocalCache
from miyabi_github_gateway.service.caching.metrics import STALE, reads
from miyabi_github_gateway.service.calling import current
from miyabi_github_gateway.service.coalescing.departures import Departures

#: A read whose caller set no deadline is given up after this.
PATIENCE = timedelta(seconds=60)
#: A repository is noted as used at most this often.
NOTE_SECONDS = 60.0

#: Returns the scope of the credential for an owner's repositories; it is part of every key.
Scope = Callable[[str], Awaitable[str]]


class ReadThrough:
    """Implements `ports.Invalidator`, and reads.

    Args:
        departures: Takes what is not here to the shared cache and to GitHub.
        local: The process's own cache.
        shared: The replicas' cache.
        scope: Names the credential that an owner's repositories are read with.
        freshness: The times.
        window: Reads that come within it travel together.
        clock: Seconds since the epoch; tests give their own.
    """

    def __init__(
        self,
        *,
        departures: Departures,
        local: LocalCache,
        shared: SharedCache,
        scope: Scope,
        freshness: Freshness,
        window: timedelta = timedelta(milliseconds=5),
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._departures = departures
        self._local = local
        self._shared = shared
        self._scope = scope
        self._freshness = freshness
        self._window = window.total_seconds()
        self._clock = clock
        self._flights = departures.flights
        self._gathered: list[Flight] = []
        self._noted: dict[tuple[str, str], float] = {}
        self._scopes: set[str] = set()
        self._tasks: asyncio.TaskGroup | None = None

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Let reads travel for the length of the block; at its end those under way are called off."""
        async with asyncio.TaskGroup() as tasks:
            self._tasks = tasks
            try:
                yield
            finally:
                self._tasks = None
                await self._departures.close()

    async def one(self, read: Read, *, fresh: bool = False, timeout: timedelta = PATIENCE) -> Answer:
        """Read one thing.

        Raises:
            MiyabiError: it cannot be read.
        """
        async with aclosing(self.load([read], fresh=fresh, timeout=timeout)) as loading:
            async for found in loading:
                outcome = found[read]
                if isinstance(outcome, MiyabiError):
                    raise outcome
                return outcome
        raise ReadTimedOutError

    async def load(
        self, reads: Sequence[Read], *, fresh: bool = False, timeout: timedelta = PATIENCE
    ) -> AsyncGenerator[dict[Read, Outcome], None]:
        """Yield outcomes as they come, each read once.

        Args:
            reads: Things of one repository.
            fresh: Go to GitHub whatever is cached.
            timeout: Time of this caller; others who want the same have their own.

        Raises:
            ReadTimedOutError: the time was over first.
            MiyabiError: there is no credential for the repository.
        """
        if not reads:
            return
        deadline = asyncio.get_running_loop().time() + timeout.total_seconds()
        scope = await self._scope(reads[0].owner)
        self._scopes.add(scope)
        self._note(reads[0])
        here: dict[Read, Outcome] = {}
        wanted: dict[str, Read] = {}
        for read in reads:
            key = read.key(scope)
            answer = None if fresh else self._at_hand(read, key, deadline)
            if answer is None:
                wanted[key] = read
            else:
                here[read] = answer
        caller = self._joined(wanted, deadline, is_fresh=fresh) if wanted else None
        if here:
            yield here
        while wanted and caller is not None:
            try:
                async with asyncio.timeout_at(deadline):
                    arrived = await caller.next()
            except TimeoutError as error:
                raise ReadTimedOutError from error
            yield {wanted.pop(key): outcome for key, outcome in arrived if key in wanted}

    def _joined(self, wanted: Mapping[str, Read], deadline: float, *, is_fresh: bool) -> Caller:
        """Return where the outcomes of what is not at hand arrive."""
        caller, lane = Caller(), current().lane
        for key, read in wanted.items():
            self._join(read, key, deadline, is_fresh=is_fresh).join(caller, deadline, lane)
        return caller

    def _at_hand(self, read: Read, key: str, deadline: float) -> Answer | None:
        """Return what the process knows; what is a little old is read anew behind the answer."""
        kind = read.shape.kind
        entry = self._local.get(key)
        if entry is None:
            return None
        now = self._clock()
        match self._freshness.judge(read.shape, entry, now):
            case Age.FRESH:
                reads(kind.value, "l1").inc()
                return answer_of(entry, now)
            case Age.REVALIDATE:
                reads(kind.value, "l1").inc()
                STALE.labels(kind.value, "revalidating").inc()
                self._join(read, key, deadline, is_fresh=False)
                return answer_of(entry, now, cause=StaleCause.REVALIDATING)
            case _:
                return None

    def _join(self, read: Read, key: str, deadline: float, *, is_fresh: bool) -> Flight:
        """Return the flight to a key; a read that must be fresh takes none that GitHub may have answered already."""
        flight = self._flights.get(key)
        if flight is not None and not (is_fresh and flight.batch is not None):
            flight.is_fresh = flight.is_fresh or is_fresh
            reads(read.shape.kind.value, "joined").inc()
            return flight
        flight = self._flights[key] = Flight(read, key, is_fresh, deadline)
        if not self._gathered:
            self._start(self._depart())
        self._gathered.append(flight)
        return flight

    async def _depart(self) -> None:
        """Gather for a moment, then let everything travel."""
        await asyncio.sleep(self._window)
        gathered, self._gathered = self._gathered, []
        await self._departures.go(gathered)

    def _note(self, read: Read) -> None:
        """Remember now and then that a repository is in use."""
        name, now = (read.repository, read.shape.code), self._clock()
        if now - self._noted.get(name, 0.0) > NOTE_SECONDS:
            self._noted[name] = now
            self._start(self._shared.used(read.repository, read.shape))

    def _start(self, work: Awaitable[None]) -> None:
        """Do something that no one caller waits for."""
        if self._tasks is None:
            raise RuntimeError("reads are not running")
        self._departures.start(self._tasks, work)

    async def invalidate(self, repository: str, *, number: int = 0, kinds: frozenset[Kind] = ALL_KINDS) -> None:
        """Forget; see `ports.Invalidator`."""
        change = Change(repository, number, kinds)
        # A replica that has only written so far knows no scope yet, while the shared cache has what others read.
        with suppress(MiyabiError):
            self._scopes.add(await self._scope(repository.partition("/")[0]))
        self.changed(change)
        keys = [key for scope in self._scopes for key in change.keys(scope)]
        await self._shared.drop(repository, keys, change)
        # Between the two something may have come from the shared cache.
        self.changed(change)

    def changed(self, change: Change) -> None:
        """Forget in this process what has changed; called for changes that other replicas tell of, too."""
        if change.number:
            keys = [key for scope in self._scopes for key in change.keys(scope)]
            self._local.drop(keys)
        else:
            part = f":{change.repository.casefold()}:"
            keys = [key for key in self._flights if part in key]
            self._local.drop_repository(change.repository)
        for key in keys:
            if flight := self._flights.pop(key, None):
                flight.is_valid = False

    def forget_all(self) -> None:
        """Forget everything in this process: changes may have been missed."""
        self._local.clear()
        for flight in self._flights.values():
            flight.is_valid = False
        self._flights.clear()
