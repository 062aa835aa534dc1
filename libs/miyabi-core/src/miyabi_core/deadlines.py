"""Passes on what is left of a caller's time."""

from __future__ import annotations

import time
from contextvars import ContextVar
from datetime import timedelta
from typing import Protocol

#: When the call that is being served ends, on the monotonic clock; infinite outside a call and without a deadline.
_ENDS: ContextVar[float] = ContextVar("miyabi_call_ends", default=float("inf"))


class HasDeadline(Protocol):
    """A servicer context, as far as time goes."""

    def time_remaining(self) -> float | None:
        """Return the seconds left, or None where the caller set no deadline."""


def remaining(context: HasDeadline, *, at_most: timedelta) -> float:
    """Return the timeout in seconds for an outgoing call: the caller's rest, but never more than *at_most*."""
    left = context.time_remaining()
    limit = at_most.total_seconds()
    return limit if left is None else max(0.0, min(left, limit))


def bind(context: HasDeadline) -> None:
    """Note the call's deadline for all that runs in its task; gRPC runs each call in a task of its own."""
    left = context.time_remaining()
    _ENDS.set(float("inf") if left is None else time.monotonic() + left)


def left_of_call(*, at_most: timedelta) -> float:
    """Return the seconds that are left of the call being served, but never more than *at_most*."""
    return max(0.0, min(_ENDS.get() - time.monotonic(), at_most.total_seconds()))
