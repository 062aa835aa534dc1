"""States in which GitHub refuses things, and how tests and scenarios set them."""

from __future__ import annotations

from miyabi_sim.github.states.control import ControlStates
from miyabi_sim.github.states.setting import States

__all__ = ["ControlStates", "States"]
