"""Looks at a repository as verification would, before there is any change."""

from __future__ import annotations

from miyabi_agents.inspection.looking import WORDS, Inspection, Look, Refusal, Seconds, inspect
from miyabi_agents.inspection.place import Place
from miyabi_agents.inspection.progress import Progress

__all__ = ["WORDS", "Inspection", "Look", "Place", "Progress", "Refusal", "Seconds", "inspect"]
