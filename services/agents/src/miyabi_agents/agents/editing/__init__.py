"""The tools with which the model looks at a commit and changes it, files being taken as they are."""

from __future__ import annotations

from miyabi_agents.agents.editing.attempts import Attempts
from miyabi_agents.agents.editing.definitions import CHANGED_EXPECTATIONS, TOOLS, tool
from miyabi_agents.agents.editing.forms import translated
from miyabi_agents.agents.editing.tools import EditingTools

__all__ = ["CHANGED_EXPECTATIONS", "TOOLS", "Attempts", "EditingTools", "tool", "translated"]
