"""Finds the files that an issue is about."""

from __future__ import annotations

from miyabi_agents.localisation.index import Candidate, CodeIndex

__all__ = ["Candidate", "CodeIndex"]
