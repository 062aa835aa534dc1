"""Agents whose tasks only talk to the model, in one process: `python -m benchmarks.feedback.agent`.

Client of the coordinator, client of the model API, pace, reports and shares are the real ones; checkouts and tests are
left out, so that nothing but the model bounds the batch. Settings come from the environment, as an agent's do.
"""

from __future__ import annotations

import argparse
import asyncio
import json
from typing import Any

from miyabi.common.v1.task_kind_pb2 import TaskKind
from miyabi.coordinator.v1.dispatch_service_pb2 import Lease, Outcome, Progress
from miyabi.coordinator.v1.dispatch_service_pb2_grpc import DispatchServiceStub
from miyabi.coordinator.v1.result_pb2 import TriageResult
from miyabi_agents.dispatch.client import AttachClient
from miyabi_agents.dispatch.progress import TaskProgress
from miyabi_agents.feedback import Limits, Slots
from miyabi_agents.model import ModelClient
from miyabi_agents.settings import AgentsSettings
from miyabi_core.channel import open_channel
from miyabi_core.lifecycle import run_until_signal
from miyabi_core.logging import configure_logging

SERVICE = "miyabi.coordinator.v1.DispatchService"
#: What the model is asked to call; the simulated one has a plain answer for it.
TOOL: dict[str, Any] = {"name": "record_triage", "description": "Record.", "input_schema": {"type": "object"}}


class TalkingRunner:
    """Stands where an agent's task runner does: asks the model so many times, one after the other."""

    def __init__(self, settings: AgentsSettings, *, calls: int) -> None:
        self.settings = settings
        self.models = ModelClient(settings)
        self.capabilities = [TaskKind.TASK_KIND_TRIAGE]
        self._calls = calls

    async def run(self, lease: Lease, _send: object) -> Outcome:
        """Ask, then succeed with the spend."""
        progress = TaskProgress(lease.reference, _ignore)
        session = self.models.session(progress=progress, budget=lease.budget)
        assert session is not None
        for number in range(self._calls):
            await session.call_tool(step="analysis", system="Be brief.", prompt=f"Call {number}.", tool=TOOL)
        result = TriageResult(type="bug", confidence=1.0, analysis="asked")
        return Outcome(reference=lease.reference, triage=result)


def _ignore(_message: Progress, _droppable: bool) -> None:
    """Leave progress out: it is measured elsewhere."""


async def _attach(settings: AgentsSettings, calls: int, stop: asyncio.Event) -> None:
    """Keep one agent attached until *stop* is set."""
    runner: Any = TalkingRunner(settings, calls=calls)
    slots = Slots(least=settings.slots, most=settings.slots, fixed=True)
    limits = Limits(runner.models.pace, slots, base_url=settings.anthropic_base_url) if settings.feedback else None
    async with open_channel(settings.coordinator, service=SERVICE) as channel:
        await AttachClient(DispatchServiceStub(channel), runner, limits=limits).run(stop)
    await runner.models.close()


async def _serve(settings: AgentsSettings, options: argparse.Namespace, stop: asyncio.Event) -> None:
    """Keep all agents attached, each with a client and a pace of its own."""
    print(json.dumps({"agents": options.agents}), flush=True)
    async with asyncio.TaskGroup() as tasks:
        for number in range(options.agents):
            own = settings.model_copy(update={"agent_id": f"agent-{number}"})
            tasks.create_task(_attach(own, options.calls, stop))


def main() -> None:
    """Run until SIGTERM; one JSON line on standard output says that the process lives."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.feedback.agent", description=__doc__)
    parser.add_argument("--agents", type=int, required=True, help="how many")
    parser.add_argument("--calls", type=int, required=True, help="calls of a task, one after the other")
    options = parser.parse_args()
    configure_logging(service="agent", json=True, level="ERROR")
    settings = AgentsSettings()
    asyncio.run(run_until_signal(lambda stop: _serve(settings, options, stop)))


if __name__ == "__main__":
    main()
