"""What was spent in the last minute or hour, entry by entry, so that no window of that length is ever passed."""

from __future__ import annotations

import heapq
from bisect import insort
from dataclasses import dataclass, field


@dataclass
class Window:
    """Entries `(time, id, points)` in order of time.

    An entry counts until its time plus the window's length. While its request is under way its time is the end of its
    lease; afterwards it is the moment the answer came. Since the request arrived at GitHub before that, no window of
    GitHub's, wherever it begins, holds more than is counted here.
    """

    length_ms: int
    entries: list[tuple[int, str, int]] = field(default_factory=list)
    total: int = 0

    def prune(self, now: int) -> None:
        """Forget what no longer counts."""
        gone = 0
        while gone < len(self.entries) and self.entries[gone][0] <= now - self.length_ms:
            self.total -= self.entries[gone][2]
            gone += 1
        del self.entries[:gone]

    def add(self, moment: int, entry_id: str, points: int) -> None:
        """Count points from a moment on."""
        insort(self.entries, (moment, entry_id, points))
        self.total += points

    def take(self, entry_id: str) -> int:
        """Remove an entry and return its points; 0 where it is gone already."""
        for index, (_, known, points) in enumerate(self.entries):
            if known == entry_id:
                del self.entries[index]
                self.total -= points
                return points
        return 0

    def fits_at(self, now: int, points: int, *, limit: int, beside: Window | None = None) -> int:
        """Return the earliest moment, not before *now*, at which *points* more stay within *limit*.

        Args:
            now: The time.
            points: That are to be added.
            limit: Of this window, or of both together.
            beside: Another of the same length.
        """
        others = beside or Window(self.length_ms)
        over = self.total + others.total + points - max(limit, points)
        moment = now
        for time, _, spent in heapq.merge(self.entries, others.entries):
            if over <= 0:
                break
            over -= spent
            moment = max(now, time + self.length_ms)
        return moment
