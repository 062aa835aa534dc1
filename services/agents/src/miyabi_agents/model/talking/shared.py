"""What all conversations about one commit begin with, byte for byte, so that each reads it from the prompt cache."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class SharedPrefix:
    """Tools, instructions and background: the API caches them in this order, for each model apart.

    Args:
        tools: Those of all steps, in one order; what a step does not have of them is refused when it is called.
        instructions: The system prompt.
        background: What is known of the commit, as data behind the instructions; empty: nothing.
    """

    tools: Sequence[Mapping[str, Any]]
    instructions: str
    background: str = ""
