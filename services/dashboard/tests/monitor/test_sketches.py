"""Quantiles within one percent, whatever is merged, stored and read again."""

from __future__ import annotations

import random

import pytest

from miyabi_dashboard.monitor.sketches import ACCURACY, Exact, Sketch

#: Shares that reports tell, and the ends.
SHARES = (0.0, 0.5, 0.95, 0.99, 1.0)


def filled(seed: int, number: int = 20_000) -> tuple[Sketch, Exact, list[float]]:
    """Return the same durations in a sketch and exactly."""
    chance, sketch, exact = random.Random(seed), Sketch(), Exact()
    values = [chance.lognormvariate(0, 2.5) for _ in range(number)]
    for value in values:
        sketch.add(value)
    exact._ordered, exact.total = sorted(values), sum(values)
    return sketch, exact, values


@pytest.mark.parametrize("seed", range(3))
def test_quantiles_are_within_one_percent(seed: int) -> None:
    """From microseconds to hours, at every share."""
    sketch, exact, _ = filled(seed)
    for share in SHARES:
        assert sketch.quantile(share) == pytest.approx(exact.quantile(share), rel=ACCURACY * 1.0001)
    assert (sketch.count, sketch.most) == (exact.count, exact.most)
    assert sketch.total == pytest.approx(exact.total)


def test_a_merged_sketch_is_the_one_of_all() -> None:
    """Halves that are merged answer as the whole does."""
    whole, _, values = filled(7)
    halves = [Sketch(), Sketch()]
    for position, value in enumerate(values):
        halves[position % 2].add(value)
    halves[0].merge(halves[1])
    assert [halves[0].quantile(share) for share in SHARES] == [whole.quantile(share) for share in SHARES]
    assert halves[0].count == whole.count


def test_what_is_stored_is_read_as_it_was() -> None:
    """Count, sum, longest and quantiles survive, and the stored form is small."""
    sketch, _, _ = filled(3, 200)
    read = Sketch.decode(sketch.encode())
    assert [read.quantile(share) for share in SHARES] == [sketch.quantile(share) for share in SHARES]
    assert (read.count, read.total, read.most) == (sketch.count, sketch.total, sketch.most)
    assert len(sketch.encode()) < 200 * 10 + 30


def test_few_durations_have_the_longest_at_their_end() -> None:
    """Of two durations the 95th percentile is the longer one, and the median the shorter; of a hundred it is the 95th."""
    few, many = Exact(), Exact()
    for seconds in (36.0, 47.3):
        few.add(seconds)
    for seconds in range(1, 101):
        many.add(float(seconds))
    assert [few.quantile(share) for share in (0.0, 0.5, 0.95, 0.99, 1.0)] == [36.0, 36.0, 47.3, 47.3, 47.3]
    assert [many.quantile(share) for share in (0.5, 0.95, 0.99)] == [50.0, 95.0, 99.0]


def test_nothing_and_odd_durations() -> None:
    """An empty sketch answers 0; a clock that went back makes no negative duration, and a year is as long as it gets."""
    assert Sketch().quantile(0.5) == 0.0
    assert Exact().quantile(0.5) == 0.0
    sketch = Sketch()
    for odd in (-5.0, 0.0, 1e12):
        sketch.add(odd)
    assert sketch.count == 3
    assert sketch.quantile(0.0) <= 2e-6
    assert sketch.most == 1e7
