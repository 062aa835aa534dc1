"""What is asked of a budget and what it answers; times are whole milliseconds of GitHub's clock."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, IntEnum

#: Milliseconds of the windows that GitHub counts in.
MINUTE_MS, HOUR_MS = 60_000, 3_600_000
#: GitHub asks for a second between writes, and for more where people are notified (best practices for the REST API).
WRITE_GAP_MS, NOTIFY_GAP_MS = 1000, 3000


class Cost(Enum):
    """What a request is to GitHub's limits."""

    READ = "read"
    WRITE = "write"  #: labels, edits: no content, nobody is notified
    NOTIFY = "notify"  #: creates content that people are told of: comments, issues, pull requests

    @property
    def points(self) -> int:
        """Points that the request takes off the minute (docs.github.com, rate limits for the REST API)."""
        return 1 if self is Cost.READ else 5


class Lane(IntEnum):
    """How urgent a read is; the lower goes first. Callers state it in the metadata `miyabi-lane`."""

    INTERACTIVE = 0  #: someone waits for it
    BATCH = 1  #: part of a long list; takes what the others leave


#: Share of each window in thousandths that reads leave to what is more urgent: batch reads to interactive ones, and
#: these to writes, whose work would be lost.
KEPT_PER_MILLE = {Lane.BATCH: 100, Lane.INTERACTIVE: 20}


@dataclass(frozen=True)
class Limits:
    """GitHub's published limits of one credential, and how much of them is used.

    Source: docs.github.com, "Rate limits for the REST API", "Rate limits and query limits for the GraphQL API", "Best
    practices for using the REST API".
    """

    primary: int = 5000  #: points an hour of each resource, until GitHub says another number
    minute_graphql: int = 2000  #: points a minute
    minute_rest: int = 900  #: points a minute
    busy_ms: int = 90_000  #: time of GitHub's processors in a minute, as far as its answers' times tell
    busy_graphql_ms: int = 60_000  #: of it for GraphQL
    concurrency: int = 10  #: requests at once over all replicas; GitHub allows 100
    content_minute: int = 80
    content_hour: int = 500
    write_gap_ms: int = WRITE_GAP_MS  #: from the end of a write to the next
    notify_gap_ms: int = NOTIFY_GAP_MS  #: from the end of a write that notifies to the next that does

    def minute(self, resource: str) -> int:
        """Return the points that a minute of a resource allows."""
        return self.minute_graphql if resource == "graphql" else self.minute_rest

    def share(self, part: float) -> Limits:
        """Return the limits of a replica that may use a part of them and cannot ask the others; each is at least 1."""
        return Limits(
            primary=max(1, int(self.primary * part)),
            minute_graphql=max(5, int(self.minute_graphql * part)),
            minute_rest=max(5, int(self.minute_rest * part)),
            busy_ms=max(1, int(self.busy_ms * part)),
            busy_graphql_ms=max(1, int(self.busy_graphql_ms * part)),
            concurrency=max(1, int(self.concurrency * part)),
            content_minute=max(1, int(self.content_minute * part)),
            content_hour=max(1, int(self.content_hour * part)),
            write_gap_ms=int(self.write_gap_ms / part),
            notify_gap_ms=int(self.notify_gap_ms / part),
        )


@dataclass(frozen=True)
class Ask:
    """A request that wants to be sent.

    Args:
        resource: `core` or `graphql`.
        cost: What it is.
        lane: How urgent; means nothing for writes.
        primary: Points that it takes off the hour, estimated.
    """

    resource: str
    cost: Cost = Cost.READ
    lane: Lane = Lane.INTERACTIVE
    primary: int = 1

    @property
    def gate(self) -> str:
        """Name of the queue that it waits in."""
        return f"{self.resource}-reads" if self.cost is Cost.READ else f"{self.cost.value}s"

    def allowed(self, limit: int) -> int:
        """Return what of a limit it may use."""
        if self.cost is not Cost.READ:
            return limit
        return limit - limit * KEPT_PER_MILLE[self.lane] // 1000


@dataclass(frozen=True)
class Grant:
    """Leave to send one request.

    Args:
        id: Of the lease; ends by itself when its replica does.
        alone: Nothing else was under way: what GitHub then says of the hour is exact.
        sequence: Counts the grants of the resource.
        busy_ms: Set aside of the time that GitHub may be busy for us.
    """

    ask: Ask
    id: str
    alone: bool
    sequence: int
    busy_ms: int
    shared: bool = True


@dataclass(frozen=True)
class Wait:
    """Not yet: come back after `milliseconds`; the place in the queue is kept till then."""

    milliseconds: int
    limit: str  #: which limit it is: `blocked`, `hour`, `minute`, `concurrent`, `content-minute`, `write-gap`, `turn` …


@dataclass(frozen=True)
class Heard:
    """What an answer's headers say of the hour.

    Args:
        resets_at: GitHub's own number, seconds since 1970: it names the window.
        resets_in_ms: From now, reckoned with GitHub's own clock.
    """

    resource: str
    limit: int
    remaining: int
    resets_at: int
    resets_in_ms: int


@dataclass
class Outcome:
    """How a request ended; the sender fills it in.

    Args:
        sent: False where nothing can have reached GitHub: it is given back whole.
        actual: Points that it took off the hour, where GitHub said so.
        extra: Points that it took besides, for example because it ran into GitHub's own time limit.
        took_ms: From the request to the end of the answer, on our clock; the governor fills it in.
        pause_ms: GitHub asks that nothing is sent for so long.
        used_up: The hour of this resource is used up, until the pause is over; other resources may go on.
        strike: GitHub refused without saying for how long: each in a row doubles the pause.
    """

    sent: bool = True
    actual: int | None = None
    extra: int = 0
    took_ms: int = 0
    heard: Heard | None = None
    pause_ms: int = 0
    used_up: bool = False
    strike: bool = False
    succeeded: bool = False


@dataclass(frozen=True)
class HourState:
    """The hour of a resource, as last heard, less what was reserved since; `remaining` is None before that."""

    resource: str
    limit: int
    remaining: int | None
    resets_in_ms: int | None
    heard_ago_ms: int | None
    spent_recently: int  #: points in the last `RECENT_MINUTES`
    window: int = 0  #: GitHub's own number of the window, where this process heard it


@dataclass(frozen=True)
class BudgetState:
    """What is left of everything."""

    hours: tuple[HourState, ...]
    minute_points: dict[str, int]  #: used, by resource
    busy_ms: dict[str, int]  #: used in the minute, by resource
    content_minute: int
    content_hour: int
    concurrent: int
    blocked_ms: int


#: Longest time of an answer that counts: GitHub gives up after ten seconds, the rest is the way.
LONGEST_BUSY_MS = 10_000
#: What an answer takes before one has come: GitHub's usual one is faster.
FIRST_BUSY_MS = 500


def mean_busy(mean_ms: int, took_ms: int) -> int:
    """Return the mean time of the last answers, about four of them, after one more."""
    return (3 * mean_ms + min(LONGEST_BUSY_MS, took_ms)) // 4


def expected_busy(mean_ms: int) -> int:
    """Return what is set aside for an answer: twice the mean, so that most take less."""
    return min(LONGEST_BUSY_MS, 2 * mean_ms)


#: Minutes over which the pace of spending is measured for the forecast.
RECENT_MINUTES = 5

#: Resources that have an hour of their own and are asked by this service.
RESOURCES: tuple[str, ...] = ("core", "graphql")
