"""Runs the benchmarks: `python -m benchmarks [--row ID]`, one JSON object a line."""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import AsyncIterator, Callable
from importlib import import_module
from inspect import signature
from pathlib import Path

from benchmarks.measuring.report import Options, Row
from miyabi_core.logging import configure_logging

#: Module of each row, imported when it is measured: a row may lean on packages that the others do not need.
MODULES = {
    "1": "intake",
    "2": "handing_out.makespan",
    "3": "github.fetching",
    "4": "talking.first_text",
    "5": "talking.reuse",
    "6": "handing_out.makespan",
    "7": "page.first_load",
    "8": "github.eviction",
    "9.1": "github.limits",
    "9.2": "page.views",
    "10.1": "talking.tests_at_once",
    "10.4": "monitor.finding",
    "10.4b": "feedback.rows",
    "10.2": "review.at_once",
    "dispatch": "handing_out.dispatch",
    "fairness": "handing_out.fairness",
    "fanout": "page.fanout",
    "graph": "page.views",
    "grouping": "grouping",
    "identity": "handing_out.identity",
    "localise": "localise.rows",
    "memory": "handing_out.memory",
    "prefix": "prefix.rows",
    "monitor": "monitor.cost",
    "queue": "handing_out.queue",
    "review": "review.rows",
    "sandbox": "sandbox_start",
    "scale": "handing_out.scale",
    "startup": "startup",
    "sketch": "monitor.sketch",
    "watch": "handing_out.watch",
}


def _rows(module: str, options: Options) -> AsyncIterator[Row]:
    """Return the rows of a module as they are measured; one that has nothing to choose takes no options."""
    rows: Callable[..., AsyncIterator[Row]] = import_module(f"benchmarks.{module}").rows
    return rows(options) if signature(rows).parameters else rows()


async def _run(chosen: str, options: Options) -> bool:
    """Measure and print; returns whether every goal was reached."""
    good = True
    for module in [MODULES[chosen]] if chosen else dict.fromkeys(MODULES.values()):
        async for row in _rows(module, options):
            if not chosen or row.row == chosen:
                print(row.line(), flush=True)
                good = good and row.passed
    return good


def main() -> None:
    """Parse the command line and run; the exit code is 1 where a goal was missed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--row", choices=sorted(MODULES), default="")
    parser.add_argument("--repeats", type=int, default=Options.repeats, help="turns of ours and the peers")
    parser.add_argument("--peers", type=Path, help="folder with drivers of further peers (row dispatch)")
    parser.add_argument("--profile", action="store_true", help="where the coordinator's time goes (row dispatch)")
    parser.add_argument("--issues", type=Path, help="file of real issues, one JSON object a line (row grouping)")
    arguments = parser.parse_args()
    configure_logging(service="benchmark", json=True, level="ERROR")
    options = Options(arguments.repeats, arguments.peers, arguments.profile, arguments.issues)
    sys.exit(0 if asyncio.run(_run(arguments.row, options)) else 1)


if __name__ == "__main__":
    main()
