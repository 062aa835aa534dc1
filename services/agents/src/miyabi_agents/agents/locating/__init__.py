"""Finds the files that an issue is likely about: by what is in them, then as a model sees it."""

from __future__ import annotations

from miyabi_agents.agents.locating.finding import likely_files, locate
from miyabi_agents.agents.locating.reordering import reordered

__all__ = ["likely_files", "locate", "reordered"]
