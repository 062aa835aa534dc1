"""How long tasks took and what they cost: counts in buckets of growing width, which any writer may add to."""

from __future__ import annotations

import math
from collections.abc import Mapping

from msgspec import field

from miyabi_coordinator.models.enums import TaskKind
from miyabi_coordinator.models.value import Value

#: Each bucket is a tenth wider than the one before, so that a quantile is right within 5 %.
GROWTH = 1.1
_LOG = math.log(GROWTH)


def bucket_of(value: float) -> int:
    """Return the bucket of a value: 0 up to 1 (a millisecond, a millionth of a dollar), then by growing width."""
    return 0 if value <= 1 else math.ceil(math.log(value) / _LOG)


def middle_of(bucket: int) -> float:
    """Return the value that stands for a bucket, at most 5 % off each value in it."""
    return 1.0 if bucket == 0 else 2 * GROWTH**bucket / (GROWTH + 1)


class Histogram(Value, frozen=True):
    """Counts by bucket."""

    counts: tuple[tuple[int, int], ...] = ()

    @property
    def total(self) -> int:
        """Values counted."""
        return sum(count for _, count in self.counts)

    @property
    def mean(self) -> float | None:
        """Their mean; None where there are none."""
        total = self.total
        return sum(middle_of(bucket) * count for bucket, count in self.counts) / total if total else None

    def quantile(self, share: float) -> float | None:
        """Return the value below which a share (0 to 1) of the values lies; None where there are none."""
        left = share * self.total
        for bucket, count in sorted(self.counts):
            left -= count
            if left <= 0:
                return middle_of(bucket)
        return None


class Measured(Value, frozen=True):
    """What was measured of a repository's tasks in one pipeline."""

    milliseconds: dict[int, Histogram] = field(default_factory=dict)
    usd_micros: dict[int, Histogram] = field(default_factory=dict)
    tokens: dict[int, Histogram] = field(default_factory=dict)

    def seconds(self, kind: TaskKind, share: float = -1.0) -> float | None:
        """Return the mean duration of a kind of task, or a quantile of it; None where none was measured."""
        found = self.milliseconds.get(int(kind), Histogram())
        value = found.mean if share < 0 else found.quantile(share)
        return None if value is None else value / 1000

    def cost(self, kind: TaskKind, share: float) -> float | None:
        """Return a quantile of the cost of a kind of task, in millionths of a dollar; None where none was measured."""
        return self.usd_micros.get(int(kind), Histogram()).quantile(share)


def field_of(what: str, kind: int, bucket: int) -> str:
    """Return the name under which a bucket's count is kept; *what* is `d` (duration), `c` (cost) or `t` (tokens)."""
    return f"{what}|{kind}|{bucket}"


def measured_of(counts: Mapping[str, int]) -> Measured:
    """Return what counts by `field_of` tell."""
    found: dict[str, dict[int, list[tuple[int, int]]]] = {"d": {}, "c": {}, "t": {}}
    for name, count in counts.items():
        what, kind, bucket = name.split("|")
        found[what].setdefault(int(kind), []).append((int(bucket), count))
    histograms = {
        what: {kind: Histogram(tuple(sorted(entries))) for kind, entries in kinds.items()}
        for what, kinds in found.items()
    }
    return Measured(histograms["d"], histograms["c"], histograms["t"])
