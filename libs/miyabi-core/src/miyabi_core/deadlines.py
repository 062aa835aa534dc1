"""Passes on what is left of a caller's time."""

from __future__ import annotations

from datetime import timedelta
from typing import Protocol


class HasDeadline(Protocol):
    """A servicer context, as far as time goes."""

    def time_remaining(self) -> float | None:
        """Return the seconds left, or None where the caller set no deadline."""


def remaining(context: HasDeadline, *, at_most: timedelta) -> float:
    """Return the timeout in seconds for an outgoing call: the caller's rest, but never more than *at_most*."""
    left = context.time_remaining()
    limit = at_most.total_seconds()
    return limit if left is None else max(0.0, min(left, limit))
