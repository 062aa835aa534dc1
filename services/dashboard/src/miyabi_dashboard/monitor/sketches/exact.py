"""Keeps every duration: for one batch, whose quantiles are exact."""

from __future__ import annotations

from bisect import insort

from miyabi_dashboard.monitor.sketches.durations import rank_of


class Exact:
    """All durations, in order."""

    __slots__ = ("_ordered", "total")

    def __init__(self) -> None:
        self._ordered: list[float] = []
        self.total = 0.0

    @property
    def count(self) -> int:
        """How many."""
        return len(self._ordered)

    @property
    def most(self) -> float:
        """The longest in seconds; 0 where there is none."""
        return self._ordered[-1] if self._ordered else 0.0

    def add(self, seconds: float) -> None:
        """Take one."""
        insort(self._ordered, seconds)
        self.total += seconds

    def merge(self, other: Exact) -> None:
        """Take all of another one."""
        self._ordered = sorted([*self._ordered, *other._ordered])
        self.total += other.total

    def quantile(self, share: float) -> float:
        """Return the duration that *share* of all do not exceed; 0 where there is none."""
        return self._ordered[rank_of(share, len(self._ordered))] if self._ordered else 0.0
