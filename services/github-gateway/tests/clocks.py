"""Clocks that stand still until a test moves them."""

from __future__ import annotations

import time
from typing import Self


class Clock:
    """Seconds since the epoch, from a fixed moment on."""

    def __init__(self, now: float = 1_800_000_000.0) -> None:
        self.now = now

    @classmethod
    def of_today(cls) -> Self:
        """Return a clock that stands at the present moment."""
        return cls(time.time())

    def __call__(self) -> float:
        return self.now
