"""The submodules of a commit: read from git's objects, fetched through the proxy alone, laid into checkouts."""

from __future__ import annotations

from miyabi_agents.workspace.submodules.bringing import Submodules
from miyabi_agents.workspace.submodules.files import LaidFiles
from miyabi_agents.workspace.submodules.found import BroughtSubmodules, Submodule
from miyabi_agents.workspace.submodules.keeping import KeptSubmodules

__all__ = ["BroughtSubmodules", "KeptSubmodules", "LaidFiles", "Submodule", "Submodules"]
