"""Timelines of batches, each read from the log once and then only what is new."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from contextlib import aclosing
from typing import Any

from miyabi_dashboard.reads.batch_log import logged
from miyabi_dashboard.reads.spans import Timeline, rendered
from miyabi_dashboard.upstream import Upstream, as_dict

#: Timelines that are kept at once; the one that nobody asked for the longest goes.
KEPT_TIMELINES = 8


class Timelines:
    """Keeps timelines.

    Args:
        upstream: Has the logs.
    """

    def __init__(self, upstream: Upstream) -> None:
        self._upstream = upstream
        self._kept: OrderedDict[str, tuple[asyncio.Lock, Timeline]] = OrderedDict()

    async def get(self, name: str) -> dict[str, Any]:
        """Return a batch's timeline up to its newest event.

        Raises:
            grpc.aio.AioRpcError: there is no such batch, or the coordinator is out of reach.
        """
        batch = (await self._upstream.whole_batch(name)).batch
        lock, timeline = self._kept.setdefault(name, (asyncio.Lock(), Timeline()))
        self._kept.move_to_end(name)
        while len(self._kept) > KEPT_TIMELINES:
            self._kept.popitem(last=False)
        # Held while the log is read, on purpose: what is new is laid over it once.
        async with lock:
            pages = logged(self._upstream, name, after=timeline.sequence, last=batch.last_sequence)
            async with aclosing(pages):
                async for events in pages:
                    timeline.take(events)
            return rendered(timeline, batch=as_dict(batch), now=time.time())
