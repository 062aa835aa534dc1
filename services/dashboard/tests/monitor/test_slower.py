"""What has become slower is said; what goes up and down every day, or is noise, is not."""

from __future__ import annotations

import math
import random

import pytest

from miyabi_dashboard.monitor.bottlenecks.slower import DAY, HOUR, HourMedian, slower_than_usual

#: Hours that are kept: 30 days.
KEPT = 30 * DAY
#: Hours that are replayed.
REPLAYED = 1000
#: When the replay begins, in hours since 1970.
BEGIN = 480_000


def replay(seed: int, *, slower_from: int = KEPT + REPLAYED, until: int = KEPT + REPLAYED) -> list[HourMedian]:
    """Return hours with a daily rhythm of a quarter up and down and noise of a tenth, 1.5 times slower in between."""
    chance = random.Random(seed)
    hours = []
    for number in range(KEPT + REPLAYED):
        rhythm = 1 + 0.25 * math.sin(2 * math.pi * number / DAY)
        factor = 1.5 if slower_from <= number < until else 1.0
        seconds = 4.0 * rhythm * chance.lognormvariate(0, 0.1) * factor
        hours.append(HourMedian((BEGIN + number) * HOUR, seconds, 200))
    return hours


@pytest.mark.parametrize("seed", range(3))
def test_a_thousand_steady_hours_raise_no_alarm(seed: int) -> None:
    """Hour after hour, with the month before each as its past, nothing is called slower."""
    hours = replay(seed)
    alarms = [end for end in range(KEPT, len(hours)) if slower_than_usual(hours[end - KEPT : end + 1])]
    assert alarms == []


@pytest.mark.parametrize("seed", range(3))
def test_one_and_a_half_times_slower_is_found_within_hours(seed: int) -> None:
    """A slowdown is told within six hours of its begin, with what was usual and since when."""
    begin = KEPT + 100
    hours = replay(seed, slower_from=begin)
    found = next(end for end in range(begin, len(hours)) if slower_than_usual(hours[end - KEPT : end + 1]))
    slower = slower_than_usual(hours[found - KEPT : found + 1])
    assert found - begin <= 6
    assert slower is not None
    assert slower.since >= hours[begin].start
    usual = 4.0 * (1 + 0.25 * math.sin(2 * math.pi * found / DAY))
    assert abs(slower.usual / usual - 1) <= 0.1


def test_what_is_well_again_is_not_told_any_more() -> None:
    """After a slow afternoon and some good hours nothing is said, and a single good hour does not end it."""
    begin = KEPT + 100
    hours = replay(1, slower_from=begin, until=begin + 8)
    assert slower_than_usual(hours[: begin + 8]) is not None
    assert slower_than_usual(hours[: begin + 9]) is not None
    assert slower_than_usual(hours[: begin + 20]) is None


def test_without_a_past_nothing_is_slower() -> None:
    """Two days have to be known, and hours with few measurements say nothing."""
    hours = replay(1, slower_from=40)
    assert slower_than_usual(hours[:60]) is None
    few = [hour._replace(measured=3) for hour in replay(1, slower_from=KEPT)]
    assert slower_than_usual(few[: KEPT + 20]) is None
    assert slower_than_usual([]) is None
