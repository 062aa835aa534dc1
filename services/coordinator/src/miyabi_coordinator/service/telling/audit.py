"""Writes the audit beside the calls: soon, in few writes, and never at their cost."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable
from datetime import timedelta

from miyabi_coordinator.models.audit import AuditEntry
from miyabi_coordinator.ports.audit import AuditTrail
from miyabi_core.errors import MiyabiError
from miyabi_core.logging import get_logger

#: Entries that wait while the store is away; more are in the log of the process only.
CAPACITY = 10_000
#: Entries of one write.
LARGEST_WRITE = 200
#: A call waits this long for its entry, so that its caller finds it in the audit at once.
PATIENCE = timedelta(milliseconds=500)
#: Pause before a failed write is tried again; each try waits for the store by itself.
RETRY_PAUSE = timedelta(seconds=1)
#: Entries a minute of callers that nobody knows: they must not be able to push everyone else's out.
UNKNOWN_A_MINUTE = 60

_LOG = get_logger(__name__)
_Waiting = tuple[AuditEntry, "asyncio.Future[None]"]


def _minute() -> int:
    """Return the number of the minute that runs."""
    return int(time.monotonic() // 60)


class AuditLog:
    """The audit of one replica; `run` has to be running.

    Args:
        trail: Where entries go.
        capacity: Entries that may wait.
        minute: Tells one minute from the next.
    """

    def __init__(self, trail: AuditTrail, *, capacity: int = CAPACITY, minute: Callable[[], int] = _minute) -> None:
        self._clock = minute
        self._trail = trail
        self._capacity = capacity
        self._waiting: deque[_Waiting] = deque()
        self._filled = asyncio.Event()
        self._empty = asyncio.Event()
        self._empty.set()
        self._minute, self._unknown = 0, 0

    def put(self, entry: AuditEntry) -> asyncio.Future[None]:
        """Take an entry to be written; the future is done when it is, or when it never will be."""
        done = asyncio.get_running_loop().create_future()
        if len(self._waiting) >= self._capacity or self._is_too_much(entry):
            _LOG.warning("audit.dropped", method=entry.method, resource=entry.resource, code=entry.code)
            done.set_result(None)
            return done
        self._waiting.append((entry, done))
        self._empty.clear()
        self._filled.set()
        return done

    async def write(self, entry: AuditEntry) -> None:
        """Take an entry and wait until it is written, but not long: the call's own outcome does not depend on it."""
        await asyncio.wait({self.put(entry)}, timeout=PATIENCE.total_seconds())

    async def run(self) -> None:
        """Write what waits until cancelled; while the store is away it stays, and is tried again."""
        while True:
            await self._filled.wait()
            if not await self._write_some():
                await asyncio.sleep(RETRY_PAUSE.total_seconds())

    async def flush(self) -> None:
        """Wait until nothing waits, but not long; what is left then is named in the log."""
        try:
            async with asyncio.timeout(PATIENCE.total_seconds()):
                await self._empty.wait()
        except TimeoutError:
            _LOG.error("audit.lost", entries=len(self._waiting))

    async def _write_some(self) -> bool:
        """Write the oldest entries; returns whether that worked."""
        chosen = [self._waiting[index] for index in range(min(LARGEST_WRITE, len(self._waiting)))]
        try:
            await self._trail.append([entry for entry, _ in chosen])
        except MiyabiError as error:
            _LOG.error("audit.delayed", reason=error.reason, entries=len(self._waiting))
            return False
        for _, done in chosen:
            self._waiting.popleft()
            if not done.done():
                done.set_result(None)
        if not self._waiting:
            self._filled.clear()
            self._empty.set()
        return True

    def _is_too_much(self, entry: AuditEntry) -> bool:
        """Tell whether unknown callers have had their share of this minute."""
        if entry.actor:
            return False
        minute = self._clock()
        if minute != self._minute:
            self._minute, self._unknown = minute, 0
        self._unknown += 1
        return self._unknown > UNKNOWN_A_MINUTE
