"""Spends GitHub's limits: every request asks here first, and every answer is told here."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import timedelta

from miyabi_core.logging import get_logger
from miyabi_github_gateway.errors import RateLimitedError
from miyabi_github_gateway.models import RateLimit
from miyabi_github_gateway.service.governor import metrics
from miyabi_github_gateway.service.governor.forecast import rate_limits
from miyabi_github_gateway.service.governor.gate import Gate, Place
from miyabi_github_gateway.service.governor.local import Timing
from miyabi_github_gateway.service.governor.mirrored import Budget
from miyabi_github_gateway.service.governor.model import LONGEST_BUSY_MS, Ask, Cost, Grant, Lane, Limits, Outcome
from miyabi_github_gateway.service.governor.shared import SharedBudget

_LOG = get_logger(__name__)


async def sleep_or_wake(seconds: float, gate: Gate) -> None:
    """Sleep, or less where the gate has news."""
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await gate.woken()


@dataclass
class Governor:
    """Lets requests of one credential through so that no limit of GitHub is passed.

    Args:
        limits: Of the credential; GitHub's headers correct the hourly ones.
        shared: The budget of all replicas; None: this process is the only one.
        time_scale: How fast GitHub's clock runs; anything but 1 only where GitHub is simulated.
        clock: Seconds; tests give their own.
        pause: Waits before a gate; tests give their own.
        scope: Names the credential without telling it, for logs and metrics.
    """

    limits: Limits = field(default_factory=Limits)
    shared: SharedBudget | None = None
    time_scale: float = 1.0
    clock: Callable[[], float] = time.time
    pause: Callable[[float, Gate], Awaitable[None]] = sleep_or_wake
    scope: str = ""
    timing: Timing = field(default_factory=Timing)

    def __post_init__(self) -> None:
        self.budget = Budget(
            self.limits, self.shared, clock=self.clock, time_scale=self.time_scale, timing=self.timing, scope=self.scope
        )
        self._gates: dict[str, Gate] = defaultdict(Gate)
        self._process = secrets.token_hex(4)
        self._changed = asyncio.Event()

    @asynccontextmanager
    async def admitted(self, ask: Ask, *, deadline: float) -> AsyncIterator[Outcome]:
        """Hold leave for one request; the block fills in how it ended.

        Args:
            ask: The request.
            deadline: Moment of `clock` by which it must have started.

        Raises:
            RateLimitedError: it would not start in time; raised before any wait that is known to be too long.
        """
        ask = ask if ask.cost is Cost.READ else replace(ask, lane=Lane.INTERACTIVE)
        grant = await self._wait(ask, deadline)
        outcome = Outcome()
        began = self.clock()
        try:
            yield outcome
        finally:
            # Not on GitHub's clock: where that is fast its hours are shorter, not its answers longer.
            outcome.took_ms = min(LONGEST_BUSY_MS, max(0, int((self.clock() - began) * 1000)))
            await self.budget.settle(grant, outcome)
            for gate in self._gates.values():
                gate.wake()
            self._announce()

    async def _wait(self, ask: Ask, deadline: float) -> Grant:
        """Queue, then ask the budget until it lets the request through."""
        gate, labels = self._gates[ask.gate], (ask.gate, ask.lane.name.lower())
        began = self.clock()
        self._refuse_late(ask, self._queue_seconds(ask, gate), deadline)
        metrics.WAITING.labels(*labels).inc()
        try:
            async with asyncio.timeout(max(0.0, deadline - began)):
                async with gate.head(ask.lane) as place:
                    return await self._ask(ask, gate, place, deadline)
        except TimeoutError:
            wait = max(1.0, gate.next_at - self.clock())
            raise self._too_late(ask, wait, "queue") from None
        finally:
            metrics.WAITING.labels(*labels).dec()
            metrics.WAIT_SECONDS.labels(*labels).observe(self.clock() - began)

    async def _ask(self, ask: Ask, gate: Gate, place: Place, deadline: float) -> Grant:
        """Ask the budget; between two questions wait as long as it says."""
        ticket = f"{self._process}-{ask.lane.value}"
        longest = self.timing.longest / 1000 / self.time_scale
        while True:
            patience = int(max(0.0, deadline - self.clock()) * 1000 * self.time_scale)
            answer = await self.budget.acquire(ask, ticket=ticket, patience=patience)
            if isinstance(answer, Grant):
                return answer
            seconds = answer.milliseconds / 1000 / self.time_scale
            gate.next_at = self.clock() + seconds
            if gate.next_at > deadline:
                raise self._too_late(ask, seconds, answer.limit)
            await self.pause(min(seconds, longest), gate)
            await place.give_way()

    def _queue_seconds(self, ask: Ask, gate: Gate) -> float:
        """Return the least time that those who are in the queue already will take."""
        gap = {Cost.READ: 0, Cost.WRITE: self.limits.write_gap_ms, Cost.NOTIFY: self.limits.notify_gap_ms}[ask.cost]
        ahead = gate.ahead_of(ask.lane)
        if not ahead:
            return 0.0
        return max(0.0, gate.next_at - self.clock()) + gap / 1000 / self.time_scale * (ahead - 1)

    def _refuse_late(self, ask: Ask, seconds: float, deadline: float) -> None:
        """Refuse before any wait where it is known to be too long."""
        if seconds > 0 and self.clock() + seconds > deadline:
            raise self._too_late(ask, seconds, "queue")

    def _too_late(self, ask: Ask, seconds: float, limit: str) -> RateLimitedError:
        """Count a refusal and return its error."""
        metrics.REFUSALS.labels(ask.gate, ask.lane.name.lower(), limit).inc()
        return RateLimitedError(ask.resource, timedelta(seconds=seconds), limit=limit)

    def _announce(self) -> None:
        """Wake those who watch the limits."""
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()

    async def changed(self) -> None:
        """Wait until this process has used or heard something."""
        await self._changed.wait()

    async def rate_limits(self) -> list[RateLimit]:
        """Return every limit of the credential as last heard, less what was reserved since."""
        state = await self.budget.state()
        for hour in state.hours:
            if hour.remaining is not None:
                metrics.REMAINING.labels(self.scope, hour.resource).set(hour.remaining)
        return rate_limits(state, self.limits, time_scale=self.time_scale)
