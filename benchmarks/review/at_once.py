"""Row `10.2`: all analysers on one change at once take hardly longer than the slowest of them alone."""

from __future__ import annotations

import os
import time
from collections.abc import AsyncIterator

from benchmarks.measuring.report import Row
from benchmarks.review.looking import reviewed, written
from benchmarks.review.planted import planted
from miyabi_agents.analysers.suite import ALL

#: All analysers at once may take so many times the slowest of them.
AT_ONCE = 1.1


async def rows() -> AsyncIterator[Row]:
    """Measure it."""
    yield await _at_once()


async def _at_once() -> Row:
    """Look at one change of all languages: every analyser alone, then all at once."""
    change = written({one.path: one.code for one in planted() if one.kind != "does not parse"}, {})
    files, base = list(change[0]), change[1]
    alone = {}
    for analyser in ALL:
        began = time.monotonic()
        await reviewed(files, base, [analyser])
        alone[analyser.name] = round(time.monotonic() - began, 2)
    began = time.monotonic()
    await reviewed(files, base)
    wall, slowest = time.monotonic() - began, max(alone.values())
    # An analyser works its whole time, on one processor or more: all of them need at least the sum of their times, and
    # where that is what they wait for, no order of them is faster than the processors.
    least = sum(alone.values()) / len(os.sched_getaffinity(0))
    ours = {"seconds": round(wall, 2), "processors_need": round(least, 2)}
    goal = f"<= {AT_ONCE} times the slowest, or <= what all need of the processors where that is longer"
    return Row("10.2", ours, alone, wall / slowest, goal, wall <= max(AT_ONCE * slowest, least), len(ALL))
