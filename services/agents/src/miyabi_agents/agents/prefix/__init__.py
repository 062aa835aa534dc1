"""What every conversation about a commit begins with, byte for byte, so that it is read from the prompt cache."""

from __future__ import annotations

from miyabi_agents.agents.prefix.building import shared_prefix

__all__ = ["shared_prefix"]
