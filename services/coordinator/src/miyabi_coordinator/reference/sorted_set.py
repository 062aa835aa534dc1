"""A sorted set as Redis has it: members by score, then by name."""

from __future__ import annotations

import heapq


class SortedSet:
    """Members with scores; removed entries stay in the heap until they come to its top."""

    def __init__(self) -> None:
        self._scores: dict[str, float] = {}
        self._heap: list[tuple[float, str]] = []

    def __len__(self) -> int:
        return len(self._scores)

    def __contains__(self, member: str) -> bool:
        return member in self._scores

    def members(self) -> list[str]:
        """Return all members in their order."""
        return sorted(self._scores, key=lambda member: (self._scores[member], member))

    def score(self, member: str) -> float | None:
        """Return a member's score (ZSCORE)."""
        return self._scores.get(member)

    def add(self, member: str, score: float) -> None:
        """Set a member's score (ZADD)."""
        if self._scores.get(member) != score:
            self._scores[member] = score
            heapq.heappush(self._heap, (score, member))

    def remove(self, member: str) -> bool:
        """Remove a member and tell whether it was there (ZREM)."""
        return self._scores.pop(member, None) is not None

    def first(self) -> tuple[str, float] | None:
        """Return the first member (ZRANGE 0 0)."""
        while self._heap and self._scores.get(self._heap[0][1]) != self._heap[0][0]:
            heapq.heappop(self._heap)
        return (self._heap[0][1], self._heap[0][0]) if self._heap else None

    def pop(self) -> tuple[str, float] | None:
        """Remove and return the first member (ZPOPMIN)."""
        while self._heap:
            score, member = heapq.heappop(self._heap)
            if self._scores.get(member) == score:
                del self._scores[member]
                return member, score
        return None

    def until(self, most: float, *, limit: int) -> list[str]:
        """Return the first members up to a score (ZRANGEBYSCORE)."""
        found: dict[str, float] = {}
        while self._heap and len(found) < limit and self._heap[0][0] <= most:
            score, member = heapq.heappop(self._heap)
            if self._scores.get(member) == score:
                found[member] = score
        for member, score in found.items():
            heapq.heappush(self._heap, (score, member))
        return list(found)
