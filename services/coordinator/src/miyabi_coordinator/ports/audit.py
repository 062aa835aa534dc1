"""Where the audit is kept."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from miyabi_coordinator.models.audit import AuditEntry


class AuditTrail(Protocol):
    """Keeps the newest entries, those of all replicas together."""

    async def append(self, entries: Sequence[AuditEntry]) -> None:
        """Write entries in their order; a repeat after a lost answer is seen as one.

        Raises:
            UnavailableError: the store did not answer in time.
        """
        ...

    async def page(self, *, before: str, limit: int, actor: str, resource: str) -> tuple[list[AuditEntry], str]:
        """Return entries, newest first, and the position to go on from; empty at the end.

        A page may be shorter than *limit* though more follows: only so much is looked through for one page.

        Args:
            before: Position that a page before this one returned; empty: from the newest.
            limit: Most entries.
            actor: Only this identity's; empty: all.
            resource: Only those that named this resource or something below it; empty: all.

        Raises:
            UnavailableError: the store did not answer in time.
        """
        ...
