"""The only network of a build: passes package indexes by name, and nothing else."""

from __future__ import annotations

from miyabi_agents.environments.proxy.dialling import Dialler, OuterProxy
from miyabi_agents.environments.proxy.hosts import AllowedHosts
from miyabi_agents.environments.proxy.server import FetchProxy, FetchSession, ProxyLimits

__all__ = ["AllowedHosts", "Dialler", "FetchProxy", "FetchSession", "OuterProxy", "ProxyLimits"]
