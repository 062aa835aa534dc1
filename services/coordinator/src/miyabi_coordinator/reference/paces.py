"""The store's limits in memory, as the same suite asks of both."""

from __future__ import annotations

from collections.abc import Sequence

from miyabi_coordinator.models.pacing import LimitStep, PaceTable


class MemoryPaces:
    """Implements `ports.paces.Paces`; positions are numbers of steps."""

    def __init__(self) -> None:
        self._tables: dict[str, PaceTable] = {}
        self._steps: list[LimitStep] = []

    async def load(self, target: str) -> PaceTable:
        """Return what is kept of a target."""
        return self._tables.get(target, PaceTable())

    async def save(self, target: str, table: PaceTable, *, after: int) -> bool:
        """Keep a table where its predecessor is still there."""
        if (await self.load(target)).version != after:
            return False
        self._tables[target] = table
        return True

    def forget(self, target: str) -> None:
        """Forget a target, as the store does with one that nobody uses."""
        self._tables.pop(target, None)

    async def note(self, steps: Sequence[LimitStep]) -> None:
        """Keep steps."""
        self._steps.extend(steps)

    async def page(self, *, before: str, limit: int, target: str, since: float) -> tuple[list[LimitStep], str]:
        """Return steps, newest first."""
        end = int(before) if before else len(self._steps)
        numbered = list(enumerate(self._steps[:end]))[::-1]
        fitting = [(number, step) for number, step in numbered if step.time >= since and target in {"", step.target}]
        page = fitting[:limit]
        return [step for _, step in page], str(page[-1][0]) if len(fitting) > limit else ""
