"""Row startup: processor time of the command until it has done nothing but begin; Python itself in the same run."""

from __future__ import annotations

import asyncio
import os
import resource
import statistics
import sys
from collections.abc import AsyncIterator, Sequence

from benchmarks.measuring.report import Options, Row

#: Runs of a case for each repeat: the median of fifteen moves little on a busy machine.
RUNS = 5
#: Processor seconds that a person does not notice.
AT_ONCE = 0.25
#: Nothing listens there, so that a call ends at once.
NOBODY = "127.0.0.1:1"
#: What is measured: arguments, goal, exit code.
CASES: tuple[tuple[str, Sequence[str], float, int], ...] = (
    ("help", ("--help",), AT_ONCE, 0),
    ("version", ("--version",), AT_ONCE, 0),
    ("call", ("batches",), AT_ONCE, 3),
)


async def rows(options: Options) -> AsyncIterator[Row]:
    """Measure each case in turns with Python."""
    for case, arguments, goal, code in CASES:
        ours, python = [], []
        for _ in range(RUNS * options.repeats):
            python.append(await _cpu("-c", "pass", code=0))
            ours.append(await _cpu("-m", "miyabi_cli", *arguments, code=code))
        seconds, floor = statistics.median(ours), statistics.median(python)
        yield Row(
            "startup", {"cpu_seconds": round(seconds, 3)}, {"python_cpu_seconds": round(floor, 3)}, seconds / floor,
            f"<= {goal} s", seconds <= goal, len(ours), case,
        )  # fmt: skip


async def _cpu(*arguments: str, code: int) -> float:
    """Run Python once; returns the processor seconds that the kernel counts for it.

    Raises:
        RuntimeError: it ended otherwise than it should.
    """
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    environment = {**os.environ, "MIYABI_COORDINATOR": NOBODY}
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *arguments,
        env=environment,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    if await process.wait() != code:
        raise RuntimeError(f"{arguments} ended with {process.returncode}, not {code}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
