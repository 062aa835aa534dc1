"""Row `10.2`: all analysers on one change at once take no longer than the slowest, or than the processors need."""

from __future__ import annotations

import os
import resource
import time
from collections.abc import AsyncIterator

from benchmarks.report import Row
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
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    await reviewed(files, base)
    wall, after = time.monotonic() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    most = max(AT_ONCE * max(alone.values()), cpu / (os.cpu_count() or 1))
    ours = {"seconds": round(wall, 2), "cpu": round(cpu, 2)}
    goal = f"<= {AT_ONCE} x the slowest, or <= CPU / cores"
    return Row("10.2", ours, alone, wall / most, goal, wall <= most, len(ALL))
