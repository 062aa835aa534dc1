"""GitHub's published rate limits: what each request costs, what is left, and how a refusal looks."""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

from miyabi_sim.github.errors import GitHubError
from miyabi_sim.github.strictness.dials import Dials

#: Where GitHub explains its limits.
LIMITS_URL = "https://docs.github.com/rest/using-the-rest-api/rate-limits-for-the-rest-api"

#: What GitHub says when requests come too fast.
SECONDARY_MESSAGE = (
    "You have exceeded a secondary rate limit. Please wait a few minutes before you try again. "
    "If you reach out to GitHub Support for help, please include the request ID."
)

#: What GitHub says when the hour is used up.
PRIMARY_MESSAGE = "API rate limit exceeded for user ID 1."

#: Seconds that a refused caller is told to wait where nothing better is known.
DEFAULT_WAIT = 60

HOUR = 3600.0
MINUTE = 60.0


@dataclass(slots=True)
class PrimaryWindow:
    """An hour of one resource; it starts with the first request after the last one ended."""

    resource: str
    used: int = 0
    reset: float = 0.0

    def roll(self, now: float) -> None:
        """Start a new hour where the old one is over."""
        if now >= self.reset:
            self.used = 0
            self.reset = now + HOUR

    def headers(self, limit: int) -> dict[str, str]:
        """Return the five headers that GitHub sends with every answer."""
        return {
            "x-ratelimit-limit": str(limit),
            "x-ratelimit-remaining": str(max(0, limit - self.used)),
            "x-ratelimit-used": str(self.used),
            "x-ratelimit-reset": str(math.ceil(self.reset)),
            "x-ratelimit-resource": self.resource,
        }

    def as_json(self, limit: int) -> dict[str, int | str]:
        """Return the window as `/rate_limit` shows it."""
        return {
            "limit": limit,
            "used": self.used,
            "remaining": max(0, limit - self.used),
            "reset": math.ceil(self.reset),
            "resource": self.resource,
        }


@dataclass(slots=True)
class SlidingWindow:
    """Points spent in the last `length` seconds."""

    length: float
    spent: deque[tuple[float, float]] = field(default_factory=deque)

    def total(self, now: float) -> float:
        """Return the points that still count."""
        while self.spent and self.spent[0][0] <= now - self.length:
            self.spent.popleft()
        return sum(points for _, points in self.spent)

    def wait(self, now: float) -> int:
        """Return the whole seconds until the oldest points stop counting, at least one."""
        if not self.spent:
            return 1
        return max(1, math.ceil(self.spent[0][0] + self.length - now))

    def add(self, now: float, points: float) -> None:
        """Spend points."""
        self.spent.append((now, points))


