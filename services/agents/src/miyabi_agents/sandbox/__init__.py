"""Runs code of a repository where it can reach no secret, no network and no file but its own."""

from __future__ import annotations

from miyabi_agents.sandbox.client import ContainerSandbox
from miyabi_agents.sandbox.probe import Layers, probe_layers
from miyabi_agents.sandbox.process import ProcessSandbox

__all__ = ["ContainerSandbox", "Layers", "ProcessSandbox", "probe_layers"]
