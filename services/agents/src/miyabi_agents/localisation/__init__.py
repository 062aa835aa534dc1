"""Finds the files that an issue is about."""

from __future__ import annotations

from miyabi_agents.localisation.index import Candidate, CodeIndex
from miyabi_agents.localisation.locator import Locator
from miyabi_agents.localisation.reading.structure import outline

__all__ = ["Candidate", "CodeIndex", "Locator", "outline"]
