"""Spends GitHub's limits: every request asks here first, and every answer's headers are told here."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import Enum

from miyabi_github_gateway.errors import RateLimitedError
from miyabi_github_gateway.models import RateLimit

#: GitHub asks for a second between writes (docs.github.com, best practices for the REST API).
WRITE_PAUSE_SECONDS = 1.0
#: Writes that notify people come at most this often, so that nobody is flooded.
NOTIFY_PAUSE_SECONDS = 3.0
#: Secondary limits on content: 80 a minute and 500 an hour (docs.github.com, rate limits for the REST API).
CONTENT_WINDOWS = ((60.0, 80), (3600.0, 500))
#: Points that a minute allows: 2,000 for GraphQL, 900 for REST; a read costs 1, a write 5.
POINTS_PER_MINUTE = {"graphql": 2000, "core": 900}


class Cost(Enum):
    """What a request is to GitHub's limits."""

    READ = "read"
    WRITE = "write"  #: labels, edits: no content, nobody is notified
    NOTIFY = "notify"  #: creates content that people are told of: comments, issues, pull requests


@dataclass
class _Primary:
    """The hourly limit of one resource, as last heard."""

    limit: int = 5000
    remaining: int = 5000
    reset_at: float = 0.0


@dataclass
class Governor:
    """Lets requests through so that no limit of GitHub is passed.

    Args:
        max_concurrency: Requests at once.
        pacing_scale: Scales the pauses between writes; 1 on real GitHub.
        clock: Seconds since the epoch; tests give their own.
        sleep: Waits; tests give their own.
    """

    max_concurrency: int = 10
    pacing_scale: float = 1.0
    clock: Callable[[], float] = time.time
    sleep: Callable[[float], object] = asyncio.sleep
    _primary: dict[str, _Primary] = field(default_factory=dict)
    _blocked_until: float = 0.0
    _next_write: float = 0.0
    _points: dict[str, deque[tuple[float, int]]] = field(default_factory=dict)
    _content: deque[float] = field(default_factory=deque)
    _changed: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self._slots = asyncio.Semaphore(self.max_concurrency)
        self._writes = asyncio.Lock()

    @asynccontextmanager
    async def admitted(self, resource: str, cost: Cost, *, deadline: float) -> AsyncIterator[None]:
        """Hold a slot for one request to *resource* (`core`, `graphql`, `search`).

        Args:
            resource: GitHub's name of the limit.
            cost: What the request is.
            deadline: Time of `clock` by which the request must have started.

        Raises:
            RateLimitedError: the wait would pass the deadline.
        """
        async with self._slots:
            if cost is Cost.READ:
                await self._wait(resource, cost, deadline)
                yield
                return
            async with self._writes:
                await self._wait(resource, cost, deadline)
                try:
                    yield
                finally:
                    self._wrote(cost)

    async def _wait(self, resource: str, cost: Cost, deadline: float) -> None:
        """Wait until the request fits every limit, then count it."""
        while (pause := self.pause(resource, cost)) > 0:
            if self.clock() + pause > deadline:
                raise RateLimitedError(resource, timedelta(seconds=pause))
            await self.sleep(pause)  # type: ignore[misc]  # an injected sleep may be any awaitable
        points = 1 if cost is Cost.READ else 5
        self._points.setdefault(resource, deque()).append((self.clock(), points))
        if cost is Cost.NOTIFY:
            self._content.append(self.clock())
        primary = self._primary.get(resource)
        if primary is not None and primary.remaining > 0:
            primary.remaining -= 1

    def pause(self, resource: str, cost: Cost) -> float:
        """Return the seconds until a request would fit; 0 where it fits now."""
        now = self.clock()
        waits = [self._blocked_until - now, self._points_wait(resource, cost, now)]
        primary = self._primary.get(resource)
        if primary is not None and primary.remaining <= 0:
            waits.append(primary.reset_at - now)
        if cost is not Cost.READ:
            waits.append(self._next_write - now)
        if cost is Cost.NOTIFY:
            waits.append(self._content_wait(now))
        return max(0.0, *waits)

    def _points_wait(self, resource: str, cost: Cost, now: float) -> float:
        """Return the wait that the points of a minute ask for."""
        spent = self._points.setdefault(resource, deque())
        while spent and spent[0][0] <= now - 60:
            spent.popleft()
        allowed = POINTS_PER_MINUTE.get(resource, POINTS_PER_MINUTE["core"])
        if sum(points for _, points in spent) + (1 if cost is Cost.READ else 5) <= allowed:
            return 0.0
        return spent[0][0] + 60 - now

    def _content_wait(self, now: float) -> float:
        """Return the wait that the windows for content ask for."""
        while self._content and self._content[0] <= now - CONTENT_WINDOWS[-1][0]:
            self._content.popleft()
        wait = 0.0
        for seconds, allowed in CONTENT_WINDOWS:
            recent = [moment for moment in self._content if moment > now - seconds]
            if len(recent) >= allowed:
                wait = max(wait, recent[-allowed] + seconds - now)
        return wait

    def _wrote(self, cost: Cost) -> None:
        """Keep the pause after a write."""
        pause = NOTIFY_PAUSE_SECONDS if cost is Cost.NOTIFY else WRITE_PAUSE_SECONDS
        self._next_write = self.clock() + pause * self.pacing_scale

    def heard(self, headers: Mapping[str, str]) -> None:
        """Take the limits from an answer's headers."""
        resource = headers.get("x-ratelimit-resource")
        if not resource or not headers.get("x-ratelimit-remaining", "").isdigit():
            return
        self._primary[resource] = _Primary(
            int(headers.get("x-ratelimit-limit", "5000")),
            int(headers["x-ratelimit-remaining"]),
            float(headers.get("x-ratelimit-reset", "0")),
        )
        self._announce()

    def refused(self, resource: str, retry_after: float) -> None:
        """Stop all requests for *retry_after* seconds: GitHub said that a limit was passed."""
        self._blocked_until = max(self._blocked_until, self.clock() + retry_after)
        del resource
        self._announce()

    def _announce(self) -> None:
        """Wake those who watch the limits."""
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()

    async def changed(self) -> None:
        """Wait until a limit changes."""
        await self._changed.wait()

    def limits(self) -> list[RateLimit]:
        """Return every limit as last heard, less what was sent since."""
        now = self.clock()
        found = [
            RateLimit(
                name, entry.limit, entry.remaining, datetime.fromtimestamp(entry.reset_at, UTC), timedelta(hours=1)
            )
            for name, entry in sorted(self._primary.items())
        ]
        for seconds, allowed in CONTENT_WINDOWS:
            used = sum(moment > now - seconds for moment in self._content)
            name = f"content-{'minute' if seconds == 60 else 'hour'}"
            found.append(RateLimit(name, allowed, max(0, allowed - used), window=timedelta(seconds=seconds)))
        return found
