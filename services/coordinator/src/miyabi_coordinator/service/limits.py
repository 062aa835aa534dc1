"""How many tasks may run beside those that run: over all batches and replicas."""

from __future__ import annotations

from collections.abc import Sequence

from miyabi_coordinator.models import RepositoryLimit
from miyabi_coordinator.ports.store import Claim


class Limits:
    """No limits."""

    async def now(self) -> Sequence[RepositoryLimit]:
        """Return how many tasks may start now."""
        return ()

    async def take(self, claims: Sequence[Claim]) -> list[bool]:
        """Take a place for each claim; returns which have one."""
        return [True] * len(claims)

    async def give_back(self, holders: Sequence[str]) -> None:
        """Give places back."""
        del holders
