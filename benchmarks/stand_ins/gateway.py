"""A gateway in a process of its own that answers from memory: `python -m benchmarks.stand_ins.gateway`."""

from __future__ import annotations

import argparse
import asyncio
import json
from typing import Any

from benchmarks.stand_ins.payload import payload_of
from miyabi.github_gateway.v1 import github_gateway_service_pb2 as pb
from miyabi.github_gateway.v1.github_gateway_service_pb2_grpc import add_GitHubGatewayServiceServicer_to_server
from miyabi_coordinator.testing import REPOSITORY, MemoryGateway
from miyabi_core.lifecycle import run_until_signal
from miyabi_core.logging import configure_logging
from miyabi_core.testing import running_server

SERVICE = "miyabi.github_gateway.v1.GitHubGatewayService"


class BenchmarkGateway(MemoryGateway):
    """Knows every issue from 1 to *issues*; each has a kilobyte of title where *large* is set."""

    def __init__(self, issues: int, *, large: bool) -> None:
        super().__init__(dict.fromkeys(range(1, issues + 1), ""))
        self._large = large

    def _issue(self, number: int) -> pb.Issue:
        url = f"https://example.test/{REPOSITORY}/issues/{number}"
        title = payload_of(number) if self._large else f"Issue {number}"
        return pb.Issue(number=number, title=title, url=url)


def main() -> None:
    """Serve until SIGTERM; one JSON line on standard output says where."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.stand_ins.gateway", description=__doc__)
    parser.add_argument("--issues", type=int, required=True)
    parser.add_argument("--large", action="store_true", help="a kilobyte of title each")
    options = parser.parse_args()
    configure_logging(service="gateway", json=True, level="ERROR")
    gateway_type: Any = BenchmarkGateway  # it leaves the writes to the generated base
    registration = (
        add_GitHubGatewayServiceServicer_to_server,
        gateway_type(options.issues, large=options.large),
        SERVICE,
    )

    async def serve(stop: asyncio.Event) -> None:
        async with running_server(registration) as target:
            print(json.dumps({"target": target}), flush=True)
            await stop.wait()

    asyncio.run(run_until_signal(serve))


if __name__ == "__main__":
    main()
