"""How many things one query asks for: more while GitHub is quick, half when it finds the query too much."""

from __future__ import annotations

from dataclasses import dataclass, field

from miyabi_github_gateway.models import Shape
from miyabi_github_gateway.service.caching.metrics import BATCH_SIZE

#: GitHub answers 25 issues with comments within its 10 s.
START = 25
#: `nodes` takes 100 ids, and a hundred issues with a page of comments are 10,000 of the 500,000 nodes allowed.
MOST = 100
#: A full batch that was quick lets the next ones be this much larger, where a larger size has failed before.
STEP = 3
#: Larger batches are multiples of this, so that there are few different texts, here and at GitHub.
GRAIN = 5
#: Answers are kept below this: msgspec reads 2 MB in some 10 ms, and nothing else runs meanwhile.
LARGE_BYTES = 2 << 20
#: Slower answers than this do not let batches grow: GitHub gives up at 10 s.
QUICK_SECONDS = 4.0
#: Batches grow at once to what would take this long if time grew with size: half of what counts as quick.
AIM_SECONDS = QUICK_SECONDS / 2


@dataclass(frozen=True)
class Size:
    """What is known of a shape.

    Args:
        limit: Most things that the next query may ask for.
        known_bad: A size above this was too much or slow: from here on growth is by small steps.
    """

    limit: int
    known_bad: int


@dataclass
class BatchSizes:
    """Quick growth up to what has failed, then additive increase; multiplicative decrease; remembered for each shape.

    It is TCP's slow start and congestion avoidance (RFC 5681), with the answer's time as a second sign.

    Args:
        start: Size of a shape's first batch.
        most: Largest size.
    """

    start: int = START
    most: int = MOST
    _sizes: dict[Shape, Size] = field(default_factory=dict)

    def of(self, shape: Shape) -> Size:
        """Return what is known of a shape."""
        return self._sizes.get(shape) or Size(self.start, self.most)

    def limit(self, shape: Shape) -> int:
        """Return the most things that the next query of a shape may ask for."""
        return self.of(shape).limit

    def succeeded(self, shape: Shape, *, count: int, seconds: float, size_bytes: int = 0) -> None:
        """Take note of an answer; only a batch at its limit, or as large as the first, says anything of a larger one.

        Args:
            shape: What was asked of each.
            count: Things in the query.
            seconds: That GitHub took for it, without waits of ours before.
            size_bytes: Of the answer.
        """
        size = self.of(shape)
        lean = count * LARGE_BYTES // max(1, size_bytes)
        if lean < count:
            self._set(shape, Size(max(1, min(size.limit, lean)), size.known_bad))
        elif seconds >= QUICK_SECONDS:
            limit = max(1, min(size.limit, count) * 3 // 4)
            self._set(shape, Size(limit, limit))
        elif count >= min(size.limit, self.start):
            aim = min(int(count * AIM_SECONDS / max(seconds, 0.001)), size.known_bad)
            limit = min(self.most, lean, max(aim, size.limit + STEP))
            self._set(shape, Size(max(limit, min(size.limit, lean)), size.known_bad))

    def failed(self, shape: Shape, *, count: int) -> None:
        """Take note that GitHub found *count* things too much."""
        limit = max(1, min(self.limit(shape), count) // 2)
        self._set(shape, Size(limit, limit))

    def forgive(self, shape: Shape, before: Size) -> None:
        """Take failures back: they were of single things, and not of the size that was *before*."""
        now = self.of(shape)
        self._set(shape, Size(max(now.limit, before.limit), max(now.known_bad, before.known_bad)))

    def _set(self, shape: Shape, size: Size) -> None:
        """Remember and show."""
        self._sizes[shape] = size
        BATCH_SIZE.labels(shape.code).set(size.limit)


@dataclass
class Rounds:
    """Shares what waits out over the queries that may run at once, one round of them after the other.

    So that all of a round end together, each takes an equal part of what waits when it begins, but none is smaller than
    a first batch for that: each query costs a round trip and a point.

    Args:
        at_once: Queries that run at once.
        start: Smaller parts are not made.
    """

    at_once: int
    start: int = START
    _left: int = 0

    def take(self, *, waiting: int, limit: int) -> int:
        """Return how many of those that wait the next query asks for: at least one, and at most *limit*."""
        self._left = self._left or self.at_once
        share = -(-waiting // self._left)
        self._left -= 1
        if limit <= self.start or share <= self.start:
            return min(waiting, limit, self.start)
        return min(waiting, limit - limit % GRAIN, share + -share % GRAIN)
