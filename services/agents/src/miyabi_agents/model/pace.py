"""How many calls of the model API go out at once, and how long a busy API is waited for."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta

from prometheus_client import Gauge

#: Calls at once before anything is known of the API: as many as an agent has slots by default.
BEGIN = 4
#: Most calls at once: more than any account's limit, so that only the API's own word bounds it.
MOST = 256
#: Calls at once that are allowed now.
ALLOWED = Gauge("miyabi_agents_model_calls_allowed", "Calls of the model API that may go out at once.")


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


class Pace:
    """Bounds the calls at once: one more for each that worked, until the API is busy; then half, and slower growth.

    Source: additive increase, multiplicative decrease (RFC 5681, section 3.1), one halving for each burst of refusals.
    """

    def __init__(self, begin: int = BEGIN, most: int = MOST) -> None:
        self._allowed = float(begin)
        self._most = most
        self._under_way = 0
        self._is_learning = True
        self._halvings = 0
        self._waiting: list[asyncio.Future[None]] = []
        ALLOWED.set(self.allowed)

    @property
    def allowed(self) -> int:
        """Calls that may be under way at once."""
        return int(self._allowed)

    @property
    def halvings(self) -> int:
        """How often the API was found busy; a call notes it before it goes out."""
        return self._halvings

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Wait until a call may go out, and count it for the length of the block."""
        while self._under_way >= self.allowed:
            waiting = asyncio.get_running_loop().create_future()
            self._waiting.append(waiting)
            await waiting
        self._under_way += 1
        try:
            yield
        finally:
            self._under_way -= 1
            self._wake()

    def worked(self) -> None:
        """Note that a call worked."""
        grown = self._allowed + (1 if self._is_learning else 1 / self._allowed)
        self._set(min(float(self._most), grown))

    def refused(self, *, halvings: int) -> None:
        """Note that the API was busy.

        Args:
            halvings: As it was when the call went out: calls of one burst halve once.
        """
        self._is_learning = False
        if halvings == self._halvings:
            self._halvings += 1
            self._set(max(1.0, self._allowed / 2))

    def _wake(self) -> None:
        """Let all that wait look again, in their order; none is lost where one of them is cancelled."""
        woken, self._waiting = self._waiting, []
        for waiting in woken:
            if not waiting.done():
                waiting.set_result(None)

    def _set(self, allowed: float) -> None:
        """Change how many are allowed."""
        self._allowed = allowed
        ALLOWED.set(self.allowed)
