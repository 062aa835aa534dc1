"""A process that measures, or only receives, and does nothing else: `python -m benchmarks.monitor.measuring`."""

from __future__ import annotations

import argparse
import asyncio
import json
from collections.abc import Sequence
from datetime import timedelta

from miyabi.coordinator.v1.coordinator_service_pb2_grpc import CoordinatorServiceStub
from miyabi.coordinator.v1.event_pb2 import BatchEvent
from miyabi_core.channel import open_channel
from miyabi_core.lifecycle import run_until_signal
from miyabi_core.logging import configure_logging
from miyabi_core.store.redis import connect
from miyabi_dashboard.monitor.following import Follower
from miyabi_dashboard.monitor.storing import MeasurementStore


class Dropper(Follower):
    """Follows as the monitor does, and measures nothing."""

    async def take(self, events: Sequence[BatchEvent]) -> None:
        """Drop events."""


def main() -> None:
    """Follow the coordinator until SIGTERM; one JSON line on standard output says that it has begun."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.monitor.measuring", description=__doc__)
    parser.add_argument("--coordinator", required=True, help="host:port")
    parser.add_argument("--redis", required=True, help="URL of the store")
    parser.add_argument(
        "--only-receive", action="store_true", help="drop what is received: what measuring costs beside"
    )
    options = parser.parse_args()
    configure_logging(service="dashboard", json=True, level="ERROR")

    async def serve(stop: asyncio.Event) -> None:
        client = connect(options.redis, max_connections=4)
        async with open_channel(options.coordinator, service="miyabi.coordinator.v1.CoordinatorService") as channel:
            store = MeasurementStore(client)
            make = Dropper if options.only_receive else Follower
            follower = make(CoordinatorServiceStub(channel), store, retention=timedelta(days=30))
            async with asyncio.TaskGroup() as tasks:
                following = tasks.create_task(follower.run())
                await follower.measuring.wait()
                print(json.dumps({"measuring": True}), flush=True)
                await stop.wait()
                following.cancel()
        await client.aclose()

    asyncio.run(run_until_signal(serve))


if __name__ == "__main__":
    main()
