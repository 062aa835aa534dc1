"""Runs the package index until SIGTERM: `python -m miyabi_sim.packages --folder WHEELS --port N`."""

from __future__ import annotations

import argparse
import asyncio
from pathlib import Path

from aiohttp import web

from miyabi_core.edge import HttpDoor, ServedHosts
from miyabi_core.lifecycle import run_until_signal
from miyabi_core.logging import configure_logging
from miyabi_sim.packages.server import application


def main() -> None:
    """Parse the command line and serve."""
    parser = argparse.ArgumentParser(prog="python -m miyabi_sim.packages", description=__doc__)
    parser.add_argument("--folder", type=Path, required=True, help="where the wheels are")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--name", action="append", default=[], help="a host's name that it serves as; several times")
    parser.add_argument("--port", type=int, required=True)
    options = parser.parse_args()
    configure_logging(service="simulated-packages")

    door = HttpDoor(ServedHosts(f"{options.host}:{options.port}", options.name))

    async def serve(stop: asyncio.Event) -> None:
        runner = web.AppRunner(application(options.folder, door=door), access_log=None, shutdown_timeout=1)
        await runner.setup()
        await web.TCPSite(runner, options.host, options.port).start()
        await stop.wait()
        await runner.cleanup()

    asyncio.run(run_until_signal(serve))


if __name__ == "__main__":
    main()
