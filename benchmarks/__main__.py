"""Runs the benchmarks: `python -m benchmarks [--row ID]`, one JSON object a line."""

from __future__ import annotations

import argparse
import asyncio
import sys

from benchmarks import fetching, intake, makespan
from miyabi_core.logging import configure_logging

#: Rows by id; rows that share a set-up share a module.
ROWS = {"1": intake.rows, "2": makespan.rows, "3": fetching.rows, "6": makespan.rows}


async def _run(chosen: str) -> bool:
    """Measure and print; returns whether every goal was reached."""
    good = True
    modules = [ROWS[chosen]] if chosen else list(dict.fromkeys(ROWS.values()))
    for measure in modules:
        async for row in measure():
            if not chosen or row.row == chosen:
                print(row.line(), flush=True)
                good = good and row.passed
    return good


def main() -> None:
    """Parse the command line and run; the exit code is 1 where a goal was missed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--row", choices=sorted(ROWS), default="")
    options = parser.parse_args()
    configure_logging(service="benchmark", json=True, level="ERROR")
    sys.exit(0 if asyncio.run(_run(options.row)) else 1)


if __name__ == "__main__":
    main()
