"""Runs the benchmarks: `python -m benchmarks [--row ID]`, one JSON object a line."""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import AsyncIterator, Callable
from functools import partial
from pathlib import Path

from benchmarks import dispatch, fairness, fetching, intake, makespan, queue, watch
from benchmarks.report import Options, Row
from miyabi_core.logging import configure_logging

#: Measures one or more rows.
Measure = Callable[[], AsyncIterator[Row]]


def _measures(options: Options) -> dict[str, Measure]:
    """Return what measures each row; rows that share a set-up share a module."""
    makespans = partial(makespan.rows, options)
    return {
        "1": intake.rows,
        "2": makespans,
        "3": fetching.rows,
        "6": makespans,
        "dispatch": partial(dispatch.rows, options),
        "fairness": partial(fairness.rows, options),
        "queue": partial(queue.rows, options),
        "watch": partial(watch.rows, options),
    }


async def _run(chosen: str, options: Options) -> bool:
    """Measure and print; returns whether every goal was reached."""
    good = True
    measures = _measures(options)
    modules = [measures[chosen]] if chosen else list(dict.fromkeys(measures.values()))
    for measure in modules:
        async for row in measure():
            if not chosen or row.row == chosen:
                print(row.line(), flush=True)
                good = good and row.passed
    return good


def main() -> None:
    """Parse the command line and run; the exit code is 1 where a goal was missed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--row", choices=sorted(_measures(Options())), default="")
    parser.add_argument("--repeats", type=int, default=Options.repeats, help="turns of ours and the peers")
    parser.add_argument("--peers", type=Path, help="folder with drivers of further peers (row dispatch)")
    parser.add_argument("--profile", action="store_true", help="where the coordinator's time goes (row dispatch)")
    arguments = parser.parse_args()
    configure_logging(service="benchmark", json=True, level="ERROR")
    options = Options(arguments.repeats, arguments.peers, arguments.profile)
    sys.exit(0 if asyncio.run(_run(arguments.row, options)) else 1)


if __name__ == "__main__":
    main()
