"""How many things one query asks for: more while GitHub is quick, half when it finds the query too much."""

from __future__ import annotations

from dataclasses import dataclass, field

from miyabi_github_gateway.models import Shape
from miyabi_github_gateway.service.cache_metrics import BATCH_SIZE

#: GitHub answers 25 issues with comments within its 10 s.
START = 25
#: `nodes` takes 100 ids, and a hundred issues with a page of comments are 10,000 of the 500,000 nodes allowed.
MOST = 100
#: A full batch that was quick lets the next ones be this much larger; ten at once double it.
STEP = 3
#: Larger batches are multiples of this, so that there are few different texts, here and at GitHub.
GRAIN = 25
#: Answers are kept below this: msgspec reads 2 MB in some 10 ms, and nothing else runs meanwhile.
LARGE_BYTES = 2 << 20
#: Slower answers than this do not let batches grow: GitHub gives up at 10 s.
QUICK_SECONDS = 4.0


@dataclass
class BatchSizes:
    """Additive increase, multiplicative decrease, remembered for each shape.

    Args:
        start: Size of a shape's first batch.
        most: Largest size.
    """

    start: int = START
    most: int = MOST
    _limits: dict[Shape, int] = field(default_factory=dict)

    def limit(self, shape: Shape) -> int:
        """Return the most things that the next query of a shape may ask for."""
        return self._limits.get(shape, self.start)

    def chunk(self, shape: Shape, *, waiting: int, share: int) -> int:
        """Return how many of those that wait the next query asks for.

        No query takes more than its share of the work, so that all that may run at once do; but none is smaller for
        that than the start: each query costs a round trip and a point.
        """
        size = min(waiting, self.limit(shape), max(self.start, share))
        return size if size <= self.start else size - size % GRAIN

    def succeeded(self, shape: Shape, *, count: int, seconds: float, size_bytes: int = 0) -> None:
        """Take note of an answer; only a batch at its limit says anything about a larger one."""
        if size_bytes > LARGE_BYTES:
            self._set(shape, max(1, min(self.limit(shape), count * LARGE_BYTES // size_bytes)))
        elif seconds < QUICK_SECONDS and count >= min(self.limit(shape), self.start):
            self._set(shape, min(self.most, self.limit(shape) + STEP))
        elif seconds >= QUICK_SECONDS:
            self._set(shape, max(1, min(self.limit(shape), count) * 3 // 4))

    def failed(self, shape: Shape, *, count: int) -> None:
        """Take note that GitHub found *count* things too much."""
        self._set(shape, max(1, min(self.limit(shape), count) // 2))

    def _set(self, shape: Shape, limit: int) -> None:
        """Remember and show."""
        self._limits[shape] = limit
        BATCH_SIZE.labels(shape.code).set(limit)
