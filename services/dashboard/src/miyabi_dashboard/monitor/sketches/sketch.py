"""A sketch of durations whose quantiles are within 1 % of exact, whatever their number; sketches can be merged.

Source: Masson, Rim, Lee, DDSketch, PVLDB 12(12), 2019: a bin holds (g^(i-1), g^i], so that its middle is within 1 %
of everything in it, and two sketches are merged by adding their bins.
"""

from __future__ import annotations

import struct
from math import ceil, log

from miyabi_dashboard.monitor.sketches.durations import rank_of

#: Largest relative error of a quantile.
ACCURACY = 0.01
#: Shorter durations count as this: none that is measured here is known more precisely than the clocks' microsecond.
LEAST = 1e-6
#: Longer durations count as this, which is 115 days: so there are 1,500 bins at most.
MOST = 1e7
_GAMMA = (1 + ACCURACY) / (1 - ACCURACY)
_FACTOR = 1 / log(_GAMMA)
#: The stored form: number of bins, sum, longest; then all bins' numbers and all counts.
_HEAD = struct.Struct("<Idd")


class Sketch:
    """Counts of durations by bins that grow geometrically."""

    __slots__ = ("_bins", "count", "most", "total")

    def __init__(self) -> None:
        self._bins: dict[int, int] = {}
        self.count = 0
        self.total = 0.0
        self.most = 0.0

    def add(self, seconds: float) -> None:
        """Take one duration; what is below a microsecond counts as one, also what clocks made negative."""
        seconds = LEAST if seconds < LEAST else min(seconds, MOST)
        index = ceil(log(seconds) * _FACTOR)
        self._bins[index] = self._bins.get(index, 0) + 1
        self.count += 1
        self.total += seconds
        self.most = max(self.most, seconds)

    def merge(self, other: Sketch) -> None:
        """Take all of another sketch; the result is the one that all durations together had made."""
        for index, count in other._bins.items():
            self._bins[index] = self._bins.get(index, 0) + count
        self.count += other.count
        self.total += other.total
        self.most = max(self.most, other.most)

    def quantile(self, share: float) -> float:
        """Return that duration within `ACCURACY`, never beyond the longest; 0 where there is none."""
        rank, seen = rank_of(share, self.count), 0
        for index in sorted(self._bins):
            seen += self._bins[index]
            if seen > rank:
                return float(min(2 * _GAMMA**index / (_GAMMA + 1), self.most))
        return 0.0

    def encode(self) -> bytes:
        """Return the stored form: some twenty bytes and ten for each bin that holds anything."""
        size = len(self._bins)
        head = _HEAD.pack(size, self.total, self.most)
        return head + struct.pack(f"<{size}h{size}Q", *self._bins, *self._bins.values())

    @classmethod
    def decode(cls, stored: bytes) -> Sketch:
        """Read the stored form.

        Raises:
            struct.error: it is none.
        """
        sketch = cls()
        size, sketch.total, sketch.most = _HEAD.unpack_from(stored)
        numbers = struct.unpack(f"<{size}h{size}Q", stored[_HEAD.size :])
        sketch._bins = dict(zip(numbers[:size], numbers[size:], strict=True))
        sketch.count = sum(numbers[size:])
        return sketch
