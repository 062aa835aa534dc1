"""Lets any number of watchers follow a batch: one blocked read a shard, one read of a log for all who follow it."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence

from miyabi_coordinator.ports.store import PAGE, Chunk, Growth, Store
from miyabi_coordinator.translate.frames import frame
from miyabi_core.errors import MiyabiError, UnavailableError
from miyabi_core.logging import get_logger

#: Bytes of events that wait for a watcher in memory; one that is slower reads the log by itself.
INBOX_BYTES = 1 << 20
#: Pieces of streamed text that wait for a watcher; a slower one loses the oldest.
TEXTS = 2000
#: Seconds between two answers about what other replicas committed: nobody sees the difference, and each answer costs.
LISTEN_PAUSE_SECONDS = 0.004
#: Seconds between attempts to reach the store.
RETRY_SECONDS = 0.5

_LOG = get_logger(__name__)


class _Watcher:
    """One stream's view of one batch: what waits to be sent, or that it has to read the log itself."""

    def __init__(self, after: int) -> None:
        self.last = after
        self.inbox: deque[Chunk] = deque()
        self.waiting = 0
        self.lagging = True
        self.arrived = asyncio.Event()
        self.texts: deque[bytes] = deque(maxlen=TEXTS)

    def offer(self, chunk: Chunk) -> None:
        """Take a chunk, or forget all that waits and read the log later."""
        if not self.lagging:
            self.inbox.append(chunk)
            self.waiting += len(chunk.frames)
            if self.waiting > INBOX_BYTES:
                self.lag()
        self.arrived.set()

    def lag(self) -> None:
        """Read the log from where the stream is."""
        self.inbox.clear()
        self.waiting = 0
        self.lagging = True
        self.arrived.set()

    def take(self) -> list[Chunk]:
        """Return what waits, in order and without a gap behind what was sent."""
        chunks: list[Chunk] = []
        while self.inbox:
            chunk = self.inbox.popleft()
            if chunk.last <= self.last:
                continue
            if chunk.first > self.last + 1:
                self.lag()
                break
            chunks.append(chunk.behind(self.last))
            self.last = chunk.last
        self.waiting = 0
        return chunks


class _Feed:
    """A batch that is followed: who does, how far its log is known to go, how far it was read for them."""

    def __init__(self) -> None:
        self.watchers: set[_Watcher] = set()
        self.read = -1  #: the log was handed to everyone who does not lag up to here; -1: not yet read
        self.grown = False  #: it grew while nobody had read it


class Listener:
    """Who follows all batches: it is woken, and reads the shards' streams itself.

    Args:
        texts: Tell it text that models are writing, too.
    """

    def __init__(self, *, texts: bool = True) -> None:
        self.wants_texts = texts
        self.arrived = asyncio.Event()
        self.texts: deque[tuple[str, bytes]] = deque(maxlen=TEXTS)


