"""The hour of one resource: what GitHub said of it, less what was reserved since."""

from __future__ import annotations

from dataclasses import dataclass, field

from miyabi_github_gateway.service.governor.model import HOUR_MS, RECENT_MINUTES, Ask, Grant, Heard, HourState, Outcome

#: Seconds by which GitHub's own number of one and the same window differs from server to server.
TOLERANCE_SECONDS = 10


@dataclass
class Hour:
    """The hour of one resource.

    Two windows are told apart by GitHub's own number, so an answer that comes late cannot revive a window that is over.
    Within a window the lower number wins, except where the request was alone from its start to its end: then GitHub's
    number is exact.
    """

    resource: str
    limit: int
    remaining: int = -1
    reset: int = 0
    window: int = 0
    ended_window: int = 0
    in_flight: int = 0
    sequence: int = 0
    heard_at: int = 0
    spent: dict[int, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.remaining = self.limit

    def roll(self, now: int) -> bool:
        """Begin anew where the hour is over."""
        if not self.reset or now < self.reset:
            return False
        self.remaining = self.limit - self.in_flight
        self.ended_window = max(self.ended_window, self.window)
        self.window = self.reset = 0
        return True

    def fits_at(self, now: int, ask: Ask, *, ahead: int, floor: int) -> int:
        """Return the earliest moment at which the request fits; *floor* is left to other replicas."""
        kept = max(floor, self.limit - ask.allowed(self.limit))
        left = self.remaining - ahead - ask.primary
        return max(now, self.reset) if left < kept and self.reset else now

    def reserve(self, now: int, points: int) -> None:
        """Take points off; the first request of an unknown window is taken to begin it."""
        self.remaining -= points
        self.in_flight += points
        self.sequence += 1
        self.reset = self.reset or now + HOUR_MS
        minute = now // 60_000
        self.spent = {key: value for key, value in self.spent.items() if key > minute - RECENT_MINUTES}
        self.spent[minute] = self.spent.get(minute, 0) + points

    def settle(self, now: int, grant: Grant, outcome: Outcome) -> None:
        """Correct what was reserved by what it took, then by what GitHub says is left."""
        cost = grant.ask.primary
        actual = 0 if not outcome.sent else cost if outcome.actual is None else outcome.actual
        self.remaining += cost - actual - outcome.extra
        if outcome.used_up and outcome.pause_ms:
            self.remaining = min(self.remaining, 0)
            self.reset = now + outcome.pause_ms
        if outcome.heard is not None and outcome.heard.resource == self.resource:
            alone = grant.alone and grant.sequence == self.sequence and self.in_flight == 0
            self.hear(now, outcome.heard, exact=alone)

    def hear(self, now: int, heard: Heard, *, exact: bool) -> None:
        """Take what GitHub says of the hour."""
        if heard.resets_at <= self.ended_window + TOLERANCE_SECONDS and self.ended_window:
            return
        if self.window and heard.resets_at < self.window - TOLERANCE_SECONDS:
            return
        self.remaining += heard.limit - self.limit
        self.limit = heard.limit
        self.heard_at = now
        reset = now + heard.resets_in_ms
        if self.window and heard.resets_at > self.window + TOLERANCE_SECONDS:
            self.remaining = self.limit - self.in_flight
            self.window, self.reset = heard.resets_at, reset
        elif not self.window:
            self.window, self.reset = heard.resets_at, reset
        else:
            self.reset = min(self.reset, reset)
        self.remaining = heard.remaining if exact else min(self.remaining, heard.remaining)

    def state(self, now: int) -> HourState:
        """Describe the hour."""
        minute = now // 60_000
        return HourState(
            self.resource,
            self.limit,
            max(0, self.remaining) if self.heard_at else None,
            self.reset - now if self.reset else None,
            now - self.heard_at if self.heard_at else None,
            sum(value for key, value in self.spent.items() if key > minute - RECENT_MINUTES),
            window=self.window,
        )
