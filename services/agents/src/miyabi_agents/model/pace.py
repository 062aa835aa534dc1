"""How many calls of the model API go out at once, and how long a busy API is waited for."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta

from prometheus_client import Gauge

from miyabi_core.metrics import REGISTRY

#: Calls at once before anything is known of the API: as many as an agent has slots by default.
BEGIN = 4
#: Most calls at once: more than any account's limit, so that only the API's own word bounds it.
MOST = 256
#: Longest time, in seconds, that all calls wait because one was told to: longer ones concern that one alone.
LONGEST_PAUSE = 60.0

ALLOWED = Gauge(
    "miyabi_agents_model_calls_allowed", "Calls of the model API that may go out at once.", registry=REGISTRY
)
UNDER_WAY = Gauge("miyabi_agents_model_calls", "Calls of the model API that are under way.", registry=REGISTRY)
WAITING = Gauge("miyabi_agents_model_calls_waiting", "Calls of the model API that wait for leave.", registry=REGISTRY)


@dataclass(frozen=True)
class Patience:
    """How long a call is repeated that was refused, or that broke.

    Args:
        busy: For how long in all an API is waited for that says it is busy (429, 529).
        first_wait: Before the first repeat; doubled each time, to `longest_wait`. A `retry-after` goes before.
        longest_wait: Between two repeats, where the API names no time.
        repeats: Of a call that met an error of the API's (5xx) or could not be sent.
        broken: How often an answer is asked for whose stream breaks or that cannot be read.
    """

    busy: timedelta = timedelta(minutes=2)
    first_wait: timedelta = timedelta(seconds=0.5)
    longest_wait: timedelta = timedelta(seconds=8)
    repeats: int = 4
    broken: int = 3

    def wait(self, number: int) -> timedelta:
        """Return how long to wait before a repeat, from 1; spread, so that callers do not all come at once."""
        factor: int = 2 ** min(number - 1, 20)
        longest = min(self.longest_wait, self.first_wait * factor)
        share: float = random.uniform(0.75, 1.0)  # noqa: S311 - spreads load, guards nothing
        return longest * share


@dataclass(frozen=True)
class Bounds:
    """Calls at once that the operator allows; *fixed* keeps to the most, whatever the API says."""

    least: int = 1
    most: int = MOST
    begin: int = BEGIN
    fixed: bool = False


@dataclass(frozen=True)
class Part:
    """What the coordinator gives this agent of what the API bears, as it counts until a moment of the clock."""

    share: int
    epoch: int
    until: float


@dataclass
class Counts:
    """What was seen since the last report; `epoch` is the newest part that a refused call was sent under."""

    demand: int = 0
    answered: int = 0
    refused: int = 0
    latencies: float = 0.0
    begun: int = 0
    epoch: int = 0


@dataclass
class Turn:
    """One call's leave: what counted when it went out, and when its answer began."""

    halvings: int
    epoch: int
    sent: float
    clock: Callable[[], float]
    latency: float = field(default=0.0)

    def begun(self) -> None:
        """Note that the answer begins."""
        self.latency = self.latency or self.clock() - self.sent


