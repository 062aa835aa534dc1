"""Builds in the sandbox what tests of repositories need, fetching by a proxy of ours alone, and keeps it."""

from __future__ import annotations

from miyabi_agents.environments.machine import discover, explain_missing
from miyabi_agents.environments.proxy import FetchProxy, FetchSession
from miyabi_agents.environments.store import EnvironmentStore

__all__ = ["EnvironmentStore", "FetchProxy", "FetchSession", "discover", "explain_missing"]
