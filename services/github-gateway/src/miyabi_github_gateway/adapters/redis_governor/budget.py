"""The budget that all replicas share: each decision is one script on the server that holds the credential's keys."""

from __future__ import annotations

import asyncio
import hashlib
import secrets
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import RedisError

from miyabi_github_gateway.adapters.redis_governor.scripts import call
from miyabi_github_gateway.service.governor.local import LONGEST_PATIENCE_MS, LONGEST_PAUSE_MS, Timing
from miyabi_github_gateway.service.governor.model import (
    KEPT_PER_MILLE,
    RESOURCES,
    Ask,
    BudgetState,
    Cost,
    Grant,
    HourState,
    Limits,
    Outcome,
    Wait,
)
from miyabi_github_gateway.service.governor.shared import BudgetAwayError, BudgetForgotError, Sent, Totals

#: Seconds that a decision may take; a server that needs longer is as good as away, and the process decides by itself.
ANSWER_SECONDS = 1.0
#: Keys are kept for two hours of GitHub's clock after the last request: twice the longest window.
KEPT_MS = 2 * 3_600_000
#: But never for less than a minute of ours, so that a fast clock does not lose them between two requests.
SHORTEST_KEPT_MS = 60_000

_COSTS = {Cost.READ: 0, Cost.WRITE: 1, Cost.NOTIFY: 2}


def key_prefix(scope: str) -> str:
    """Return what the keys of a credential begin with: a digest of its scope as hash tag, so they share a slot.

    The number is that of what the keys hold: replicas of two versions must not read each other's.
    """
    return f"miyabi:gw:rate:2:{{{hashlib.sha256(scope.encode()).hexdigest()[:24]}}}"


