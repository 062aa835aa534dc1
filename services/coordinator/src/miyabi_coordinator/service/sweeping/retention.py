"""Removes batches whose time is over: a sweep on every replica, never a time-to-live on a key of the state."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from datetime import timedelta

from miyabi_coordinator.ports.keeper import Keeper
from miyabi_core.errors import MiyabiError
from miyabi_core.logging import get_logger

#: How long a batch is kept after its end, unless the operator says otherwise.
KEEP = timedelta(days=30)
#: Most batches of one sweep: each is one call, and other calls of the shard come in between.
MOST_PER_SWEEP = 50
#: Seconds between sweeps: a batch is kept for days, so a minute more is nothing.
INTERVAL_SECONDS = 60.0
#: Seconds between sweeps while there is more to remove.
BUSY_SECONDS = 1.0

_LOG = get_logger(__name__)


class Retention:
    """The retention of one shard on one replica. `run` serves until it is cancelled.

    Args:
        keeper: Of the shard.
        keep: How long a batch is kept after its end.
        clock: Returns seconds since 1970.
    """

    def __init__(self, keeper: Keeper, *, keep: timedelta, clock: Callable[[], float] = time.time) -> None:
        self._keeper = keeper
        self._keep = keep.total_seconds()
        self._clock = clock

    async def run(self) -> None:
        """Sweep until it is cancelled."""
        while True:
            pause = INTERVAL_SECONDS
            try:
                if await self.sweep() == MOST_PER_SWEEP:
                    pause = BUSY_SECONDS
            except MiyabiError as error:
                _LOG.warning("retention.store_unavailable", error=str(error))
            await asyncio.sleep(pause)

    async def sweep(self) -> int:
        """Remove batches that ended long enough ago; returns how many were looked at.

        Raises:
            UnavailableError: the store did not answer.
        """
        before = self._clock() - self._keep
        batches = await self._keeper.ended_before(before, limit=MOST_PER_SWEEP)
        for batch in batches:
            if await self._keeper.remove(batch, ended_before=before):
                _LOG.info("batch.removed", batch=f"batches/{batch}")
        return len(batches)
