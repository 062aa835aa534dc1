"""What a page starts from: all batches, the newest one with its runs; made once for everyone who comes at one time."""

from __future__ import annotations

import asyncio
import json
import time
from dataclasses import dataclass
from typing import Any

import grpc

from miyabi_dashboard.live.hub import Hub
from miyabi_dashboard.upstream import Upstream

#: Seconds that a snapshot serves those who come later; what happened meanwhile is sent behind it, so nothing is missed.
LIFETIME_SECONDS = 1.0


@dataclass(frozen=True)
class Snapshot:
    """Where things stood when the hub's newest event was *sequence*.

    Args:
        made: When it was asked for, by the monotonic clock.
        has_coordinator: False where the coordinator could not be asked.
    """

    sequence: int
    text: str
    made: float
    has_coordinator: bool


class Snapshots:
    """Makes snapshots.

    Args:
        hub: Numbers the events that follow.
        upstream: Knows the batches.
        simulated: What the page says of GitHub and the model.
    """

    def __init__(self, hub: Hub, upstream: Upstream, *, simulated: bool) -> None:
        self._hub = hub
        self._upstream = upstream
        self._simulated = simulated
        self._newest: Snapshot | None = None
        # Held while the coordinator is asked, on purpose: a hundred pages that open at once ask once.
        self._asking = asyncio.Lock()

    async def get(self) -> Snapshot:
        """Return a snapshot that events behind its sequence complete."""
        async with self._asking:
            if self._newest is None or not self._serves(self._newest):
                self._newest = await self._make()
            return self._newest

    def _serves(self, snapshot: Snapshot) -> bool:
        """Tell whether a snapshot can still be completed."""
        is_young = time.monotonic() - snapshot.made < LIFETIME_SECONDS
        is_complete = self._hub.since(snapshot.sequence, epoch=self._hub.epoch) is not None
        return is_young and is_complete and snapshot.has_coordinator

    async def _make(self) -> Snapshot:
        """Ask the coordinator."""
        sequence, made = self._hub.sequence, time.monotonic()
        message: dict[str, Any] = {
            "type": "snapshot", "sequence": sequence, "epoch": self._hub.epoch, "simulated": self._simulated,
            "coordinator": True, "batches": [],
        }  # fmt: skip
        try:
            message["batches"] = await self._upstream.batches()
            if message["batches"]:
                message["newest"] = await self._upstream.batch(message["batches"][0]["name"])
        except grpc.aio.AioRpcError:
            message["coordinator"] = False
        return Snapshot(sequence, json.dumps(message), made, has_coordinator=message["coordinator"])
