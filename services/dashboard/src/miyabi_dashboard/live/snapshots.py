"""What a page starts from: batches, one of them with its runs; made once for everyone who comes at one time."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Any

import grpc
import orjson

from miyabi.coordinator.v1 import coordinator_service_pb2 as pb
from miyabi_dashboard.live.hub import Hub
from miyabi_dashboard.live.subscription import EVERYTHING, Subscription
from miyabi_dashboard.upstream import CALL_SECONDS, Upstream, as_dict

#: Seconds that a snapshot serves those who come later; what happened meanwhile is sent behind it, so nothing is missed.
LIFETIME_SECONDS = 1.0
#: Subscriptions whose snapshots are kept.
KEPT_SNAPSHOTS = 32
#: Bytes of all that are kept: one of a batch of ten thousand issues alone has some ten million.
MOST_BYTES = 32 << 20
#: Batches that a page starts from; it asks for older ones page by page.
MOST_BATCHES = 50


@dataclass(frozen=True)
class Snapshot:
    """Where things stood when the hub's newest event was *sequence*.

    Args:
        made: When it was asked for, by the monotonic clock.
        has_coordinator: False where the coordinator could not be asked.
    """

    sequence: int
    body: bytes
    made: float
    has_coordinator: bool


@dataclass
class _Kept:
    """The newest snapshot of a subscription.

    Args:
        asking: Held while the coordinator is asked, on purpose: a hundred pages that open at once ask once.
    """

    asking: asyncio.Lock = field(default_factory=asyncio.Lock)
    newest: Snapshot | None = None


class Snapshots:
    """Makes snapshots.

    Args:
        hub: Numbers the events that follow.
        upstream: Knows the batches.
        simulated: What the page says of GitHub and the model.
        most_bytes: Of all snapshots that are kept.
    """

    def __init__(self, hub: Hub, upstream: Upstream, *, simulated: bool, most_bytes: int = MOST_BYTES) -> None:
        self._hub = hub
        self._upstream = upstream
        self._simulated = simulated
        self._most_bytes = most_bytes
        self._kept: OrderedDict[Subscription, _Kept] = OrderedDict()

    async def get(self, subscription: Subscription = EVERYTHING) -> Snapshot:
        """Return a snapshot that events behind its sequence complete."""
        kept = self._kept.setdefault(subscription, _Kept())
        self._kept.move_to_end(subscription)
        while len(self._kept) > KEPT_SNAPSHOTS:
            self._kept.popitem(last=False)
        async with kept.asking:
            newest = kept.newest
            if newest is None or not self._serves(newest):
                newest = kept.newest = await self._make(subscription)
                self._make_room()
            return newest

    @property
    def size(self) -> int:
        """Bytes of all that are kept."""
        return sum(len(kept.newest.body) for kept in self._kept.values() if kept.newest)

    def _make_room(self) -> None:
        """Forget what serves nobody any more, and the least wanted beyond the bytes that are kept."""
        left = self._most_bytes
        for kept in reversed(self._kept.values()):
            if kept.newest is None:
                continue
            if self._serves(kept.newest) and len(kept.newest.body) <= left:
                left -= len(kept.newest.body)
            else:
                kept.newest = None

    def _serves(self, snapshot: Snapshot) -> bool:
        """Tell whether a snapshot can still be completed."""
        is_young = time.monotonic() - snapshot.made < LIFETIME_SECONDS
        return is_young and self._hub.keeps(snapshot.sequence, epoch=self._hub.epoch) and snapshot.has_coordinator

    async def _make(self, subscription: Subscription) -> Snapshot:
        """Ask the coordinator."""
        sequence, made = self._hub.sequence, time.monotonic()
        message: dict[str, Any] = {
            "type": "snapshot", "sequence": sequence, "epoch": self._hub.epoch, "simulated": self._simulated,
            "coordinator": True, "batches": [],
        }  # fmt: skip
        try:
            message |= await self._told(subscription)
        except grpc.aio.AioRpcError as error:
            # A batch that is gone is none of the coordinator's troubles: the page is told of the others.
            message["coordinator"] = error.code() is grpc.StatusCode.NOT_FOUND
        return Snapshot(sequence, orjson.dumps(message), made, has_coordinator=message["coordinator"])

    async def _told(self, subscription: Subscription) -> dict[str, Any]:
        """Return what the coordinator tells: the batches, and the runs of the one that is looked at, or the newest."""
        wanted = pb.ListBatchesRequest(page_size=MOST_BATCHES, repository=subscription.repository)
        answer = await self._upstream.stub.ListBatches(wanted, timeout=CALL_SECONDS)
        for batch in answer.batches:
            self._hub.know(batch.name, batch.spec.repository)
        told: dict[str, Any] = {"batches": [as_dict(batch) for batch in answer.batches]}
        if name := subscription.batch or (answer.batches[0].name if answer.batches else ""):
            told["newest"] = await self._upstream.batch(name)
        return told
