"""Talks to the model API, counts what it costs, keeps the task's budget."""

from __future__ import annotations

from miyabi_agents.model.client import ModelClient
from miyabi_agents.model.session import ModelSession, ToolHandler

__all__ = ["ModelClient", "ModelSession", "ToolHandler"]
