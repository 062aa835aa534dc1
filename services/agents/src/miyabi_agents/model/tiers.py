"""The models that a task can ask, from the fastest to the one that thinks longest."""

from __future__ import annotations

from enum import IntEnum


class Tier(IntEnum):
    """Which model is asked."""

    #: Triage, plan, documentation, remarks, small changes.
    FAST = 0
    #: Changes and tests.
    STANDARD = 1
    #: What the others did not bring about.
    DEEP = 2

    def deeper(self, steps: int = 1) -> Tier:
        """Return the tier so many steps on, at most the deepest."""
        return Tier(min(self + steps, Tier.DEEP))
