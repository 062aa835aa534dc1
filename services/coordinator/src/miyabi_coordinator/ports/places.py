"""What the use cases ask of the one table of places that all shards and replicas share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from miyabi_coordinator.models import PlaceRequest


class Places(Protocol):
    """Places under limits that hold over all batches: each is held by a task, from before its lease to its end."""

    async def take(self, requests: Sequence[PlaceRequest]) -> list[bool]:
        """Take a place under each limit of a request, all or none; one that holds them already keeps them."""
        ...

    async def give_back(self, holders: Sequence[str]) -> None:
        """Give back whatever these hold."""
        ...

    async def used(self) -> Mapping[str, int]:
        """Return how many places are taken, by the name of the limit."""
        ...

    async def held_before(self, moment: float) -> list[str]:
        """Return who has held a place since before a moment, in seconds since 1970."""
        ...
