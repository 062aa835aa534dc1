"""A session at a simulated model over real HTTP, and what it reported."""

from __future__ import annotations

from contextlib import asynccontextmanager
from datetime import timedelta

import pytest

from miyabi.common.v1.usage_pb2 import Budget
from miyabi.coordinator.v1.dispatch_service_pb2 import LeaseReference
from miyabi_agents.dispatch.progress import TaskProgress
from miyabi_agents.model import ModelClient
from miyabi_agents.model.pace import Patience
from miyabi_agents.settings import AgentsSettings
from miyabi_sim.model.dials import ModelDials
from miyabi_sim.model.scenarios import Scenario, Scenarios
from miyabi_sim.model.server import SimulatedModel

#: Repeats as in earnest, hardly any time between them.
QUICK = Patience(first_wait=timedelta(milliseconds=1))


class Talk:
    """A session at a simulated model, and what it reported."""

    def __init__(self, model, session, sent) -> None:
        self.model = model
        self.session = session
        self.sent = sent

    def calls_of(self, tool):
        """Reports of calls of a tool."""
        return [entry.tool_invocation for entry in self.sent if entry.tool_invocation.tool == tool]

    @property
    def calls(self):
        """Reports of model calls."""
        return self.calls_of("model.messages")

    @property
    def text(self) -> str:
        """Streamed text."""
        return "".join(entry.text_delta.text for entry in self.sent)

    @property
    def told(self) -> list[str]:
        """What the model was told in the last request, text by text."""
        blocks = [block for message in self.model.requests[-1]["messages"] for block in message["content"]]
        return [block.get("text") or block.get("content") for block in blocks if block["type"] != "tool_use"]


@asynccontextmanager
async def opened(*turns, scenarios=(), budget=None, faults=(), settings=None, patience=QUICK, deadline=None, **dials):
    """Open a session whose model says *turns*."""
    played = Scenarios([*scenarios, Scenario("scripted", turns)])
    async with SimulatedModel(played, dials=ModelDials(faults=list(faults), **dials)) as model:
        given = {"anthropic_api_key": "test-key", "anthropic_base_url": model.url, **(settings or {})}
        client = ModelClient(AgentsSettings(**given), patience=patience)
        sent = []
        progress = TaskProgress(LeaseReference(task="t", fencing_token=1), lambda message, _: sent.append(message))
        try:
            yield Talk(model, client.session(progress=progress, budget=budget or Budget(), deadline=deadline), sent)
        finally:
            await client.close()


@pytest.fixture(name="talk")
def _talk():
    """Give what opens a session."""
    return opened
