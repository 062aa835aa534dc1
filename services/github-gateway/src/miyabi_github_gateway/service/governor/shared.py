"""What the governor needs of a budget that all replicas share."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from miyabi_github_gateway.service.governor.model import Ask, BudgetState, Cost, Grant, HourState, Outcome, Wait


class BudgetAwayError(Exception):
    """The shared budget cannot be reached; the message is the kind of trouble."""


class BudgetForgotError(Exception):
    """The shared budget does not know what this process sent: it is new, or has lost its keys."""

    def __init__(self, epoch: str) -> None:
        super().__init__(epoch)
        self.epoch = epoch


@dataclass(frozen=True)
class Totals:
    """What all replicas together have used of the sliding windows when a request was let through."""

    minute: Mapping[str, int] = field(default_factory=dict)  #: points by resource, as far as known
    busy: Mapping[str, int] = field(default_factory=dict)  #: milliseconds by resource, as far as known
    content_minute: int = 0
    content_hour: int = 0


@dataclass(frozen=True)
class Sent:
    """A request that still counts in a sliding window; `age_ms` is negative while it is under way."""

    id: str
    resource: str
    cost: Cost
    points: int
    age_ms: int
    busy_ms: int = 0


class SharedBudget(Protocol):
    """One budget for all replicas. Every method but `restore` may raise `BudgetAwayError`, and so may that one."""

    async def acquire(self, ask: Ask, *, ticket: str, patience: int) -> tuple[Grant, Totals] | Wait:
        """Let a request through, or say when to come back; one that would come back after its patience keeps no place.

        Raises:
            BudgetForgotError: tell it first what was sent.
        """

    async def settle(self, grant: Grant, outcome: Outcome) -> None:
        """Take note that a request is over."""

    async def restore(self, epoch: str, sent: Iterable[Sent], hours: Iterable[HourState], *, blocked_ms: int) -> None:
        """Tell the budget of an epoch what this process knows."""

    async def state(self) -> BudgetState | None:
        """Describe what is left; None where nothing is known yet."""
