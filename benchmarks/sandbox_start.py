"""Row sandbox: what the sandbox adds to the start of a command, beside the same command started bare."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

from benchmarks.measuring.report import Row
from miyabi_agents.sandbox.cost import start_cost

#: Starts of each kind, by turns.
TIMES = 30
#: Seconds that the sandbox may add.
GOAL_SECONDS = 0.060


async def rows() -> AsyncIterator[Row]:
    """Measure the medians of a program that does nothing."""
    with tempfile.TemporaryDirectory() as folder:
        await start_cost(Path(folder), times=2)  # the first command of a process finds out what the machine has
        cost = await start_cost(Path(folder), times=TIMES)
    yield Row(
        row="sandbox",
        ours={"start_ms": round(cost.sandboxed * 1000, 1), "over_ms": round(cost.over * 1000, 1)},
        baseline={"start_ms": round(cost.bare * 1000, 1)},
        ratio=cost.sandboxed / cost.bare,
        goal=f"at most {GOAL_SECONDS * 1000:.0f} ms over the bare command",
        passed=cost.over <= GOAL_SECONDS,
        n=TIMES,
    )
