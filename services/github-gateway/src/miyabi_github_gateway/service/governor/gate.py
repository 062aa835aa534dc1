"""The queue of one process before one kind of limit: only its head asks the budget, so waiters do not crowd it."""

from __future__ import annotations

import asyncio
import heapq
import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from miyabi_github_gateway.service.governor.model import Lane

_Place = tuple[Lane, int, asyncio.Future[None]]


class Gate:
    """Lets one waiter at a time be the head: the most urgent first, then by arrival.

    A head that waits for its time gives way to a more urgent waiter that comes meanwhile: the time belongs to
    the process, not to the waiter.
    """

    def __init__(self) -> None:
        self._waiting: list[_Place] = []
        self._order = itertools.count()
        self._head: Lane | None = None
        self._woken = asyncio.Event()
        #: Moment at which the head expects to pass; nothing is known where it is in the past.
        self.next_at = 0.0

    def __len__(self) -> int:
        """Return how many wait behind the head."""
        return sum(not place[2].done() for place in self._waiting)

    def ahead_of(self, lane: Lane) -> int:
        """Return how many would pass before a newcomer."""
        behind = sum(place[0] <= lane and not place[2].done() for place in self._waiting)
        return behind + (self._head is not None)

    @asynccontextmanager
    async def head(self, lane: Lane) -> AsyncIterator[Place]:
        """Wait for one's turn, and hand it on at the end of the block."""
        place = Place(self, lane, next(self._order))
        await place.enter()
        try:
            yield place
        finally:
            place.leave()

    def wake(self) -> None:
        """Let the head ask again at once: something has become free."""
        self._woken.set()

    async def enter(self, lane: Lane, order: int) -> None:
        """Become the head."""
        if self._head is None:
            self._head = lane
            return
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._waiting, (lane, order, future))
        if lane < self._head:
            self._woken.set()
        try:
            await future
        except asyncio.CancelledError:
            if future.done() and not future.cancelled():
                self.hand_on()
            raise
        self._head = lane

    def hand_on(self) -> None:
        """Make the next waiter the head."""
        self._head = None
        while self._waiting:
            lane, _, future = heapq.heappop(self._waiting)
            if not future.done():
                self._head = lane
                future.set_result(None)
                return

    def is_overtaken(self, lane: Lane) -> bool:
        """Return whether someone more urgent waits behind the head."""
        return any(place[0] < lane and not place[2].done() for place in self._waiting)

    async def woken(self) -> None:
        """Wait until there is a reason to ask again."""
        self._woken.clear()
        await self._woken.wait()


class Place:
    """The head's place in a gate."""

    def __init__(self, gate: Gate, lane: Lane, order: int) -> None:
        self._gate = gate
        self._lane = lane
        self._order = order
        self._is_head = False

    async def enter(self) -> None:
        """Wait to be the head."""
        await self._gate.enter(self._lane, self._order)
        self._is_head = True

    def leave(self) -> None:
        """Hand the turn on."""
        if self._is_head:
            self._is_head = False
            self._gate.hand_on()

    async def give_way(self) -> None:
        """Let someone more urgent pass first, and be the head again afterwards."""
        if self._gate.is_overtaken(self._lane):
            self.leave()
            await self.enter()
