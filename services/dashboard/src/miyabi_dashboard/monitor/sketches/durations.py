"""What a collection of durations answers, whether it keeps them all or only a sketch of them."""

from __future__ import annotations

from typing import Protocol


class Durations(Protocol):
    """Durations in seconds."""

    @property
    def count(self) -> int:
        """How many."""
        ...

    @property
    def total(self) -> float:
        """Their sum in seconds."""
        ...

    @property
    def most(self) -> float:
        """The longest in seconds; 0 where there is none."""
        ...

    def add(self, seconds: float) -> None:
        """Take one."""
        ...

    def quantile(self, share: float) -> float:
        """Return the duration that *share* (0 to 1) of all do not exceed; 0 where there is none."""
        ...
