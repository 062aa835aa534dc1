"""Runs the simulated model until SIGTERM: `python -m miyabi_sim.model --port N [--scenarios PATH]`."""

from __future__ import annotations

import argparse
import asyncio
import json
from pathlib import Path

from miyabi_core.lifecycle import run_until_signal
from miyabi_sim.model.dials import ModelDials
from miyabi_sim.model.scenarios import Scenarios
from miyabi_sim.model.server import HOST, SimulatedModel


def main() -> None:
    """Parse the command line, serve, print one JSON line when ready."""
    parser = argparse.ArgumentParser(prog="python -m miyabi_sim.model", description=__doc__)
    parser.add_argument("--host", default=HOST, help=f"address to listen on (default: {HOST})")
    parser.add_argument("--name", action="append", default=[], help="a host's name that it serves as; several times")
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    parser.add_argument("--scenarios", type=Path, help="a YAML file or a folder of them")
    parser.add_argument("--first-token-seconds", type=float, default=0.0, help="until an answer begins (default: 0)")
    parser.add_argument("--token-seconds", type=float, default=0.0, help="between its pieces (default: 0)")
    parser.add_argument("--most-in-flight", type=int, default=0, help="more at once are refused; 0: none (default)")
    options = parser.parse_args()
    scenarios = Scenarios.load(options.scenarios) if options.scenarios else Scenarios()
    dials = ModelDials(options.first_token_seconds, options.token_seconds, most_in_flight=options.most_in_flight)
    server = SimulatedModel(scenarios, port=options.port, host=options.host, names=options.name, dials=dials)
    asyncio.run(run_until_signal(lambda stop: _serve(server, stop)))


async def _serve(server: SimulatedModel, stop: asyncio.Event) -> None:
    """Serve until *stop* is set."""
    async with server as model:
        ready = {"service": "simulated-model", "url": model.url, "port": model.port}
        print(json.dumps(ready), flush=True)  # noqa: T201 - whoever starts it waits for this line
        await stop.wait()


if __name__ == "__main__":
    main()
