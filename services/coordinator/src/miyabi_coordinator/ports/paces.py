"""What the use cases ask of the store about limits that follow what their targets bear."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from miyabi_coordinator.models.pacing import LimitStep, PaceTable


class Paces(Protocol):
    """Limits that all replicas share, and the steps by which they came about."""

    async def load(self, target: str) -> PaceTable:
        """Return what is kept of a target; an empty table where nothing is.

        Raises:
            UnavailableError: the store did not answer in time.
        """
        ...

    async def save(self, target: str, table: PaceTable, *, after: int) -> bool:
        """Keep a table in the place of that with version *after*; False where another replica was faster.

        After a repeat that followed a lost answer it is False too. Raises as `load`.
        """
        ...

    async def note(self, steps: Sequence[LimitStep]) -> None:
        """Keep steps in their order; the oldest of too many are dropped. Raises as `load`."""
        ...

    async def page(self, *, before: str, limit: int, target: str, since: float) -> tuple[list[LimitStep], str]:
        """Return steps, newest first, and the position to go on from; empty at the end.

        A page may be shorter than *limit* though more follows: only so much is looked through for one page.

        Args:
            before: Position that a page before this one returned; empty: from the newest.
            limit: Most steps.
            target: Only this target's; empty: all.
            since: Only those at or after this moment, in seconds since 1970.

        Raises:
            UnavailableError: the store did not answer in time.
        """
        ...
