"""The tools with which the model tries its change while it makes it: tests and commands, in the sandbox."""

from __future__ import annotations

from miyabi_agents.agents.trying.tools import TryingTools, offered, open_tools

__all__ = ["TryingTools", "offered", "open_tools"]
