"""Talks to the model API, counts what it costs, keeps the task's budget."""

from __future__ import annotations

from miyabi_agents.model.client import ModelClient
from miyabi_agents.model.session import ModelSession
from miyabi_agents.model.talking.brakes import BrakeLimits, steps_for
from miyabi_agents.model.talking.loop import Shown, ToolHandler
from miyabi_agents.model.talking.shared import SharedPrefix
from miyabi_agents.model.tiers import Tier

__all__ = ["BrakeLimits", "ModelClient", "ModelSession", "SharedPrefix", "Shown", "Tier", "ToolHandler", "steps_for"]
