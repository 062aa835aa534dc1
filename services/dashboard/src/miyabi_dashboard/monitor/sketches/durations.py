"""What a collection of durations answers, whether it keeps them all or only a sketch of them."""

from __future__ import annotations

import math
from typing import Protocol


class Durations(Protocol):
    """Durations in seconds."""

    @property
    def count(self) -> int:
        """How many."""
        ...

    @property
    def total(self) -> float:
        """Their sum in seconds."""
        ...

    @property
    def most(self) -> float:
        """The longest in seconds; 0 where there is none."""
        ...

    def add(self, seconds: float) -> None:
        """Take one."""
        ...

    def quantile(self, share: float) -> float:
        """Return the duration that *share* (0 to 1) of all do not exceed; 0 where there is none."""
        ...


def rank_of(share: float, count: int) -> int:
    """Return which of *count* ordered durations, from 0 on, is the first that *share* (0 to 1) of all do not exceed.

    The nearest rank (Hyndman and Fan, "Sample quantiles in statistical packages", 1996, definition 1): of two durations
    the 95th percentile is the longer one.
    """
    # Products such as 0.07 * 100 end a little above the whole number that is meant.
    return max(0, math.ceil(round(share * count, 6)) - 1)
