"""`python -m miyabi_sim.github`: serves a simulated GitHub until it is told to stop."""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import os
import sys
from pathlib import Path

from miyabi_core.lifecycle import run_until_signal
from miyabi_core.logging import configure_logging
from miyabi_sim.github.gitrepo import GitFailedError
from miyabi_sim.github.kept.seed import SeedError
from miyabi_sim.github.server import HOST, SimulatedGitHub, fast_clock
from miyabi_sim.github.webhooks import WebhookTarget

#: Secrets come from the environment: arguments are seen by everyone on the machine.
TOKEN_VARIABLE, WEBHOOK_SECRET_VARIABLE = "MIYABI_SIM_GITHUB_TOKEN", "MIYABI_SIM_WEBHOOK_SECRET"


def main() -> int:
    """Serve until SIGTERM or SIGINT; one JSON line on standard output says where."""
    arguments = _arguments()
    configure_logging(service="simulated-github")
    webhook = None
    if arguments.webhook_url:
        webhook = WebhookTarget(arguments.webhook_url, os.environ.get(WEBHOOK_SECRET_VARIABLE, ""))
    simulated = SimulatedGitHub(
        arguments.data,
        port=arguments.port,
        host=arguments.host,
        url=arguments.url,
        token=os.environ.get(TOKEN_VARIABLE) or None,
        webhook=webhook,
        clock=fast_clock(arguments.time_scale),
    )
    simulated.dials.enforce_limits = arguments.enforce_limits
    if arguments.seed is not None:
        try:
            simulated.load_seed(arguments.seed)
        except (SeedError, GitFailedError) as error:
            print(error, file=sys.stderr)  # noqa: T201 - the person at the terminal reads this
            return 2

    # What is there now stays: the collector need not look at it again, which would hold answers up for 50 ms and more.
    gc.collect()
    gc.freeze()

    async def serve(stop: asyncio.Event) -> None:
        async with simulated:
            ready = {"service": "simulated-github", "url": simulated.url, "port": simulated.port}
            print(json.dumps(ready), flush=True)  # noqa: T201 - this line is the interface
            await stop.wait()

    asyncio.run(run_until_signal(serve))
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m miyabi_sim.github", description=__doc__)
    parser.add_argument("--host", default=HOST, help=f"address to listen on (default: {HOST})")
    parser.add_argument("--port", type=int, default=0, help="port to listen on (default: a free one)")
    parser.add_argument("--url", default="", help="what answers call this server (default: its host and port)")
    parser.add_argument("--data", type=Path, required=True, help="folder that keeps everything")
    parser.add_argument("--seed", type=Path, help="JSON file with repositories and issues to start with")
    parser.add_argument("--webhook-url", default="", help=f"post events here, signed with ${WEBHOOK_SECRET_VARIABLE}")
    parser.add_argument("--enforce-limits", action="store_true", help="refuse what GitHub's limits refuse")
    parser.add_argument("--time-scale", type=float, default=1.0, help="how fast the limits' clock runs (default: 1)")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
