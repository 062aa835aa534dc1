"""Lets any number of watchers follow a batch: the log for what was, one reader a shard for what comes."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable

from miyabi_coordinator.ports.store import LoggedEvent, Store
from miyabi_core.errors import MiyabiError, UnavailableError
from miyabi_core.logging import get_logger

#: Events that wait for a watcher in memory; one that is slower reads the log.
INBOX_LIMIT = 2000
#: Events of one page of the log.
PAGE = 500
#: Seconds between attempts to reach the store.
RETRY_SECONDS = 0.5

_LOG = get_logger(__name__)


class _Watcher:
    """One stream's view of one batch."""

    def __init__(self) -> None:
        self.inbox: deque[LoggedEvent] = deque()
        self.lagging = True
        self.arrived = asyncio.Event()
        self.texts: deque[bytes] = deque(maxlen=INBOX_LIMIT)

    def offer(self, events: list[LoggedEvent]) -> None:
        """Take events, or forget all and read the log later."""
        if len(self.inbox) + len(events) > INBOX_LIMIT:
            self.inbox.clear()
            self.lagging = True
        if not self.lagging:
            self.inbox.extend(events)
        self.arrived.set()


class Listener:
    """Who follows all batches: it is woken, and reads the shards' streams itself."""

    def __init__(self) -> None:
        self.arrived = asyncio.Event()
        self.texts: deque[bytes] = deque(maxlen=INBOX_LIMIT)


class WatchHub:
    """Fans the shard's one reader out. `run` serves until it is cancelled."""

    def __init__(self, store: Store, *, on_commit: Callable[[], None]) -> None:
        self._store = store
        self._on_commit = on_commit
        self._watchers: dict[str, set[_Watcher]] = {}
        self.listeners: set[Listener] = set()

    async def run(self) -> None:
        """Read the shard's events and wake who follows; after a failure all watchers read the log."""
        while True:
            try:
                position = await self._store.last_event()
                self._all_lag()
                async for _, events in self._store.follow(position):
                    self._deliver(events)
            except MiyabiError as error:
                _LOG.warning("watch.store_unavailable", error=str(error))
                await asyncio.sleep(RETRY_SECONDS)

    async def follow(self, batch: str, *, after: int, transient: bool = False) -> AsyncIterator[list[bytes]]:
        """Yield what was committed after a sequence, then what is committed from now on, with no end."""
        watcher = _Watcher()
        self._watchers.setdefault(batch, set()).add(watcher)
        last = after
        try:
            while True:
                watcher.arrived.clear()
                while page := await self._page(batch, watcher, last=last, started=last != after):
                    last = page[-1][0]
                    yield [message for _, message in page]
                if transient and watcher.texts:
                    texts = list(watcher.texts)
                    watcher.texts.clear()
                    yield texts
                await watcher.arrived.wait()
        finally:
            followers = self._watchers[batch]
            followers.discard(watcher)
            if not followers:
                del self._watchers[batch]

    def offer_text(self, batch: str, message: bytes) -> None:
        """Send a transient event to the watchers of a batch; a slow one loses the oldest."""
        for watcher in (*self._watchers.get(batch, ()), *self.listeners):
            watcher.texts.append(message)
            watcher.arrived.set()

    async def _page(self, batch: str, watcher: _Watcher, *, last: int, started: bool) -> list[LoggedEvent]:
        """Return what the watcher has not seen; a stream that has begun waits for a store that is away.

        Raises:
            UnavailableError: the store is away, and nothing was sent yet.
        """
        while True:
            try:
                return await self._next_page(batch, watcher, last=last)
            except UnavailableError:
                watcher.lagging = True
                if not started:
                    raise
                await asyncio.sleep(RETRY_SECONDS)

    async def _next_page(self, batch: str, watcher: _Watcher, *, last: int) -> list[LoggedEvent]:
        """Return what the watcher has not seen: from the log while it lags, else from its inbox."""
        if not watcher.lagging:
            page = [entry for entry in watcher.inbox if entry[0] > last]
            watcher.inbox.clear()
            if not page or page[0][0] == last + 1:
                return page
        # What arrives while the log is read lands in the inbox as well, and is skipped by its sequence.
        watcher.lagging = False
        watcher.inbox.clear()
        page = await self._store.read_log(batch, after=last, limit=PAGE)
        if len(page) == PAGE:
            watcher.lagging = True
        return page or [entry for entry in watcher.inbox if entry[0] == last + 1]

    def _deliver(self, events: list[tuple[str, int, bytes]]) -> None:
        """Sort events by batch and offer them."""
        by_batch: dict[str, list[LoggedEvent]] = {}
        for batch, sequence, message in events:
            if batch in self._watchers:
                by_batch.setdefault(batch, []).append((sequence, message))
        for batch, entries in by_batch.items():
            for watcher in self._watchers[batch]:
                watcher.offer(entries)
        self._wake_listeners()
        self._on_commit()

    def _wake_listeners(self) -> None:
        """Let those who follow all batches read."""
        for listener in self.listeners:
            listener.arrived.set()

    def _all_lag(self) -> None:
        """Make every watcher read the log."""
        for watchers in self._watchers.values():
            for watcher in watchers:
                watcher.lagging = True
                watcher.arrived.set()
        self._wake_listeners()
        self._on_commit()
