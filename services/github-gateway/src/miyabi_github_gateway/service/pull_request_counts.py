"""Counts of our pull requests: of one process, and shared ones with those of the process to fall back on."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta

from miyabi_github_gateway.service.governor.shared import BudgetAwayError
from miyabi_github_gateway.service.pull_requests import (
    COUNT_SECONDS,
    DOUBT_SECONDS,
    HOUR,
    OPEN,
    Caps,
    Counts,
    Full,
    PullRequestCounts,
)


@dataclass
class _Repository:
    """What is known of one repository; moments in seconds."""

    number: int | None = None
    counted_at: float = 0.0
    opened: dict[str, float] = field(default_factory=dict)
    opening: dict[str, float] = field(default_factory=dict)


@dataclass
class LocalPullRequestCounts:
    """Implements `PullRequestCounts` for one process; the rules are those of `pulls.lua`.

    Args:
        clock: Seconds.
        time_scale: How fast GitHub's clock runs.
    """

    clock: Callable[[], float] = time.time
    time_scale: float = 1.0

    def __post_init__(self) -> None:
        self._known: dict[str, _Repository] = defaultdict(_Repository)
        self._hour = 3600.0 / self.time_scale

    async def take(self, repository: str, head: str, caps: Caps) -> Full | bool:
        """Count a pull request that is about to be opened, unless a cap is reached; see the port."""
        found, now = self._of(repository), self.clock()
        is_known = head in found.opened or head in found.opening
        number = found.number
        if caps.open and number is not None and not is_known and number + len(found.opening) >= caps.open:
            return Full(OPEN, timedelta(seconds=COUNT_SECONDS))
        if caps.hour and not is_known and len(found.opened) >= caps.hour:
            return Full(HOUR, timedelta(seconds=min(found.opened.values()) + self._hour - now))
        found.opening[head] = now + DOUBT_SECONDS
        found.opened.setdefault(head, now)
        return not is_known

    async def settle(self, repository: str, head: str, *, is_new: bool | None, first: bool) -> None:
        """Take note of how it ended; see the port."""
        found = self._of(repository)
        if is_new is None:
            return
        was_opening = found.opening.pop(head, None) is not None
        if is_new and was_opening and found.number is not None:
            found.number += 1
        if not is_new and first:
            found.opened.pop(head, None)

    async def counts(self, repository: str) -> Counts:
        """Return what is known."""
        found, now = self._of(repository), self.clock()
        frees = min(found.opened.values()) + self._hour - now if found.opened else None
        return Counts(
            None if found.number is None else found.number + len(found.opening),
            None if found.number is None else timedelta(seconds=now - found.counted_at),
            len(found.opened),
            None if frees is None else timedelta(seconds=frees),
        )

    async def counted(self, repository: str, number: int) -> None:
        """Take note of how many GitHub says are open."""
        found = self._of(repository)
        found.number, found.counted_at = number, self.clock()

    async def forget(self, repository: str) -> None:
        """Take note that the count of the open ones has changed."""
        self._of(repository).number = None

    def _of(self, repository: str) -> _Repository:
        """Return what is known of a repository, without what no longer counts."""
        found, now = self._known[repository.lower()], self.clock()
        found.opened = {head: at for head, at in found.opened.items() if at > now - self._hour}
        found.opening = {head: until for head, until in found.opening.items() if until > now}
        if found.number is not None and found.counted_at <= now - COUNT_SECONDS:
            found.number = None
        return found


@dataclass
class MirroredPullRequestCounts:
    """Asks the shared counts, and those of the process where the shared ones are away."""

    shared: PullRequestCounts
    local: LocalPullRequestCounts = field(default_factory=LocalPullRequestCounts)

    async def take(self, repository: str, head: str, caps: Caps) -> Full | bool:
        """Count a pull request that is about to be opened, unless a cap is reached."""
        try:
            found = await self.shared.take(repository, head, caps)
        except BudgetAwayError:
            return await self.local.take(repository, head, caps)
        if not isinstance(found, Full):
            await self.local.take(repository, head, Caps(0, 0))
        return found

    async def settle(self, repository: str, head: str, *, is_new: bool | None, first: bool) -> None:
        """Take note of how it ended."""
        await self.local.settle(repository, head, is_new=is_new, first=first)
        try:
            await self.shared.settle(repository, head, is_new=is_new, first=first)
        except BudgetAwayError:
            return  # the doubt ends by itself

    async def counts(self, repository: str) -> Counts:
        """Return what is known."""
        try:
            return await self.shared.counts(repository)
        except BudgetAwayError:
            return await self.local.counts(repository)

    async def counted(self, repository: str, number: int) -> None:
        """Take note of how many GitHub says are open."""
        await self.local.counted(repository, number)
        try:
            await self.shared.counted(repository, number)
        except BudgetAwayError:
            return  # the process has its own

    async def forget(self, repository: str) -> None:
        """Take note that the count of the open ones has changed."""
        await self.local.forget(repository)
        try:
            await self.shared.forget(repository)
        except BudgetAwayError:
            return  # the shared count ends by itself
