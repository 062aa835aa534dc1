"""Follows the coordinator's events from where the last replica left off, and keeps what they measure."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

import grpc
from prometheus_client import Counter, Gauge

from miyabi.coordinator.v1 import coordinator_service_pb2 as pb
from miyabi.coordinator.v1.event_pb2 import BatchEvent
from miyabi_core.errors import MiyabiError, UnavailableError
from miyabi_core.ids import made_at
from miyabi_core.lifecycle import ending_when_cancelled
from miyabi_core.logging import get_logger
from miyabi_core.metrics import REGISTRY
from miyabi_dashboard.monitor.measuring import Measurement, Reader
from miyabi_dashboard.monitor.storing import Bucket, MeasurementStore, bucket_of
from miyabi_dashboard.monitor.storing.buckets import HOUR, MINUTES_KEPT, end_of, start_of
from miyabi_dashboard.monitor.storing.store import Written

#: Seconds between two writes: a report is behind by no more, and one event costs as much as a thousand.
WRITE_SECONDS = 3.0
#: How long the coordinator lets events gather for an answer. Reports are behind by as much more; an answer costs some
#: 400 us, and a thousand events a second in answers of twenty took 5.8 % of a core, in answers of 250 3.3 %.
GATHER = timedelta(milliseconds=250)
#: Seconds between two attempts to become the replica that measures, or to reach the coordinator.
RETRY_SECONDS = 2.0
#: Seconds between two looks for minutes to fold and for what is older than is kept.
SWEEP_SECONDS = 60.0
#: Buckets in memory; those that are not written to any more are dropped first.
MOST_BUCKETS = 16
#: Answers of the coordinator that wait to be measured; it waits with more.
MOST_ANSWERS = 16
#: Hours that one sweep folds, so that a write stays short after a long pause.
MOST_FOLDED = 4

_LOG = get_logger(__name__)

MEASURED = Counter(
    "miyabi_dashboard_monitor_events_total", "Committed events that this replica measured.", registry=REGISTRY
)
BEHIND = Gauge(
    "miyabi_dashboard_monitor_behind_seconds",
    "How old the newest event was when it was measured: a monitor that lags shows it.",
    registry=REGISTRY,
)


class Follower:
    """Measures while this replica holds the lease; the others stand by and read what it wrote.

    Args:
        stub: The coordinator's.
        store: Where measurements are kept.
        retention: How long they are kept.
        clock: Seconds since 1970.
    """

    def __init__(
        self, stub: Any, store: MeasurementStore, *, retention: timedelta, clock: Callable[[], float] = time.time
    ) -> None:
        self._stub = stub
        self._store = store
        self._retention = retention.total_seconds()
        self._clock = clock
        self._reader = Reader()
        #: What is in memory of buckets that are written to, by name.
        self.buckets: dict[str, Bucket] = {}
        self._cursor = ""
        self._swept = float("-inf")
        #: Set once this replica holds the lease and has read where to go on.
        self.measuring = asyncio.Event()

    async def run(self) -> None:
        """Measure whenever it is this replica's turn, until cancelled."""
        try:
            while True:
                try:
                    if await self._store.take_lease():
                        await ending_when_cancelled(self._follow())
                except (MiyabiError, grpc.aio.AioRpcError) as error:
                    _LOG.info("monitor.interrupted", error=str(error))
                self.measuring.clear()
                await asyncio.sleep(RETRY_SECONDS)
        finally:
            await self._store.leave()

    async def _follow(self) -> None:
        """Read on from the stored position until the lease, the store or the coordinator is lost.

        Raises:
            MiyabiError, grpc.aio.AioRpcError: what was lost.
        """
        await self._load()
        answers: asyncio.Queue[Any] = asyncio.Queue(maxsize=MOST_ANSWERS)
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._read(answers))
                tasks.create_task(self._measure(answers))
        except ExceptionGroup as failures:
            error = failures.exceptions[0]
            if isinstance(error, grpc.aio.AioRpcError) and error.code() is grpc.StatusCode.INVALID_ARGUMENT:
                await self._start_over()
            raise error from None

    async def _load(self) -> None:
        """Go on where the last holder of the lease left off."""
        self.buckets.clear()
        self._cursor, work = await self._store.load_work()
        self._reader = Reader(work)
        self.measuring.set()

    async def _start_over(self) -> None:
        """Begin at the oldest event that is kept; those that were counted are known by their batch's sequence."""
        _LOG.warning("monitor.cursor_refused")
        await self._load()
        await self._store.write(Written.taken("", self._reader.work, {}))

    async def _read(self, answers: asyncio.Queue[Any]) -> None:
        """Pass on what the coordinator sends, until it is lost.

        Raises:
            UnavailableError: it ended the stream, which has no end.
            grpc.aio.AioRpcError: it is out of reach, or refuses the position.
        """
        wanted = pb.WatchEventsRequest(cursor=self._cursor, from_start=not self._cursor, committed_only=True)
        wanted.gather.FromTimedelta(GATHER)
        async for answer in self._stub.WatchEvents(wanted):
            await answers.put(answer)
        raise UnavailableError("the coordinator ended the stream", reason="STREAM_ENDED")

    async def _measure(self, answers: asyncio.Queue[Any]) -> None:
        """Measure what comes and write it every few seconds; nobody else changes what is in memory."""
        due = time.monotonic() + WRITE_SECONDS
        while True:
            try:
                async with asyncio.timeout(max(0.0, due - time.monotonic())):
                    answer = await answers.get()
            except TimeoutError:
                await self.write()
                due = time.monotonic() + WRITE_SECONDS
                continue
            await self.take(answer.events)
            self._cursor = answer.cursor or self._cursor

    async def take(self, events: Sequence[BatchEvent]) -> None:
        """Measure events; transient ones measure nothing.

        Raises:
            UnavailableError: the store did not answer.
        """
        committed, now = [event for event in events if event.sequence], self._clock()
        names = {moment: bucket_of(moment, now=now) for moment in {event.time.seconds for event in committed}}
        if missing := sorted(set(names.values()) - self.buckets.keys()):
            stored = await self._store.load(missing)
            self.buckets |= {name: Bucket.decode(fields) for name, fields in stored.items()}
        for event in committed:
            bucket = self.buckets[names[event.time.seconds]]
            for found in self._reader.read(event):
                if isinstance(found, Measurement):
                    bucket.measure(found)
                else:
                    bucket.count(found)
        MEASURED.inc(len(committed))
        if committed:
            BEHIND.set(max(0.0, now - max(event.time.seconds for event in committed)))

    async def write(self) -> None:
        """Write what was measured with its cursor.

        Raises:
            LeaseLostError: another replica measures now, or the store did not say whether it wrote.
            UnavailableError: the store did not answer.
        """
        dropped: list[str] = []
        if self._clock() - self._swept >= SWEEP_SECONDS:
            self._swept = self._clock()
            dropped = await self._sweep()
        await self._store.write(Written.taken(self._cursor, self._reader.work, self.buckets, dropped=dropped))
        for name in dropped:
            self.buckets.pop(name, None)
        for name in sorted(self.buckets, key=end_of)[:-MOST_BUCKETS]:
            del self.buckets[name]

    async def _sweep(self) -> list[str]:
        """Fold minutes into hours, and forget what is older than is kept; returns the buckets that go away."""
        now = self._clock()
        names = await self._store.names()
        old = [name for name in names if end_of(name) <= now - self._retention]
        batches = self._reader.work.batches
        # A batch that is older than what is kept, and still at work, is known for as long as it is.
        for name in [name for name, known in batches.items() if max(known.seen, _made(name)) <= now - self._retention]:
            self._reader.work.forget(name)
        minutes = [name for name in names if name.startswith("m") and name not in old]
        hours: dict[int, list[str]] = {}
        for name in minutes:
            hours.setdefault(start_of(name) // HOUR * HOUR, []).append(name)
        due = [hour for hour in sorted(hours) if now - (hour + HOUR) >= MINUTES_KEPT]
        folded = []
        for hour in due[:MOST_FOLDED]:
            await self._fold(hour, hours[hour])
            folded += hours[hour]
        return old + folded

    async def _fold(self, hour: int, minutes: list[str]) -> None:
        """Add minutes to their hour, in memory; both are written in one transaction."""
        name = f"h{hour}"
        wanted = [entry for entry in [name, *minutes] if entry not in self.buckets]
        stored = {entry: Bucket.decode(fields) for entry, fields in (await self._store.load(wanted)).items()}
        whole = self.buckets.setdefault(name, stored.pop(name, Bucket()))
        for minute in minutes:
            whole.merge(self.buckets.pop(minute) if minute in self.buckets else stored[minute])


def _made(batch: str) -> float:
    """Return when a batch was made, in seconds since 1970, by its ULID; 0 where it has none, so that it goes away."""
    try:
        return made_at(batch.rpartition("/")[2])
    except ValueError:
        return 0.0
