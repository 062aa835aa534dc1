"""Where the calls of models are kept."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from miyabi_coordinator.models.transcript import CallHead, ReportedCall


class TranscriptStore(Protocol):
    """The calls of the runs of one shard; they go with their batch."""

    async def add(self, calls: Sequence[ReportedCall]) -> None:
        """Keep calls in their order, each once: one whose index its lease has reported before is left out.

        So is one of a run that is not there, or of a lease that was never given.

        Raises:
            UnavailableError: the store did not answer; they may or may not be kept.
            ResourceExhaustedError: the store has no room.
        """
        ...

    async def heads(self, batch: str, issue: int, *, after: int, limit: int) -> tuple[list[CallHead], int]:
        """Return calls of a run behind a position, oldest first, and how many older ones were removed altogether.

        Raises:
            UnavailableError: the store did not answer.
        """
        ...

    async def bodies(self, batch: str, issue: int, numbers: Sequence[int]) -> list[bytes | None]:
        """Return what was said in calls, in the order asked for; None where it was removed.

        Raises:
            UnavailableError: the store did not answer.
        """
        ...
