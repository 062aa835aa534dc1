"""The budget of one process: the rules by which requests are let through, as a pure value on a given clock.

The shared budget (`adapters/redis_governor`) keeps the same rules in Lua; a test compares the two step by step. This
one mirrors what the process sends, so it can take over where the shared one is away, and give back what it forgot.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field

from miyabi_github_gateway.service.governor.hour import Hour
from miyabi_github_gateway.service.governor.model import (
    FIRST_BUSY_MS,
    HOUR_MS,
    MINUTE_MS,
    RESOURCES,
    Ask,
    BudgetState,
    Cost,
    Grant,
    Lane,
    Limits,
    Outcome,
    Wait,
    expected_busy,
    mean_busy,
)
from miyabi_github_gateway.service.governor.shared import Totals
from miyabi_github_gateway.service.governor.windows import Window

#: Longest pause after refusals in a row; by then a person should look.
LONGEST_PAUSE_MS = HOUR_MS


#: Patience of one that did not say: longer than any limit.
LONGEST_PATIENCE_MS = 2 * HOUR_MS


@dataclass(frozen=True)
class Timing:
    """Milliseconds that depend on the speed of the clock.

    Args:
        lease: After so long a request whose end was not told is taken to be over.
        retry: When to ask again where only the end of another request helps.
        grace: How long after its time a place in the queue is kept.
        longest: Who waits longer asks again after this: another replica may have heard better news. Its place is kept
            no longer either, so that the place of one that died holds nobody up.
    """

    lease: int = 25_000
    retry: int = 50
    grace: int = 2_000
    longest: int = 15_000

    def scaled(self, time_scale: float) -> Timing:
        """Return the same times where GitHub's clock runs faster than ours."""
        return Timing(*(int(part * time_scale) for part in (self.lease, self.retry, self.grace, self.longest)))


@dataclass
class _Ticket:
    """A place in a queue."""

    lane: Lane
    arrival: int
    expiry: int
    points: int
    primary: int


