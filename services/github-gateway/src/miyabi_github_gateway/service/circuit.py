"""Leaves a host alone after failures in a row, and tries it with one request at a time until it answers again."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass

#: Failures in a row that open the circuit: more than one request and its repeats, so that one bad query is not enough.
OPENS_AFTER = 10
#: Seconds that the host is first left alone; each failed probe doubles them.
FIRST_OPEN_SECONDS = 2.0
#: Longest time without a probe.
LONGEST_OPEN_SECONDS = 60.0


@dataclass
class Circuit:
    """The circuit of one host, of this process.

    Args:
        clock: Seconds; tests give their own.
        jitter: Draws from 0 to 1; replicas must not probe in step.
    """

    clock: Callable[[], float] = time.monotonic
    jitter: Callable[[], float] = random.random
    failures: int = 0
    opened: int = 0
    until: float = 0.0
    _probe: object = None

    @property
    def is_open(self) -> bool:
        """Return whether the host is left alone or probed."""
        return self.opened > 0

    @property
    def left(self) -> float:
        """Return the seconds for which the host is left alone yet; 0: it is well, or may be probed."""
        return max(0.0, self.until - self.clock()) if self.opened else 0.0

    def wait(self, request: object) -> float:
        """Return the seconds before a request may be sent; 0: it may, and its end must be told."""
        if not self.opened:
            return 0.0
        left = self.left
        if left > 0 or self._probe is not None:
            return max(left, 0.1)
        self._probe = request
        return 0.0

    def succeeded(self) -> None:
        """Take note of an answer: the host is there."""
        self.failures = self.opened = 0
        self._probe = None

    def failed(self, request: object) -> None:
        """Take note of a failure of the host; of an open one only the probe's counts, not those of older requests."""
        self.failures += 1
        if request is self._probe or (not self.opened and self.failures >= OPENS_AFTER):
            self.opened += 1
            seconds = min(LONGEST_OPEN_SECONDS, FIRST_OPEN_SECONDS * 2 ** min(10, self.opened - 1))
            self.until = self.clock() + seconds * (0.5 + self.jitter() / 2)
        self.undecided(request)

    def undecided(self, request: object) -> None:
        """Take note that a request ended without telling anything of the host."""
        if request is self._probe:
            self._probe = None
