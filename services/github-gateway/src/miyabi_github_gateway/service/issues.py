"""Reads issues: single reads that come together travel together, and what was just read is not read again."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from miyabi_core.errors import MiyabiError
from miyabi_github_gateway.errors import RateLimitedError
from miyabi_github_gateway.models import ALL_KINDS, Issue, IssueAnswer, IssueField, Kind
from miyabi_github_gateway.ports import GitHubReader

#: Issues of one query at the start; GitHub answers 25 with comments within its 10 s.
BATCH_SIZE = 25
#: Smallest batch after GitHub has had trouble.
SMALLEST_BATCH = 1
#: Reads that come within this time travel in one query.
GATHER_SECONDS = 0.004
#: Queries of one call at once.
QUERIES_AT_ONCE = 10
#: Issues that are kept; an issue with comments takes some 10 KB.
CACHE_ENTRIES = 4000

_Key = tuple[str, frozenset[IssueField]]


@dataclass
class _Waiting:
    """Reads that wait to travel together."""

    futures: dict[int, list[asyncio.Future[IssueAnswer]]] = field(default_factory=dict)


@dataclass
class IssueLoader:
    """A data loader with a bounded cache.

    Args:
        reader: Reads from GitHub.
        cache_seconds: How long an issue counts as fresh.
        clock: Monotonic seconds; tests give their own.
    """

    reader: GitHubReader
    cache_seconds: float = 30.0
    clock: Callable[[], float] = time.monotonic
    batch_size: int = BATCH_SIZE
    _cache: OrderedDict[tuple[_Key, int], tuple[float, Issue]] = field(default_factory=OrderedDict)

    def __post_init__(self) -> None:
        self._waiting: dict[_Key, _Waiting] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._slots = asyncio.Semaphore(QUERIES_AT_ONCE)

    def forget(self, repository: str, number: int) -> None:
        """Drop what is known of an issue: it was written to, or a webhook says that it changed."""
        for entry in [key for key in self._cache if key[0][0] == repository and number in {0, key[1]}]:
            del self._cache[entry]

    async def invalidate(self, repository: str, *, number: int = 0, kinds: frozenset[Kind] = ALL_KINDS) -> None:
        """Forget an issue; see `ports.Invalidator`."""
        if Kind.ISSUE in kinds:
            self.forget(repository, number)

    async def load(
        self, repository: str, numbers: Sequence[int], *, fields: frozenset[IssueField], fresh: bool = False
    ) -> AsyncIterator[list[IssueAnswer]]:
        """Yield answers as they come, each number once.

        Raises:
            MiyabiError: the repository cannot be read at all.
        """
        key = (repository, fields)
        cached = [] if fresh else [answer for number in numbers if (answer := self._fresh(key, number))]
        if cached:
            yield cached
        known = {answer.number for answer in cached}
        pending = {self._ask(key, number) for number in numbers if number not in known}
        try:
            while pending:
                done, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
                yield [future.result() for future in done]
        finally:
            for future in pending:
                future.cancel()

    def _fresh(self, key: _Key, number: int) -> IssueAnswer | None:
        """Return what is known and fresh."""
        entry = self._cache.get((key, number))
        if entry is None or (age := self.clock() - entry[0]) > self.cache_seconds:
            return None
        self._cache.move_to_end((key, number))
        return IssueAnswer(number, entry[1], age=timedelta(seconds=age))

    def _ask(self, key: _Key, number: int) -> asyncio.Future[IssueAnswer]:
        """Queue a read; the first of a moment starts the timer."""
        future: asyncio.Future[IssueAnswer] = asyncio.get_running_loop().create_future()
        waiting = self._waiting.get(key)
        if waiting is None:
            waiting = self._waiting[key] = _Waiting()
            task = asyncio.create_task(self._travel(key), name=f"read-issues-{key[0]}")
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        waiting.futures.setdefault(number, []).append(future)
        return future

    async def _travel(self, key: _Key) -> None:
        """Gather for a moment, then send everything in batches."""
        await asyncio.sleep(GATHER_SECONDS)
        futures = self._waiting.pop(key).futures
        numbers = list(futures)
        async with asyncio.TaskGroup() as tasks:
            for start in range(0, len(numbers), self.batch_size):
                chosen = numbers[start : start + self.batch_size]
                tasks.create_task(self._read(key, chosen, {number: futures[number] for number in chosen}))

    async def _read(self, key: _Key, numbers: list[int], futures: dict[int, list[asyncio.Future[IssueAnswer]]]) -> None:
        """Read one batch; on trouble the batch is halved, and every reader gets an answer or the error."""
        repository, fields = key
        try:
            async with self._slots:
                found = await self.reader.issues(repository, numbers, fields=fields)
            self.batch_size = min(BATCH_SIZE, self.batch_size + 1)
            answers = {number: self._keep(key, number, issue) for number, issue in found.items()}
        except RateLimitedError as error:
            stale = {number: self._stale(key, number) for number in numbers}
            if any(answer is None for answer in stale.values()):
                return _fail(futures, error)
            answers = {number: answer for number, answer in stale.items() if answer}
        except MiyabiError as error:
            if error.code.name != "UNAVAILABLE" or len(numbers) <= SMALLEST_BATCH:
                return _fail(futures, error)
            self.batch_size = max(SMALLEST_BATCH, self.batch_size // 2)
            half = len(numbers) // 2
            async with asyncio.TaskGroup() as tasks:
                for part in (numbers[:half], numbers[half:]):
                    tasks.create_task(self._read(key, part, {number: futures[number] for number in part}))
            return None
        for number, answer in answers.items():
            for future in futures[number]:
                if not future.done():
                    future.set_result(answer)
        return None

    def _keep(self, key: _Key, number: int, issue: Issue | None) -> IssueAnswer:
        """Remember an issue; the one that was not used for longest goes."""
        if issue is not None:
            self._cache[(key, number)] = (self.clock(), issue)
            self._cache.move_to_end((key, number))
            while len(self._cache) > CACHE_ENTRIES:
                self._cache.popitem(last=False)
        return IssueAnswer(number, issue)

    def _stale(self, key: _Key, number: int) -> IssueAnswer | None:
        """Return what is known, marked stale; nothing is ever made up."""
        entry = self._cache.get((key, number))
        if entry is None:
            return None
        return IssueAnswer(number, entry[1], age=timedelta(seconds=self.clock() - entry[0]), stale=True)


def _fail(futures: dict[int, list[asyncio.Future[IssueAnswer]]], error: MiyabiError) -> None:
    """Give the error to everyone who waits."""
    for waiting in futures.values():
        for future in waiting:
            if not future.done():
                future.set_exception(error)