class RateLimiter:
    """Counts always; refuses only where the dial `enforce_limits` is on."""

    def __init__(self, dials: Dials, clock: Callable[[], float]) -> None:
        self._dials = dials
        self._clock = clock
        self._active = 0
        self.reset()

    def reset(self) -> None:
        """Forget everything that was spent."""
        now = self._clock()
        self.windows = {name: PrimaryWindow(name, reset=now + HOUR) for name in ("core", "graphql")}
        #: An App's own requests, with its JWT, are counted apart: no token pays for them, and no hour is published.
        self._minutes = {name: SlidingWindow(MINUTE) for name in ("core", "graphql", "app")}
        self._busy = {name: SlidingWindow(MINUTE) for name in ("core", "graphql")}
        self._content = (SlidingWindow(MINUTE), SlidingWindow(HOUR))
        self._last_write = self._last_content = -HOUR
        self.refusals: list[str] = []

    def limit(self, resource: str) -> int:
        """Return the hourly limit of `core` or `graphql`."""
        numbers = self._dials.limits
        return numbers.rest_per_hour if resource == "core" else numbers.graphql_points_per_hour

    def window(self, resource: str) -> PrimaryWindow:
        """Return the current hour of a resource."""
        window = self.windows[resource]
        window.roll(self._clock())
        return window

    def headers(self, resource: str) -> dict[str, str]:
        """Return the rate limit headers of a resource."""
        return self.window(resource).headers(self.limit(resource))

    def exhausted(self, resource: str, cost: int = 1) -> bool:
        """Return whether the hour has less left than a request costs."""
        if not self._dials.enforce_limits:
            return False
        return self.window(resource).used + cost > self.limit(resource)

    @contextmanager
    def concurrent(self) -> Iterator[None]:
        """Hold one of the concurrent requests that REST and GraphQL share.

        Raises:
            GitHubError: 403 if too many requests are under way.
        """
        if self._dials.enforce_limits and self._active >= self._dials.limits.concurrent_requests:
            raise self._secondary(DEFAULT_WAIT, "concurrent")
        self._active += 1
        try:
            yield
        finally:
            self._active -= 1

    @contextmanager
    def busy(self, resource: str) -> Iterator[None]:
        """Count the time of an answer as time that GitHub's processors work for the caller.

        It is real time, however fast the clock runs: work is not done faster by a clock.

        Raises:
            GitHubError: 403 if they have worked too long for the caller in the last minute.
        """
        now, numbers = self._clock(), self._dials.limits
        everything, graphql = sum(window.total(now) for window in self._busy.values()), self._busy["graphql"].total(now)
        over = everything >= numbers.busy_seconds_per_minute
        over = over or (resource == "graphql" and graphql >= numbers.graphql_busy_seconds_per_minute)
        if over and self._dials.enforce_limits:
            raise self._secondary(DEFAULT_WAIT, f"{resource} busy {everything:.0f} s, with GraphQL {graphql:.0f} s")
        began = time.monotonic()
        try:
            yield
        finally:
            self._busy[resource].add(self._clock(), time.monotonic() - began)

    def spend(self, resource: str, cost: int) -> None:
        """Take a request off the hour."""
        self.window(resource).used += cost

    def points(self, resource: str) -> int:
        """Return what the last minute has taken of `core`, `graphql` or `app`, an App's own requests."""
        return int(self._minutes[resource].total(self._clock()))

    def refund(self, resource: str, cost: int) -> None:
        """Put a request back: an answer 304 costs nothing."""
        window = self.window(resource)
        window.used = max(0, window.used - cost)

    def pace(self, resource: str, points: int, *, content: bool, writes: bool = False) -> None:
        """Take a request off the minute, and off the content limits where it creates content.

        Raises:
            GitHubError: 403 if the minute or the content limits have nothing left, or writes come too close together.
        """
        now = self._clock()
        numbers = self._dials.limits
        is_graphql = resource == "graphql"
        per_minute = numbers.graphql_points_per_minute if is_graphql else numbers.rest_points_per_minute
        checks = [(self._minutes[resource], points, per_minute)]
        if content:
            allowed = (numbers.content_per_minute, numbers.content_per_hour)
            checks += [(window, 1, limit) for window, limit in zip(self._content, allowed, strict=True)]
        if self._dials.enforce_limits:
            for window, cost, limit in checks:
                if window.total(now) + cost > limit:
                    raise self._secondary(window.wait(now), f"{resource} {limit} in {window.length:.0f} s")
            if writes:
                self._check_gaps(now, content=content)
        for window, cost, _ in checks:
            window.add(now, cost)
        if writes:
            self._last_write = now
            self._last_content = now if content else self._last_content

    def _check_gaps(self, now: float, *, content: bool) -> None:
        """Refuse writes that come too close together."""
        numbers = self._dials.limits
        gaps = [(self._last_write, numbers.write_gap)]
        gaps += [(self._last_content, numbers.notify_gap)] if content else []
        for last, gap in gaps:
            if now - last < gap:
                raise self._secondary(
                    max(1, math.ceil(last + gap - now)), f"writes {now - last:.3f} s apart, not {gap}"
                )

    def refuse_primary(self, resource: str) -> GitHubError:
        """Return the refusal of a REST request whose hour is used up."""
        self.refusals.append(f"{resource} hour")
        return GitHubError(403, PRIMARY_MESSAGE, headers=self.headers(resource), documentation_url=LIMITS_URL)

    def _secondary(self, wait: int, what: str) -> GitHubError:
        """Note a refusal and return it."""
        self.refusals.append(what)
        return secondary_limit({"retry-after": str(wait)})


def secondary_limit(headers: Mapping[str, str]) -> GitHubError:
    """Return GitHub's refusal for a secondary limit."""
    return GitHubError(
        403,
        SECONDARY_MESSAGE,
        headers=headers,
        documentation_url=f"{LIMITS_URL}#about-secondary-rate-limits",
    )
