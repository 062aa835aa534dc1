"""Tells whether something has become slower than in its own last weeks, without an alarm for what it always does.

Each hour's median is compared with the median of the same hour of the day over the weeks before; the spread of those
comparisons is their median absolute deviation, which a few bad hours do not move (Rousseeuw, Croux, Alternatives to
the Median Absolute Deviation, JASA 88, 1993). It takes several hours in a row to be called slower, and a clear return
to be called well again.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from math import exp, log
from statistics import median
from typing import NamedTuple

#: Seconds of an hour and hours of a day.
HOUR, DAY = 3600, 24
#: Hours that are judged; what is older is what they are compared with.
RECENT_HOURS = 24
#: Measurements without which an hour's median says little.
LEAST_COUNT = 20
#: Hours without which nothing is called usual: two days.
LEAST_HOURS = 48
#: Hours of one time of day from which on they are the comparison: with fewer a single odd day is what is usual.
LEAST_DAYS = 4
#: Hours in a row that have to be slow, or well again.
IN_A_ROW = 3
#: Deviations beyond the usual from which on an hour is slow: by a normal spread one of 700 is, never three in a row.
SLOW_DEVIATIONS = 3.0
#: An hour is slow from this factor on, however little the spread is: less is nothing to look into.
LEAST_FACTOR = 1.2
#: Share of the threshold below which an hour is well again.
WELL = 0.5
#: Makes a median absolute deviation that of a normal distribution.
_NORMAL = 1.4826


class HourMedian(NamedTuple):
    """The median of an hour: its first second, the seconds, how many were measured."""

    start: int
    seconds: float
    measured: int


class Slower(NamedTuple):
    """Something that has become slower: its usual seconds now, and since when."""

    usual: float
    since: int


def slower_than_usual(hours: Sequence[HourMedian]) -> Slower | None:
    """Return what something usually takes where its last hours are slower for good; None where they are not.

    Args:
        hours: Medians of hours, oldest first, at most some weeks; hours without measurements are not there.
    """
    known = [hour for hour in hours if hour.measured >= LEAST_COUNT and hour.seconds > 0]
    if not known:
        return None
    border = known[-1].start - RECENT_HOURS * HOUR
    before = [hour for hour in known if hour.start <= border]
    if len(before) < LEAST_HOURS:
        return None
    usual = _Usual(before)
    threshold = max(log(LEAST_FACTOR), SLOW_DEVIATIONS * usual.spread)
    return _judged([hour for hour in known if hour.start > border], usual, threshold)


def _judged(recent: Sequence[HourMedian], usual: _Usual, threshold: float) -> Slower | None:
    """Go through the last hours: slow after some in a row, well after as many below the lower threshold."""
    since, slow_row, well_row = 0, 0, 0
    first = 0
    for hour in recent:
        excess = log(hour.seconds) - usual.of(hour.start)
        slow_row = slow_row + 1 if excess > threshold else 0
        well_row = well_row + 1 if excess < WELL * threshold else 0
        first = hour.start if slow_row == 1 else first
        if not since and slow_row >= IN_A_ROW:
            since = first
        elif since and well_row >= IN_A_ROW:
            since = 0
    return Slower(exp(usual.of(recent[-1].start)), since) if since else None


class _Usual:
    """What is usual at an hour of the day, in logarithms of seconds, and how far hours are from it.

    Args:
        hours: The weeks that are compared with.
    """

    def __init__(self, hours: Sequence[HourMedian]) -> None:
        by_time: defaultdict[int, list[float]] = defaultdict(list)
        for hour in hours:
            by_time[hour.start // HOUR % DAY].append(log(hour.seconds))
        self._all = median(value for values in by_time.values() for value in values)
        self._at = {time: median(values) for time, values in by_time.items() if len(values) >= LEAST_DAYS}
        self.spread = _NORMAL * median(abs(log(hour.seconds) - self.of(hour.start)) for hour in hours)

    def of(self, start: int) -> float:
        """Return what is usual at the hour of the day that a moment is in."""
        return self._at.get(start // HOUR % DAY, self._all)