class Pace:
    """Bounds the calls at once.

    While the coordinator gives a part of what all agents together may send, that counts. Otherwise: one more for each
    call that worked, until the API is busy; then half, and slower growth; never more than the last part.
    Source: additive increase, multiplicative decrease (RFC 5681, section 3.1), one halving for each burst of refusals.

    Args:
        bounds: The operator's.
        clock: Returns seconds; for parts and pauses.
    """

    def __init__(self, bounds: Bounds | None = None, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.bounds = bounds or Bounds()
        self.on_news: Callable[[], None] = lambda: None
        self.counts = Counts()
        self._clock = clock
        self._local = float(min(self.bounds.most, max(self.bounds.least, self.bounds.begin)))
        self._is_learning = True
        self._halvings = 0
        self._part: Part | None = None
        self._cut: int | None = None
        self._paused_until = self._asked_until = 0.0
        self._off = self.bounds.fixed
        self.under_way = 0
        self._waiting: list[asyncio.Future[None]] = []
        self._show()

    @property
    def allowed(self) -> int:
        """Calls that may be under way at once."""
        most = self.bounds.most
        if self._off:
            return most
        part = self._part
        if part is not None and self._clock() < part.until:
            return min(most, part.share if self._cut is None else min(self._cut, part.share))
        ceiling = most if part is None else max(self.bounds.least, min(most, part.share))
        return min(int(self._local), ceiling)

    @property
    def halvings(self) -> int:
        """How often the API was found busy."""
        return self._halvings

    @property
    def paused(self) -> float:
        """Seconds for which nothing is sent."""
        return max(0.0, self._paused_until - self._clock())

    @property
    def asked(self) -> float:
        """Seconds for which the API still wants to be left alone, as it told this agent itself."""
        return max(0.0, self._asked_until - self._clock())

    @property
    def waiting(self) -> int:
        """Calls that wait for leave."""
        return len(self._waiting)

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[Turn]:
        """Wait until a call may go out, and count it for the length of the block."""
        self._note_demand(more=1)
        while (left := self._left()) > 0:
            await self._wait(left)
        self.under_way += 1
        self._show()
        try:
            yield Turn(self._halvings, self._part.epoch if self._part else 0, self._clock(), self._clock)
        finally:
            self.under_way -= 1
            self._wake()
            self.on_news()

    def worked(self, turn: Turn | None = None) -> None:
        """Note that a call worked."""
        self.counts.answered += 1
        if turn is not None and turn.latency:
            self.counts.latencies += turn.latency
            self.counts.begun += 1
        if not self._off:
            self._local = min(float(self.bounds.most), self._local + (1 if self._is_learning else 1 / self._local))
        self._show()

    def refused(self, turn: Turn, *, retry_after: float = 0.0) -> None:
        """Note that the API was busy.

        Args:
            turn: The call's: those of one burst halve once.
            retry_after: Seconds for which it wants to be left alone; 0 where it does not say.
        """
        self.counts.refused += 1
        self.counts.epoch = max(self.counts.epoch, turn.epoch)
        if self._off:
            return
        self._is_learning = False
        self._asked_until = max(self._asked_until, self._clock() + retry_after)
        self.pause(retry_after)
        if turn.halvings == self._halvings:
            half = max(self.bounds.least, self.allowed // 2)
            self._halvings += 1
            self._cut, self._local = half, float(half)
        self._show()
        self.on_news()

    def pause(self, seconds: float) -> None:
        """Send nothing for so long."""
        self._paused_until = max(self._paused_until, self._clock() + min(seconds, LONGEST_PAUSE))

    def follow(self, share: int, *, epoch: int, lasts: float) -> None:
        """Take the coordinator's part; one that knows of the last burst takes the place of our own answer to it."""
        if self._part is None or epoch != self._part.epoch:
            self._cut = None
        self._part = Part(share, epoch, self._clock() + lasts)
        self._local = float(max(self.bounds.least, min(self.bounds.most, share)))
        self._is_learning = False
        self._wake()

    def switch_off(self) -> None:
        """Keep to the most that the operator allows from here on."""
        self._off = True
        self._wake()

    def take_counts(self) -> Counts:
        """Return what was seen since the last call of this, and begin anew."""
        counts, self.counts = self.counts, Counts(demand=self.under_way + self.waiting)
        counts.demand = min(self.bounds.most, max(counts.demand, self.under_way + self.waiting))
        return counts

    def _left(self) -> float:
        """Return for how many seconds at most to wait before looking again; 0: a call may go out now."""
        now = self._clock()
        if not self._off and self.paused:
            return self.paused
        if self.under_way < self.allowed:
            return 0.0
        return max(0.001, self._part.until - now) if self._part and now < self._part.until else float("inf")

    async def _wait(self, seconds: float) -> None:
        """Wait until something changed, at most for so long."""
        waiting = asyncio.get_running_loop().create_future()
        self._waiting.append(waiting)
        self._show()
        self.on_news()
        try:
            async with asyncio.timeout(None if seconds == float("inf") else seconds):
                await waiting
        except TimeoutError:
            return
        finally:
            if waiting in self._waiting:
                self._waiting.remove(waiting)

    def _note_demand(self, *, more: int) -> None:
        """Note how many calls there are now."""
        self.counts.demand = max(self.counts.demand, self.under_way + self.waiting + more)

    def _wake(self) -> None:
        """Let all that wait look again, in their order; none is lost where one of them is cancelled."""
        woken, self._waiting = self._waiting, []
        for waiting in woken:
            if not waiting.done():
                waiting.set_result(None)
        self._show()

    def _show(self) -> None:
        """Show what is allowed and used."""
        ALLOWED.set(self.allowed)
        UNDER_WAY.set(self.under_way)
        WAITING.set(self.waiting)
