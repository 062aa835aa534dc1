"""Sends things of one shape in batches; what GitHub finds too much is sent again in halves, down to one."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass, field

from miyabi_core.errors import MiyabiError
from miyabi_github_gateway.errors import GitHubUnavailableError, ReadTimedOutError
from miyabi_github_gateway.models import Read, Shape
from miyabi_github_gateway.ports import BatchSource, Brought, Fetched
from miyabi_github_gateway.service.caching.flights import Deadline
from miyabi_github_gateway.service.caching.metrics import BATCHED
from miyabi_github_gateway.service.coalescing.sizing import START, BatchSizes, Rounds
from miyabi_github_gateway.service.governor.model import Lane

#: Queries that failed without one that succeeded, after which GitHub itself is in trouble and not one of the things.
HOPELESS = 7
#: Where at most this part of a piece failed by itself, alone, the things were at fault and not their number.
POISONOUS_PART = 0.1

#: Is handed what one query has brought, as soon as it is there.
Deliver = Callable[[Mapping[Read, Fetched]], Awaitable[None]]


@dataclass
class _Fortune:
    """How the queries of one piece went, and how urgent they are."""

    lane: Lane
    succeeded: int = 0
    failed: int = 0
    alone: int = 0  #: things that failed although nothing else was asked for
    too_large: int = 0  #: the smallest number of things that was too much

    @property
    def is_hopeless(self) -> bool:
        """True where halving has not helped at all."""
        return self.succeeded == 0 and self.failed >= HOPELESS

    def is_of_single_things(self, count: int) -> bool:
        """Return whether failures were of single things of *count* that the others do not share."""
        return bool(self.succeeded) and 0 < self.alone <= max(1, int(count * POISONOUS_PART))


@dataclass
class _Reading:
    """A read of many things of one shape; answers are handed on beside the queries, which wait for nothing."""

    shape: Shape
    queue: deque[Read]
    ids: Mapping[Read, str]
    deadline: Deadline
    deliver: Deliver
    tasks: asyncio.TaskGroup
    has_succeeded: bool = False

    def hand_on(self, found: Mapping[Read, Fetched]) -> None:
        """Deliver."""
        if found:
            self.tasks.create_task(self._delivered(found))

    async def _delivered(self, found: Mapping[Read, Fetched]) -> None:
        await self.deliver(found)

    def give_up(self, error: MiyabiError) -> None:
        """Ask for nothing further: what still waits has the error."""
        self.hand_on(dict.fromkeys(self.queue, error))
        self.queue.clear()


@dataclass
class Batcher:
    """Reads any number of things of one shape.

    Args:
        source: Sends one query.
        at_once: Queries of large reads at once, of each lane. A read that fits one query is not held back behind them.
        sizes: How large batches are.
    """

    source: BatchSource
    at_once: int = 10
    sizes: BatchSizes = field(default_factory=BatchSizes)

    def __post_init__(self) -> None:
        self._slots = {lane: asyncio.Semaphore(self._room(lane)) for lane in Lane}

    def _room(self, lane: Lane) -> int:
        """Return how many queries of a lane run at once: the budget keeps one place for what is urgent."""
        return self.at_once - 1 if lane is Lane.BATCH and self.at_once > 2 else self.at_once

    async def read(
        self, shape: Shape, wanted: Sequence[Read], *, ids: Mapping[Read, str], deadline: Deadline, deliver: Deliver
    ) -> None:
        """Read; each thing is delivered once, with its value or what is wrong with it.

        Args:
            shape: What is asked of each.
            wanted: Things of that shape, each once.
            ids: Node ids that are known.
            deadline: When the last caller is gone, and how urgent the read is.
            deliver: Is handed each query's answers.
        """
        lane = deadline.lane
        rounds = Rounds(self._room(lane))
        slots = self._slots[lane] if len(wanted) > START else nullcontext()
        count = min(rounds.at_once, -(-len(wanted) // min(START, self.sizes.limit(shape))))
        async with asyncio.TaskGroup() as tasks:
            reading = _Reading(shape, deque(wanted), ids, deadline, deliver, tasks)

            def hurry(read: Read) -> None:
                if read in reading.queue:
                    reading.queue.remove(read)
                    tasks.create_task(self._piece(reading, [read], Lane.INTERACTIVE))

            deadline.hurrying.add(hurry)
            try:
                async with asyncio.TaskGroup() as workers:
                    for _ in range(count):
                        workers.create_task(self._work(reading, rounds, slots))
            finally:
                deadline.hurrying.discard(hurry)

    async def _work(self, reading: _Reading, rounds: Rounds, slots: AbstractAsyncContextManager[object]) -> None:
        """Send piece after piece until nothing waits."""
        queue = reading.queue
        while queue:
            async with slots:
                if queue:
                    count = rounds.take(waiting=len(queue), limit=self.sizes.limit(reading.shape))
                    await self._piece(reading, [queue.popleft() for _ in range(count)], reading.deadline.lane)

    async def _piece(self, reading: _Reading, chosen: list[Read], lane: Lane) -> None:
        """Send one piece; where its size was not at fault, the next pieces are as large as before."""
        before, fortune = self.sizes.of(reading.shape), _Fortune(lane)
        await self._send(reading, chosen, fortune)
        if fortune.is_hopeless or fortune.is_of_single_things(len(chosen)):
            self.sizes.forgive(reading.shape, before)
        elif 0 < fortune.too_large < len(chosen):
            self.sizes.failed(reading.shape, count=fortune.too_large)
        if fortune.is_hopeless and not reading.has_succeeded:
            reading.give_up(GitHubUnavailableError("no query is answered, however small"))

    async def _send(self, reading: _Reading, chosen: list[Read], fortune: _Fortune) -> None:
        """Send things; what was too much of them goes again in halves."""
        found = await self._try(reading, chosen, fortune)
        too_much = [read for read in chosen if _is_too_much(found[read])]
        again = too_much if len(chosen) > 1 and not fortune.is_hopeless else []
        fortune.alone += len(chosen) == len(too_much) == 1
        halved = set(again)
        reading.hand_on({read: value for read, value in found.items() if read not in halved})
        if len(too_much) == len(chosen) > 1:
            if not fortune.too_large:
                # Halved once until the piece is through and it is known what was at fault.
                self.sizes.failed(reading.shape, count=len(chosen))
            fortune.too_large = min(fortune.too_large or len(chosen), len(chosen))
        half = -(-len(again) // 2)
        for piece in (again[:half], again[half:]):
            if piece:
                await self._send(reading, piece, fortune)

    async def _try(self, reading: _Reading, chosen: list[Read], fortune: _Fortune) -> Mapping[Read, Fetched]:
        """Send one query; its failure is the failure of each thing in it."""
        BATCHED.labels(reading.shape.kind.value).observe(len(chosen))
        try:
            async with reading.deadline.limit(fortune.lane):
                brought = await self._ask(reading, chosen)
        except TimeoutError:
            fortune.failed += 1
            return dict.fromkeys(chosen, ReadTimedOutError())
        except MiyabiError as error:
            fortune.failed += 1
            return dict.fromkeys(chosen, error)
        fortune.succeeded += 1
        reading.has_succeeded = True
        self.sizes.succeeded(reading.shape, count=len(chosen), seconds=brought.seconds, size_bytes=brought.size_bytes)
        return brought.things

    async def _ask(self, reading: _Reading, chosen: list[Read]) -> Brought:
        """Ask the source.

        One thing alone is repeated by the client, and so is a batch that failed for another reason than its size.

        Raises:
            MiyabiError: nothing came.
        """
        mine = {read: reading.ids[read] for read in chosen if read in reading.ids}
        alone = len(chosen) == 1
        try:
            return await self.source.read(reading.shape, chosen, ids=mine, patient=alone)
        except GitHubUnavailableError as error:
            if error.too_much or alone:
                raise
            return await self.source.read(reading.shape, chosen, ids=mine, patient=True)


def _is_too_much(value: Fetched) -> bool:
    """Return whether a smaller query may bring it."""
    return isinstance(value, GitHubUnavailableError) and value.too_much
