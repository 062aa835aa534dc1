"""How much each sender may send: a token bucket each (generic cell rate algorithm, ITU-T I.371), in this process."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from datetime import timedelta

from miyabi_core.errors import InvalidArgumentError, ResourceExhaustedError

#: Senders that are remembered; who was forgotten begins with a full bucket: it takes as many others to be forgotten.
MOST_SENDERS = 10_000


class Buckets:
    """Lets senders send so many events a second in the long run, and so many at once.

    Args:
        rate: Events a second.
        burst: Events at once.
        clock: Monotonic seconds.
    """

    def __init__(self, *, rate: int, burst: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._interval = 1 / rate
        self._burst = burst
        self._clock = clock
        #: When each sender's bucket is full again.
        self._full: OrderedDict[str, float] = OrderedDict()

    def take(self, sender: str, events: int) -> None:
        """Take events out of a sender's bucket, all or none.

        Args:
            sender: What tells senders apart.
            events: How many, at least 1.

        Raises:
            InvalidArgumentError: they are more than a full bucket holds.
            ResourceExhaustedError: it does not hold so many now; `retry_after` says when it will.
        """
        if events > self._burst:
            message = f"{events} events at once are more than the {self._burst} that are ever taken at once"
            raise InvalidArgumentError(message, reason="TOO_MANY_EVENTS")
        now = self._clock()
        full = max(now, self._full.get(sender, now)) + events * self._interval
        wait = full - now - self._burst * self._interval
        if wait > 0:
            raise ResourceExhaustedError(
                "More events than this sender may send.", reason="INTAKE_RATE", retry_after=timedelta(seconds=wait)
            )
        self._full[sender] = full
        self._full.move_to_end(sender)
        while len(self._full) > MOST_SENDERS:
            self._full.popitem(last=False)
