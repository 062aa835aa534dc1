"""A simulated model: Anthropic's Messages API on loopback, with answers from scenario files."""

from __future__ import annotations

from miyabi_sim.model.dials import Fault, ModelDials
from miyabi_sim.model.scenarios import Scenario, Scenarios
from miyabi_sim.model.server import SimulatedModel

__all__ = ["Fault", "ModelDials", "Scenario", "Scenarios", "SimulatedModel"]
