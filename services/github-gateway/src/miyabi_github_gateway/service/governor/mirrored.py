"""The budget that a process asks: the shared one, and where that is away its own with a small part of the limits."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from miyabi_core.logging import get_logger
from miyabi_github_gateway.service.governor import metrics
from miyabi_github_gateway.service.governor.local import LONGEST_PATIENCE_MS, LocalBudget, Timing
from miyabi_github_gateway.service.governor.model import (
    HOUR_MS,
    MINUTE_MS,
    Ask,
    BudgetState,
    Cost,
    Grant,
    Limits,
    Outcome,
    Wait,
)
from miyabi_github_gateway.service.governor.shared import (
    BudgetAwayError,
    BudgetForgotError,
    Sent,
    SharedBudget,
    Totals,
)

#: Part of the limits that a process uses by itself where the shared budget is away: four replicas stay within them.
LOCAL_PART = 0.25
#: Seconds after which a shared budget that was away is asked again.
AWAY_SECONDS = 2.0
#: How often a shared budget that has forgotten is told and asked again before it counts as away.
TRIES = 3

_LOG = get_logger(__name__)


@dataclass
class _Entry:
    """A request that this process sent."""

    ask: Ask
    moment: int
    busy_ms: int
    epoch: str  #: of the shared budget that knows of it; empty: none


@dataclass
class Budget:
    """Decides by the shared budget, keeps a mirror of what this process sent, and decides by that where it must.

    Args:
        limits: Of the credential.
        shared: None: this process is the only one, and may use everything.
        clock: Seconds; only its differences matter.
        time_scale: How fast GitHub's clock runs.
    """

    limits: Limits = field(default_factory=Limits)
    shared: SharedBudget | None = None
    clock: Callable[[], float] = time.time
    time_scale: float = 1.0
    timing: Timing = field(default_factory=Timing)
    scope: str = ""

    def __post_init__(self) -> None:
        part = 1.0 if self.shared is None else LOCAL_PART
        self.local = LocalBudget(
            self.limits.share(part) if part < 1 else self.limits,
            self.timing,
            part=part,
            id_prefix=f"own-{secrets.token_hex(4)}",
        )
        self._sent: dict[str, _Entry] = {}
        self._totals = Totals()
        self._away_until = 0.0
        self._epoch = ""
        self._untold = False

    @property
    def is_shared(self) -> bool:
        """Return whether the budget of all replicas decides."""
        return self.shared is not None and not self._away_until

    def now(self) -> int:
        """Return milliseconds of GitHub's clock."""
        return int(self.clock() * 1000 * self.time_scale)

    async def acquire(self, ask: Ask, *, ticket: str, patience: int = LONGEST_PATIENCE_MS) -> Grant | Wait:
        """Let a request through, or say when to come back.

        Args:
            ask: The request.
            ticket: Keeps its place, unless it is to come back too late.
            patience: How long it would wait, in milliseconds of GitHub's clock.
        """
        found = await self._ask_shared(ask, ticket, patience)
        if found is None:
            found = self.local.acquire(ask, ticket=ticket, now=self.now(), patience=patience)
        elif isinstance(found, Grant):
            self.local.record(found, self.now())
        if isinstance(found, Grant):
            epoch = self._epoch if found.shared else ""
            self._sent[found.id] = _Entry(ask, self.now() + self.timing.lease, found.busy_ms, epoch)
            self._forget_old()
        return found

    async def settle(self, grant: Grant, outcome: Outcome) -> None:
        """Take note that a request is over."""
        now = self.now()
        self.local.settle(grant, outcome, now=now)
        if not outcome.sent:
            self._sent.pop(grant.id, None)
        elif grant.id in self._sent:
            self._sent[grant.id].moment, self._sent[grant.id].busy_ms = now, outcome.took_ms
        if self.shared is None:
            return
        if not grant.shared:
            self._untold = True
            return
        try:
            await self.shared.settle(grant, outcome)
        except BudgetAwayError as error:
            self._untold = True
            self._go_away(error)

    async def state(self) -> BudgetState:
        """Describe what is left."""
        if self.shared is not None and self._may_ask():
            try:
                return await self.shared.state() or LocalBudget(self.limits).state(self.now())
            except BudgetAwayError as error:
                self._go_away(error)
        return self.local.state(self.now())

    async def _ask_shared(self, ask: Ask, ticket: str, patience: int) -> Grant | Wait | None:
        """Ask the shared budget; None where it is away."""
        if self.shared is None or not self._may_ask():
            return None
        try:
            for _ in range(TRIES):
                if self._untold and self._epoch:
                    await self._tell(self._epoch)
                try:
                    found = await self.shared.acquire(ask, ticket=ticket, patience=patience)
                except BudgetForgotError as error:
                    await self._tell(error.epoch)
                    continue
                self._come_back()
                if isinstance(found, Wait):
                    return found
                minute = {**self._totals.minute, **found[1].minute}
                self._totals = replace(found[1], minute=minute, busy={**self._totals.busy, **found[1].busy})
                return found[0]
        except BudgetAwayError as error:
            self._go_away(error)
        return None

    async def _tell(self, epoch: str) -> None:
        """Tell the shared budget what it does not know of this process."""
        assert self.shared is not None
        self._forget_old()
        now = self.now()
        sent = [
            Sent(name, entry.ask.resource, entry.ask.cost, entry.ask.cost.points, now - entry.moment, entry.busy_ms)
            for name, entry in self._sent.items()
            if entry.epoch != epoch
        ]
        state = self.local.state(now)
        await self.shared.restore(epoch, sent, state.hours, blocked_ms=state.blocked_ms)
        for entry in self._sent.values():
            entry.epoch = epoch
        self._epoch, self._untold = epoch, False

    def _may_ask(self) -> bool:
        """Return whether the shared budget is there, as far as is known."""
        return self.clock() >= self._away_until

    def _go_away(self, error: BudgetAwayError) -> None:
        """Decide without the shared budget for a while."""
        if not self._away_until:
            _LOG.warning("governor.shared_budget_lost", scope=self.scope, error=str(error), part=LOCAL_PART)
            self.local.take_over(self._totals, now=self.now())
        self._away_until = self.clock() + AWAY_SECONDS
        metrics.SHARED.labels(self.scope).set(0)

    def _come_back(self) -> None:
        """Decide by the shared budget again."""
        if self._away_until:
            _LOG.info("governor.shared_budget_found", scope=self.scope)
        self._away_until = 0.0
        metrics.SHARED.labels(self.scope).set(1)

    def _forget_old(self) -> None:
        """Forget the requests that count in no window any more."""
        now = self.now()
        for name in list(self._sent):
            entry = self._sent[name]
            length = HOUR_MS if entry.ask.cost is Cost.NOTIFY else MINUTE_MS
            if entry.moment <= now - length:
                del self._sent[name]
            elif entry.moment > now - MINUTE_MS:
                break
