"""Limits that follow what their targets bear: what an agent reports, what it is given, what its machine bears."""

from __future__ import annotations

from miyabi_agents.feedback.limits import Limits
from miyabi_agents.feedback.pressure import MachinePressure, watch
from miyabi_agents.feedback.slots import Slots

__all__ = ["Limits", "MachinePressure", "Slots", "watch"]
