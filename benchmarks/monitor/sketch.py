"""Row sketch: how far quantiles are from exact over ten million recorded durations, and what recording one costs."""

from __future__ import annotations

import random
import time
from collections.abc import AsyncIterator, Callable

from benchmarks.measuring.report import Row
from miyabi_dashboard.monitor.sketches import ACCURACY, Sketch
from miyabi_dashboard.monitor.sketches.durations import rank_of

#: Durations of each kind of distribution.
RECORDED = 10_000_000
#: Sketches that they are spread over and merged from: the minutes of a day.
PARTS = 1440
#: Shares that are compared.
SHARES = (0.01, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 0.999)
#: Makes a duration, by the name of its distribution: what tools take, what models take, what has two humps.
DISTRIBUTIONS: dict[str, Callable[[random.Random], float]] = {
    "lognormal": lambda chance: chance.lognormvariate(0, 1.5),
    "pareto": lambda chance: 0.01 * chance.paretovariate(1.1),
    "two humps": lambda chance: chance.gauss(0.05, 0.005) if chance.random() < 0.7 else chance.gauss(12, 2),
}


async def rows() -> AsyncIterator[Row]:
    """Compare each distribution's quantiles with exact ones."""
    for name, make in DISTRIBUTIONS.items():
        yield _row(name, make)


def _row(name: str, make: Callable[[random.Random], float]) -> Row:
    """Record durations into parts that are merged, and all of them exactly."""
    chance = random.Random(name)
    values = [max(1e-6, make(chance)) for _ in range(RECORDED)]
    began = time.process_time()
    parts = [Sketch() for _ in range(PARTS)]
    each = RECORDED // PARTS + 1
    for number, sketch in enumerate(parts):
        add = sketch.add
        for value in values[number * each : (number + 1) * each]:
            add(value)
    spent = time.process_time() - began
    whole = Sketch()
    for sketch in parts:
        whole.merge(Sketch.decode(sketch.encode()))
    values.sort()
    errors = {share: abs(whole.quantile(share) / values[rank_of(share, len(values))] - 1) for share in SHARES}
    worst = max(errors.values())
    return Row(
        row="sketch",
        case=name,
        ours={
            "largest_error": round(worst, 5),
            "microseconds_each": round(spent / RECORDED * 1e6, 2),
            "stored_bytes": len(whole.encode()),
        },
        baseline={"what": "all durations, sorted", "stored_bytes": 8 * RECORDED},
        ratio=worst / ACCURACY,
        goal="quantiles are within 1 % of exact",
        passed=worst <= ACCURACY * 1.000001 and whole.count == RECORDED,
        n=RECORDED,
    )
