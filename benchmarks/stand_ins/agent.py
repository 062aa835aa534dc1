"""An agent process whose tasks only sleep; the client is the real one: `python -m benchmarks.stand_ins.agent`."""

from __future__ import annotations

import argparse
import asyncio
import json
from datetime import timedelta
from typing import Any

from miyabi.common.v1.task_kind_pb2 import TaskKind
from miyabi.coordinator.v1.dispatch_service_pb2 import Lease, Outcome
from miyabi.coordinator.v1.dispatch_service_pb2_grpc import DispatchServiceStub
from miyabi.coordinator.v1.result_pb2 import TriageResult
from miyabi_agents.dispatch.client import AttachClient
from miyabi_agents.settings import AgentsSettings
from miyabi_core.channel import open_channel
from miyabi_core.lifecycle import run_until_signal
from miyabi_core.logging import configure_logging

SERVICE = "miyabi.coordinator.v1.DispatchService"


class EchoRunner:
    """Stands where an agent's task runner does: sleeps, then sends the issue's title back as the analysis."""

    def __init__(self, *, seconds: float, slots: int, agent_id: str) -> None:
        self._seconds = seconds
        self.settings = AgentsSettings(slots=slots, agent_id=agent_id, drain=timedelta(0))
        self.capabilities = [TaskKind.TASK_KIND_TRIAGE]

    async def run(self, lease: Lease, _send: object) -> Outcome:
        """Sleep where there is something to sleep, then succeed."""
        if self._seconds:
            await asyncio.sleep(self._seconds)
        result = TriageResult(type="bug", confidence=1.0, analysis=lease.inputs.issue_title)
        return Outcome(reference=lease.reference, triage=result)


def main() -> None:
    """Stay attached until SIGTERM; one JSON line on standard output says that the process lives."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.stand_ins.agent", description=__doc__)
    parser.add_argument("--coordinator", required=True, help="host:port")
    parser.add_argument("--slots", type=int, required=True)
    parser.add_argument("--seconds", type=float, default=0.0, help="how long a task takes (default: no time)")
    parser.add_argument("--agent-id", required=True)
    options = parser.parse_args()
    configure_logging(service="agent", json=True, level="ERROR")
    runner: Any = EchoRunner(seconds=options.seconds, slots=options.slots, agent_id=options.agent_id)

    async def serve(stop: asyncio.Event) -> None:
        async with open_channel(options.coordinator, service=SERVICE) as channel:
            print(json.dumps({"agent": options.agent_id}), flush=True)
            await AttachClient(DispatchServiceStub(channel), runner).run(stop)

    asyncio.run(run_until_signal(serve))


if __name__ == "__main__":
    main()
