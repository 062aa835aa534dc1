"""What a call brings along on its way down: how long its caller waits, and how urgent it is."""

from __future__ import annotations

import time
from contextvars import ContextVar
from dataclasses import dataclass

from miyabi_github_gateway.service.governor.model import Lane

#: Metadata by which callers state the lane: `interactive` or `batch`.
LANE_METADATA = "miyabi-lane"


@dataclass(frozen=True)
class Calling:
    """The call that a request to GitHub is made for.

    Args:
        deadline: Moment of `time.monotonic` at which the caller gives up; None: it waits as long as it takes.
        lane: How urgent.
    """

    deadline: float | None = None
    lane: Lane = Lane.INTERACTIVE


#: Of the running call. A task that works for several callers sets its own: the longest deadline, the most urgent lane.
CALLING: ContextVar[Calling | None] = ContextVar("calling", default=None)


def current() -> Calling:
    """Return the running call; outside of one there is no deadline."""
    return CALLING.get() or Calling()


def enter(*, seconds: float | None, lane: Lane) -> None:
    """Begin a call in the running task; gRPC runs each call in a task of its own."""
    CALLING.set(Calling(None if seconds is None else time.monotonic() + seconds, lane))


def seconds_left(*, default: float) -> float:
    """Return the seconds that the caller still waits; *default* where it did not say."""
    deadline = current().deadline
    return default if deadline is None else max(0.0, deadline - time.monotonic())