@dataclass
class LocalBudget:
    """What is left of each limit, as this process knows it.

    Args:
        limits: What this process may use; where other replicas are about, its part of it.
        part: Share of the hour that this process may use.
        id_prefix: Makes its leases different from those of others.
    """

    limits: Limits = field(default_factory=Limits)
    timing: Timing = field(default_factory=Timing)
    blocked: int = 0
    strikes: int = 0
    write_done: int = 0
    notify_done: int = 0
    write_id: str = ""
    write_until: int = 0
    part: float = 1.0
    id_prefix: str = "local"

    def __post_init__(self) -> None:
        self._floors: dict[str, int] = {}
        self.hours = {name: Hour(name, self.limits.primary) for name in RESOURCES}
        self.minutes = {name: Window(MINUTE_MS) for name in RESOURCES}
        self.busy = {name: Window(MINUTE_MS) for name in RESOURCES}
        self.means = dict.fromkeys(RESOURCES, FIRST_BUSY_MS)
        self.content_minute = Window(MINUTE_MS)
        self.content_hour = Window(HOUR_MS)
        self._leases: dict[str, tuple[int, Ask]] = {}
        self._tickets: dict[str, dict[str, _Ticket]] = {}
        self._ids = itertools.count(1)

    def acquire(self, ask: Ask, *, ticket: str, now: int, patience: int = LONGEST_PATIENCE_MS) -> Grant | Wait:
        """Let a request through, or say when to come back; the ticket keeps its place, unless that is too late."""
        self.prune(now)
        ahead = self._ahead(ask, ticket, now)
        moment, limit = max(self._moments(ask, ahead, now), key=lambda found: found[0])
        if moment > now:
            return self._keep_place(ask, ticket, Wait(moment - now, limit), now, patience)
        if ahead and ask.cost is not Cost.READ:
            gap = self.limits.notify_gap_ms if ask.cost is Cost.NOTIFY else self.limits.write_gap_ms
            return self._keep_place(ask, ticket, Wait(max(self.timing.retry, gap * len(ahead)), "turn"), now, patience)
        self.drop(ask, ticket)
        grant = Grant(ask, f"{self.id_prefix}-{next(self._ids)}", self.hours[ask.resource].in_flight == 0,
                      self.hours[ask.resource].sequence + 1, expected_busy(self.means[ask.resource]),
                      shared=False)  # fmt: skip
        self.record(grant, now)
        return grant

    def record(self, grant: Grant, now: int) -> None:
        """Count a request that is sent now, whoever let it through."""
        ask, end = grant.ask, now + self.timing.lease
        self.hours[ask.resource].reserve(now, ask.primary)
        self._leases[grant.id] = (end, ask)
        self.minutes[ask.resource].add(end, grant.id, ask.cost.points)
        self.busy[ask.resource].add(end, grant.id, grant.busy_ms)
        if ask.cost is not Cost.READ:
            self.write_id, self.write_until, self.write_done = grant.id, end, end
        if ask.cost is Cost.NOTIFY:
            self.notify_done = end
            self.content_minute.add(end, grant.id, 1)
            self.content_hour.add(end, grant.id, 1)

    def settle(self, grant: Grant, outcome: Outcome, *, now: int) -> None:
        """Take note that a request is over."""
        self.prune(now)
        ask, hour = grant.ask, self.hours[grant.ask.resource]
        if self._leases.pop(grant.id, None) is not None:
            hour.in_flight -= ask.primary
        if self.minutes[ask.resource].take(grant.id) and outcome.sent:
            self.minutes[ask.resource].add(now, grant.id, ask.cost.points)
        if self.busy[ask.resource].take(grant.id) and outcome.sent:
            self.busy[ask.resource].add(now, grant.id, outcome.took_ms)
        if outcome.sent:
            self.means[ask.resource] = mean_busy(self.means[ask.resource], outcome.took_ms)
        self.content_minute.take(grant.id)
        if self.content_hour.take(grant.id) and outcome.sent:
            for window in (self.content_minute, self.content_hour):
                window.add(now, grant.id, 1)
        if self.write_id == grant.id:
            self.write_id, self.write_until, self.write_done = "", 0, now
            self.notify_done = now if ask.cost is Cost.NOTIFY else self.notify_done
        hour.settle(now, grant, outcome)
        self._pause(outcome, now)

    def drop(self, ask: Ask, ticket: str) -> None:
        """Give a place in the queue up."""
        self._tickets.get(ask.gate, {}).pop(ticket, None)

    def prune(self, now: int) -> None:
        """Forget what no longer counts, and the leases whose replicas are gone."""
        for grant_id, (end, ask) in list(self._leases.items()):
            if end <= now:
                del self._leases[grant_id]
                self.hours[ask.resource].in_flight -= ask.primary
        for window in (*self.minutes.values(), *self.busy.values(), self.content_minute, self.content_hour):
            window.prune(now)
        for name, hour in self.hours.items():
            if hour.roll(now):
                self._floors[name] = int(hour.limit * (1 - self.part))

    def take_over(self, totals: Totals, *, now: int) -> None:
        """Prepare to decide without the others, who may do the same.

        Of the hour, and of each sliding window, this process then uses at most its part of what all had left when they
        last could ask each other: the rest is counted as if it were spent now.
        """
        self.prune(now)
        for name, hour in self.hours.items():
            self._floors[name] = int(max(0, hour.remaining) * (1 - self.part))
        known = [(window, totals.minute.get(name, 0)) for name, window in self.minutes.items()]
        known += [(window, totals.busy.get(name, 0)) for name, window in self.busy.items()]
        known += [(self.content_minute, totals.content_minute), (self.content_hour, totals.content_hour)]
        allowed = [self.limits.minute(name) for name in self.minutes]
        allowed += [self.limits.busy_ms, self.limits.busy_graphql_ms]
        allowed += [self.limits.content_minute, self.limits.content_hour]
        for (window, used_by_all), limit in zip(known, allowed, strict=True):
            room = max(0, limit - int(used_by_all * self.part))
            window.take("assumed")
            assumed = limit - window.total - room
            if assumed > 0:
                window.add(now, "assumed", assumed)

    def state(self, now: int) -> BudgetState:
        """Describe what is left."""
        self.prune(now)
        return BudgetState(
            hours=tuple(hour.state(now) for hour in self.hours.values()),
            minute_points={name: window.total for name, window in self.minutes.items()},
            busy_ms={name: window.total for name, window in self.busy.items()},
            content_minute=self.content_minute.total,
            content_hour=self.content_hour.total,
            concurrent=len(self._leases),
            blocked_ms=max(0, self.blocked - now),
        )

    def _moments(self, ask: Ask, ahead: list[_Ticket], now: int) -> list[tuple[int, str]]:
        """Return the moment at which each limit lets the request through, with the limit's name."""
        points = ask.cost.points + sum(ticket.points for ticket in ahead)
        minute = ask.allowed(self.limits.minute(ask.resource))
        primary = sum(ticket.primary for ticket in ahead)
        floor = self._floors.get(ask.resource, 0)
        found = [
            (now, ""),
            (self.blocked, "blocked"),
            (self.hours[ask.resource].fits_at(now, ask, ahead=primary, floor=floor), "hour"),
            (self.minutes[ask.resource].fits_at(now, points, limit=minute), "minute"),
        ]
        found += self._busy_moments(ask, 1 + len(ahead), now)
        cap = self.limits.concurrency
        if ask.cost is Cost.READ and ask.lane is Lane.BATCH and cap > 2:
            cap -= 1
        if len(self._leases) >= cap:
            found.append((now + self.timing.retry, "concurrent"))
        if ask.cost is not Cost.READ:
            under_way = (
                now + self.timing.retry if self.write_until > now else self.write_done + self.limits.write_gap_ms
            )
            found.append((under_way, "write-gap"))
        if ask.cost is Cost.NOTIFY and self.write_until <= now:
            found.append((self.notify_done + self.limits.notify_gap_ms, "write-gap"))
        if ask.cost is Cost.NOTIFY:
            found.append((self.content_minute.fits_at(now, 1, limit=self.limits.content_minute), "content-minute"))
            found.append((self.content_hour.fits_at(now, 1, limit=self.limits.content_hour), "content-hour"))
        return found

    def _busy_moments(self, ask: Ask, requests: int, now: int) -> list[tuple[int, str]]:
        """Return when GitHub will have been busy for us short enough, with all and with GraphQL alone."""
        expected = requests * expected_busy(self.means[ask.resource])
        core, graphql = self.busy["core"], self.busy["graphql"]
        found = [(core.fits_at(now, expected, limit=ask.allowed(self.limits.busy_ms), beside=graphql), "busy")]
        if ask.resource == "graphql":
            found.append((graphql.fits_at(now, expected, limit=ask.allowed(self.limits.busy_graphql_ms)), "busy"))
        return found

    def _ahead(self, ask: Ask, ticket: str, now: int) -> list[_Ticket]:
        """Return the places before one's own in the queue."""
        queue = self._tickets.setdefault(ask.gate, {})
        for name in [name for name, found in queue.items() if found.expiry <= now]:
            del queue[name]
        mine = (ask.lane, queue[ticket].arrival if ticket in queue else now, ticket)
        return [found for name, found in queue.items() if name != ticket and (found.lane, found.arrival, name) < mine]

    def _keep_place(self, ask: Ask, ticket: str, wait: Wait, now: int, patience: int) -> Wait:
        """Take or keep a place in the queue, or give it up."""
        queue = self._tickets[ask.gate]
        if wait.milliseconds > patience:
            queue.pop(ticket, None)
            return wait
        arrival = queue[ticket].arrival if ticket in queue else now
        expiry = now + min(wait.milliseconds, self.timing.longest) + self.timing.grace
        queue[ticket] = _Ticket(ask.lane, arrival, expiry, ask.cost.points, ask.primary)
        return wait

    def _pause(self, outcome: Outcome, now: int) -> None:
        """Stop everything for as long as GitHub asks; refusals in a row double the pause."""
        if outcome.strike and now >= self.blocked:
            self.strikes += 1
        if outcome.succeeded:
            self.strikes = 0
        if outcome.used_up or not outcome.pause_ms:
            return
        factor = 2 ** min(10, max(0, self.strikes - 1)) if outcome.strike else 1
        self.blocked = max(self.blocked, now + min(LONGEST_PAUSE_MS, outcome.pause_ms * factor))
