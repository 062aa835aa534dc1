"""Compares an issue with others that may ask for the same."""

from __future__ import annotations

from miyabi_agents.agents.comparing.judging import Compared, compared

__all__ = ["Compared", "compared"]
