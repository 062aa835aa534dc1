"""What the use cases ask of the store beside batches: measurements, and batches whose time is over."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from miyabi_coordinator.models.measured import Measured


class Keeper(Protocol):
    """Measurements of a shard, and its ended batches."""

    async def add_measured(self, scope: str, counts: Mapping[str, int]) -> None:
        """Add counts by `field_of` to those of a scope (repository and pipeline)."""
        ...

    async def load_measured(self, scope: str) -> Measured:
        """Return what was measured in a scope."""
        ...

    async def ended_before(self, moment: float, *, limit: int) -> list[str]:
        """Return batches that ended before a moment (seconds since 1970), oldest first."""
        ...

    async def remove(self, batch: str, *, ended_before: float) -> bool:
        """Remove a batch with all its keys, unless it runs again or ended later; tells whether it did."""
        ...