@dataclass
class RedisBudget:
    """Implements `service.governor.shared.SharedBudget`.

    Time is the server's own: the clocks of replicas differ, one server's clock orders them all. Tests give a clock.

    Args:
        client: Its answers are bytes.
        scope: Names the credential without telling it.
        time_scale: How fast GitHub's clock runs; 1 on the real one.
        clock: Milliseconds of GitHub's clock; None: the server's time, scaled.
    """

    client: Redis
    scope: str
    limits: Limits = field(default_factory=Limits)
    timing: Timing = field(default_factory=Timing)
    time_scale: float = 1.0
    clock: Callable[[], int] | None = None
    epoch: str = ""

    def __post_init__(self) -> None:
        prefix = key_prefix(self.scope)
        self._keys = [f"{prefix}:{name}" for name in ("state", "leases", "minute:core", "minute:graphql", "content")]
        self._tickets = f"{prefix}:tickets:"
        self._kept = str(max(SHORTEST_KEPT_MS, int(KEPT_MS / self.time_scale)))

    async def acquire(
        self, ask: Ask, *, ticket: str, patience: int = LONGEST_PATIENCE_MS
    ) -> tuple[Grant, Totals] | Wait:
        """Let a request through, or say when to come back; the ticket keeps its place, unless that is too late.

        Raises:
            BudgetAwayError: the server cannot be reached.
            BudgetForgotError: it does not know what was sent: tell it with `restore`.
        """
        grant_id = secrets.token_hex(8)
        try:
            answer = await self._ask(ask, grant_id, ticket=ticket, patience=patience)
        except asyncio.CancelledError:
            # It may have been let through; nobody would ever settle it.
            with suppress(BudgetAwayError):
                await self._forget(ask, grant_id)
            raise
        kind = answer[0].decode()
        if kind == "epoch":
            raise BudgetForgotError(answer[1].decode())
        if kind == "wait":
            return Wait(int(answer[1]), answer[2].decode())
        alone, sequence, busy_ms, minute, content_minute, content_hour, *busy = map(int, answer[1:])
        grant = Grant(ask, grant_id, alone=bool(alone), sequence=sequence, busy_ms=busy_ms)
        return grant, Totals(
            {ask.resource: minute}, dict(zip(RESOURCES, busy, strict=True)), content_minute, content_hour
        )

    async def _ask(self, ask: Ask, grant_id: str, *, ticket: str, patience: int) -> Any:
        """Ask the server."""
        limits = self.limits
        kept = 0 if ask.cost is not Cost.READ else KEPT_PER_MILLE[ask.lane]
        return await self._call(
            "acquire", ask.gate, self.epoch, secrets.token_hex(6), ticket, ask.resource, _COSTS[ask.cost],
            int(ask.lane), ask.primary, ask.cost.points, kept, limits.primary, limits.minute(ask.resource),
            limits.concurrency, limits.content_minute, limits.content_hour, limits.write_gap_ms, limits.notify_gap_ms,
            self.timing.lease, self.timing.retry, self.timing.grace, self.timing.longest, patience,
            limits.busy_ms, limits.busy_graphql_ms, grant_id,
        )  # fmt: skip

    async def _forget(self, ask: Ask, grant_id: str) -> None:
        """Give back what may have been let through."""
        await self._call(
            "forget", ask.gate, self.epoch, grant_id, ask.resource, _COSTS[ask.cost], ask.primary, self.limits.primary
        )

    async def settle(self, grant: Grant, outcome: Outcome) -> None:
        """Take note that a request is over.

        Raises:
            BudgetAwayError: the server cannot be reached; the lease ends by itself.
        """
        ask, heard = grant.ask, outcome.heard
        taken = 0 if not outcome.sent else ask.primary if outcome.actual is None else outcome.actual
        said: list[Any] = ["", 0, 0, 0, 0]
        if heard is not None:
            said = [heard.resource, heard.limit, heard.remaining, heard.resets_at, heard.resets_in_ms]
        await self._call(
            "settle", ask.gate, self.epoch, grant.id, ask.resource, _COSTS[ask.cost], ask.primary, ask.cost.points,
            int(outcome.sent), taken, outcome.extra, *said, int(grant.alone), grant.sequence, outcome.pause_ms,
            int(outcome.used_up), int(outcome.strike), int(outcome.succeeded), LONGEST_PAUSE_MS, self.limits.primary,
            grant.busy_ms, outcome.took_ms,
        )  # fmt: skip

    async def restore(self, epoch: str, sent: Iterable[Sent], hours: Iterable[HourState], *, blocked_ms: int) -> None:
        """Tell the server what this process sent and what it heard, where the server does not know.

        Raises:
            BudgetAwayError: the server cannot be reached.
        """
        self.epoch = epoch
        arguments: list[Any] = [epoch, self.limits.primary, blocked_ms]
        for entry in sent:
            arguments += [entry.id, entry.resource, _COSTS[entry.cost], entry.points, entry.age_ms, entry.busy_ms]
        arguments.append("hours")
        for hour in hours:
            if hour.remaining is not None and hour.resets_in_ms is not None and hour.window:
                arguments += [hour.resource, hour.limit, hour.remaining, hour.window, hour.resets_in_ms]
        await self._call("restore", "none", *arguments)

    async def state(self) -> BudgetState | None:
        """Describe what is left; None where nothing is known yet.

        Raises:
            BudgetAwayError: the server cannot be reached.
        """
        raw = await self._call("snapshot", "none", self.limits.primary)
        if not raw:
            return None
        values = [int(value) for value in raw]
        hours, minutes, busy = [], {}, {}
        for index, name in enumerate(RESOURCES):
            minutes[name], limit, left, resets, heard, spent, busy[name] = values[4 + 7 * index : 11 + 7 * index]
            known = heard >= 0
            hours.append(
                HourState(
                    name, limit, max(0, left) if known else None, resets if resets >= 0 else None,
                    heard if known else None, spent,
                )
            )  # fmt: skip
        return BudgetState(tuple(hours), minutes, busy, values[1], values[2], values[3], values[0])

    async def _call(self, name: str, gate: str, *arguments: Any) -> Any:
        """Run a script in time."""
        now = "" if self.clock is None else str(self.clock())
        keys = [*self._keys, self._tickets + gate]
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                return await call(
                    self.client, ("common", name), keys=keys, arguments=[now, self.time_scale, self._kept, *arguments]
                )
        except (RedisError, OSError, TimeoutError) as error:
            raise BudgetAwayError(type(error).__name__) from error
