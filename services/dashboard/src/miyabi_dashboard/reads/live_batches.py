"""Batches that somebody looks at, kept as the newest event left them: asked for once, whoever comes then."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import timedelta

from miyabi.coordinator.v1.event_pb2 import BatchEvent
from miyabi_dashboard.reads.batch_view import BatchView
from miyabi_dashboard.upstream import Upstream

#: Batches that are kept at once; one of 10,000 issues takes some 40 MB (measured).
KEPT_BATCHES = 4


@dataclass
class _Kept:
    """A batch that is kept, or being asked for.

    Args:
        lock: Held while the coordinator is asked, on purpose: a hundred pages that ask at once cause one question.
        waiting: Events that came while it was asked for.
    """

    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    view: BatchView | None = None
    made: float = 0.0
    waiting: list[BatchEvent] | None = None


class LiveBatches:
    """Keeps batches.

    Args:
        upstream: Knows them.
        lifetime: So long one is kept without being asked for anew, though no event is missing.
    """

    def __init__(self, upstream: Upstream, *, lifetime: timedelta) -> None:
        self._upstream = upstream
        self._lifetime = lifetime.total_seconds()
        self._kept: OrderedDict[str, _Kept] = OrderedDict()
        self._newest = ""
        self._looking = asyncio.Lock()
        #: How often the coordinator was asked for a batch.
        self.rebuilds = 0

    def take(self, events: Iterable[BatchEvent]) -> None:
        """Lay events of the coordinator over what is kept."""
        for event in events:
            if event.WhichOneof("payload") == "batch_accepted" and self._newest:
                # Names hold ULIDs, which grow with time.
                self._newest = max(self._newest, event.batch)
            kept = self._kept.get(event.batch)
            if kept is None:
                continue
            if kept.waiting is not None:
                kept.waiting.append(event)
            elif kept.view is not None:
                kept.view.take(event)

    def forget(self) -> None:
        """Trust nothing any more: events may have passed by."""
        self._newest = ""
        for kept in self._kept.values():
            kept.view = None

    async def newest(self) -> str:
        """Return the newest batch's name; empty where there is none.

        Raises:
            grpc.aio.AioRpcError: the coordinator is out of reach.
        """
        async with self._looking:
            if self._newest and self._upstream.connected:
                return self._newest
            newest = await self._upstream.batches(limit=1)
            self._newest = newest[0]["name"] if newest else ""
            return self._newest

    async def get(self, name: str) -> BatchView:
        """Return a batch as the newest event left it.

        Raises:
            grpc.aio.AioRpcError: there is none, or the coordinator is out of reach.
        """
        kept = self._kept.setdefault(name, _Kept())
        self._kept.move_to_end(name)
        async with kept.lock:
            view = kept.view
            if view is None or not self._serves(view, kept.made):
                view = await self._ask(name, kept)
            self._make_room()
        return view

    def _serves(self, view: BatchView, made: float) -> bool:
        """Tell whether what is kept is all that is known."""
        return self._upstream.connected and not view.has_gap and time.monotonic() - made < self._lifetime

    async def _ask(self, name: str, kept: _Kept) -> BatchView:
        """Ask the coordinator, and lay what happens meanwhile over its answer."""
        self.rebuilds += 1
        kept.view, kept.waiting, kept.made = None, [], time.monotonic()
        try:
            answer = await self._upstream.whole_batch(name)
            # Reading ten thousand runs takes a while.
            view = await asyncio.to_thread(BatchView, answer)
            for event in kept.waiting:
                view.take(event)
            kept.view = view
        finally:
            kept.waiting = None
            if kept.view is None:
                self._kept.pop(name, None)
        return view

    def _make_room(self) -> None:
        """Drop what nobody asked for the longest."""
        while len(self._kept) > KEPT_BATCHES:
            self._kept.popitem(last=False)