class WatchHub:
    """Fans the shard's one reader out. `listen` and `fetch` serve until they are cancelled."""

    def __init__(self, store: Store, *, on_ready: Callable[[], None]) -> None:
        self._store = store
        self._on_ready = on_ready
        self._feeds: dict[str, _Feed] = {}
        self._grown: set[str] = set()
        self._growth = asyncio.Event()
        self.listeners: set[Listener] = set()

    async def listen(self) -> None:
        """Hear of what any replica commits; after a failure all watchers read the log."""
        while True:
            try:
                position = await self._store.last_position()
                self._all_lag()
                async for growths in self._store.follow(position):
                    self._heard(growths)
                    # What this replica commits it shows at once; what others do comes in fewer, larger answers.
                    await asyncio.sleep(LISTEN_PAUSE_SECONDS)
            except MiyabiError as error:
                _LOG.warning("watch.store_unavailable", reason=error.reason)
                await asyncio.sleep(RETRY_SECONDS)

    async def fetch(self) -> None:
        """Read the logs that grew, one round trip for all of them, and the next when it is answered."""
        while True:
            await self._growth.wait()
            self._growth.clear()
            grown, self._grown = self._grown, set()
            after = {batch: feed.read for batch in grown if (feed := self._feeds.get(batch)) and feed.read >= 0}
            try:
                pages = await self._store.read_logs(after) if after else {}
            except MiyabiError as error:
                _LOG.warning("watch.store_unavailable", reason=error.reason)
                self._all_lag()
                continue
            for batch, chunks in pages.items():
                self._deliver(batch, chunks)

    def grew(self, batch: str) -> None:
        """Read a batch's log soon: this replica committed something, and need not wait to hear of it."""
        feed = self._feeds.get(batch)
        if feed is not None and feed.read < 0:
            feed.grown = True
        elif feed is not None:
            self._grown.add(batch)
            self._growth.set()

    async def follow(self, batch: str, *, after: int, transient: bool = False) -> AsyncIterator[list[Chunk]]:
        """Yield what was committed after a sequence, then what is committed from now on, with no end.

        Streamed texts come as chunks whose `last` is 0.
        """
        watcher = _Watcher(after)
        feed = self._feeds.setdefault(batch, _Feed())
        feed.watchers.add(watcher)
        try:
            while True:
                watcher.arrived.clear()
                while chunks := await self._page(batch, feed, watcher, started=watcher.last != after):
                    yield chunks
                if transient and watcher.texts:
                    texts = b"".join(map(frame, watcher.texts))
                    watcher.texts.clear()
                    yield [Chunk(batch, 0, 0, texts)]
                await watcher.arrived.wait()
        finally:
            feed.watchers.discard(watcher)
            if not feed.watchers and self._feeds.get(batch) is feed:
                del self._feeds[batch]

    def offer_text(self, batch: str, message: bytes) -> None:
        """Send a transient event to the watchers of a batch; a slow one loses the oldest."""
        feed = self._feeds.get(batch)
        for watcher in feed.watchers if feed else ():
            watcher.texts.append(message)
            watcher.arrived.set()
        for listener in self.listeners:
            if listener.wants_texts:
                listener.texts.append((batch, message))
                listener.arrived.set()

    async def _page(self, batch: str, feed: _Feed, watcher: _Watcher, *, started: bool) -> list[Chunk]:
        """Return what the watcher has not seen; a stream that has begun waits for a store that is away.

        Raises:
            UnavailableError: the store is away, and nothing was sent yet.
        """
        while True:
            try:
                return await self._next(batch, feed, watcher)
            except UnavailableError:
                watcher.lagging = True
                if not started:
                    raise
                await asyncio.sleep(RETRY_SECONDS)

    async def _next(self, batch: str, feed: _Feed, watcher: _Watcher) -> list[Chunk]:
        """Return what the watcher has not seen: from its inbox, or from the log while it lags."""
        if not watcher.lagging:
            return watcher.take()
        # What is delivered while the log is read lands in the inbox as well, and is left out by its sequence.
        watcher.lagging = False
        chunks = await self._store.read_log(batch, after=watcher.last)
        if chunks:
            watcher.last = chunks[-1].last
        if len(chunks) >= PAGE:
            watcher.lag()
        elif feed.read < 0:
            feed.read = watcher.last
            if feed.grown:
                feed.grown = False
                self.grew(batch)
        return chunks or watcher.take()

    def _heard(self, growths: Sequence[Growth]) -> None:
        """Note which followed logs grew, and wake who waits for work or follows everything."""
        for growth in growths:
            feed = self._feeds.get(growth.batch)
            if feed is not None and growth.last > feed.read:
                self.grew(growth.batch)
        if any(growth.ready for growth in growths):
            self._on_ready()
        for listener in self.listeners:
            listener.arrived.set()

    def _deliver(self, batch: str, chunks: Sequence[Chunk]) -> None:
        """Hand a page of a log to those who follow it; behind a page there may be another."""
        feed = self._feeds.get(batch)
        if feed is None or not chunks:
            return
        for chunk in chunks:
            feed.read = max(feed.read, chunk.last)
            for watcher in feed.watchers:
                watcher.offer(chunk)
        if len(chunks) >= PAGE:
            self.grew(batch)

    def _all_lag(self) -> None:
        """Make everyone read the logs."""
        for feed in self._feeds.values():
            feed.read = -1
            for watcher in feed.watchers:
                watcher.lag()
        for listener in self.listeners:
            listener.arrived.set()
        self._on_ready()
