"""Row `10.2`: all analysers on one change at once take hardly longer than the slowest of them alone."""

from __future__ import annotations

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
    # What the processors need is not known here: the sandbox's processes are children of its own starter.
    return Row(
        "10.2", {"seconds": round(wall, 2)}, alone, wall / slowest, f"<= {AT_ONCE}", wall <= AT_ONCE * slowest, len(ALL)
    )
