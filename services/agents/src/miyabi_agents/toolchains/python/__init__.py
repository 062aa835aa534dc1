"""Python: its projects, environments, tests and verdicts."""

from __future__ import annotations

from miyabi_agents.toolchains.python.environments import PythonEnvironments
from miyabi_agents.toolchains.python.interpreters import candidates
from miyabi_agents.toolchains.python.recipes.distributions import distribution_of
from miyabi_agents.toolchains.python.recipes.repair import missing_in, repair
from miyabi_agents.toolchains.python.toolchain import PythonToolchain

__all__ = ["PythonEnvironments", "PythonToolchain", "candidates", "distribution_of", "missing_in", "repair"]
