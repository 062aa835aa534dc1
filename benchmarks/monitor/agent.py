"""An agent process whose tasks call one slow tool and one slow model: `python -m benchmarks.monitor.agent`.

The client, the report of calls and their clock are the real ones; what is called only takes its time.
"""

from __future__ import annotations

import argparse
import asyncio
import json
from datetime import timedelta
from typing import Any

from miyabi.common.v1.task_kind_pb2 import TaskKind
from miyabi.common.v1.usage_pb2 import Usage
from miyabi.coordinator.v1.dispatch_service_pb2 import Lease, Outcome
from miyabi.coordinator.v1.dispatch_service_pb2_grpc import DispatchServiceStub
from miyabi.coordinator.v1.result_pb2 import TriageResult
from miyabi_agents.dispatch.client import AttachClient
from miyabi_agents.dispatch.progress import Send, TaskProgress
from miyabi_agents.settings import AgentsSettings
from miyabi_core.channel import open_channel
from miyabi_core.lifecycle import run_until_signal
from miyabi_core.logging import configure_logging

SERVICE = "miyabi.coordinator.v1.DispatchService"
#: What is planted: a tool and a model, with the seconds that a call takes.
TOOL, TOOL_SECONDS = "planted.tool", 1.2
MODEL, MODEL_SECONDS = "planted-model", 12.0


class PlantedRunner:
    """Stands where an agent's task runner does: makes both calls, then goes on for as long as a task does."""

    def __init__(self, *, agent_id: str) -> None:
        self.settings = AgentsSettings(slots=1, agent_id=agent_id, drain=timedelta(0))
        self.capabilities = [TaskKind.TASK_KIND_TRIAGE]

    async def run(self, lease: Lease, send: Send) -> Outcome:
        """Make both calls; the task itself ends half a minute later, so that nothing but the calls can tell of them."""
        progress = TaskProgress(lease.reference, send)
        async with progress.invocation(TOOL):
            await asyncio.sleep(TOOL_SECONDS)
        async with progress.invocation("model.messages", detail=MODEL) as invocation:
            await asyncio.sleep(MODEL_SECONDS)
            invocation.used(Usage(input_tokens=100, output_tokens=10, calls=1), model=MODEL)
        await asyncio.sleep(30)
        result = TriageResult(type="bug", confidence=1.0, analysis=lease.inputs.issue_title)
        return Outcome(reference=lease.reference, triage=result)


def main() -> None:
    """Stay attached until SIGTERM; one JSON line on standard output says that the process lives."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.monitor.agent", description=__doc__)
    parser.add_argument("--coordinator", required=True, help="host:port")
    parser.add_argument("--agent-id", required=True)
    options = parser.parse_args()
    configure_logging(service="agent", json=True, level="ERROR")
    runner: Any = PlantedRunner(agent_id=options.agent_id)

    async def serve(stop: asyncio.Event) -> None:
        async with open_channel(options.coordinator, service=SERVICE) as channel:
            print(json.dumps({"agent": options.agent_id}), flush=True)
            await AttachClient(DispatchServiceStub(channel), runner).run(stop)

    asyncio.run(run_until_signal(serve))


if __name__ == "__main__":
    main()
