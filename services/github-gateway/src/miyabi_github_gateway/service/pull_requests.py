"""Our caps of repositories: how many of our pull requests may be open, and how many are opened within an hour."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Protocol

from miyabi_core.errors import MiyabiError
from miyabi_core.logging import get_logger
from miyabi_github_gateway.errors import MayHaveActedError, RateLimitedError
from miyabi_github_gateway.models import RateLimit

#: Names of the two limits, as callers see them.
OPEN, HOUR = "open-pull-requests", "pull-requests-hour"
#: Seconds for which a count of open pull requests holds, where no event says that it has changed.
COUNT_SECONDS = 30.0
#: Seconds for which a pull request that may have been opened is counted as open, until GitHub is asked again.
DOUBT_SECONDS = 120.0

_LOG = get_logger(__name__)


@dataclass(frozen=True)
class Caps:
    """The caps; 0: none."""

    open: int = 20
    hour: int = 30


@dataclass(frozen=True)
class Counts:
    """What is known of a repository.

    Args:
        open: Our open pull requests with those that are being opened; None: not counted, or too long ago.
        counted_ago: How long ago they were counted.
        hour: Ours that were opened within the hour.
        hour_frees: When the oldest of these no longer counts.
    """

    open: int | None = None
    counted_ago: timedelta | None = None
    hour: int = 0
    hour_frees: timedelta | None = None


@dataclass(frozen=True)
class Full:
    """A cap is reached."""

    resource: str
    retry_after: timedelta


class PullRequestCounts(Protocol):
    """Counts that all replicas share. Each method may raise `BudgetAwayError`."""

    async def take(self, repository: str, head: str, caps: Caps) -> Full | bool:
        """Count a pull request that is about to be opened, unless a cap is reached; the same head counts once.

        Returns:
            The cap that is reached, or whether the head was not counted before.
        """

    async def settle(self, repository: str, head: str, *, is_new: bool | None, first: bool) -> None:
        """Take note of how it ended.

        Args:
            repository: `owner/name`.
            head: Branch.
            is_new: True: it was opened; False: it was not; None: not known, it stays counted for a while.
            first: What `take` returned: only then is it counted in the hour no more where it was not opened.
        """

    async def counts(self, repository: str) -> Counts:
        """Return what is known."""

    async def counted(self, repository: str, number: int) -> None:
        """Take note of how many GitHub says are open."""

    async def forget(self, repository: str) -> None:
        """Take note that the count of the open ones has changed."""


@dataclass
class PullRequestCaps:
    """Keeps the caps.

    Args:
        counts: Shared by all replicas.
        count_open: Asks GitHub how many of ours are open, for several repositories; one it cannot see is missing.
        caps: The same for each repository.
    """

    counts: PullRequestCounts
    count_open: Callable[[Sequence[str]], Awaitable[dict[str, int]]]
    caps: Caps = field(default_factory=Caps)

    @asynccontextmanager
    async def opening(
        self, repository: str, head: str, *, exists: Callable[[], Awaitable[bool]]
    ) -> AsyncIterator[Opening]:
        """Hold a place for a pull request that is opened in the block; the block says whether it is a new one.

        Args:
            repository: `owner/name`.
            head: Branch.
            exists: Asked where a cap is reached: a head that has an open pull request may be written to all the same.

        Raises:
            RateLimitedError: a cap is reached.
        """
        if not (self.caps.open or self.caps.hour):
            yield Opening()
            return
        await self._make_known([repository])
        first = await self.counts.take(repository, head, self.caps)
        if isinstance(first, Full):
            if not await exists():
                raise RateLimitedError(first.resource, first.retry_after, repository=repository)
            yield Opening()
            return
        opening = Opening()
        try:
            yield opening
        except MayHaveActedError:
            await self.counts.settle(repository, head, is_new=None, first=first)
            raise
        except BaseException:
            await self.counts.settle(repository, head, is_new=False, first=first)
            raise
        await self.counts.settle(repository, head, is_new=opening.is_new, first=first)

    async def forget(self, repository: str) -> None:
        """Take note of an event: one of our pull requests was opened or closed."""
        await self.counts.forget(repository)

    async def rate_limits(self, repositories: Sequence[str]) -> list[RateLimit]:
        """Return both limits of each repository; a count that cannot be had is -1."""
        await self._make_known(repositories)
        found = []
        for repository in repositories:
            found += self._of(repository, await self.counts.counts(repository))
        return found

    def _of(self, repository: str, counts: Counts) -> list[RateLimit]:
        """Render the limits of one repository."""
        now = datetime.now(UTC)
        opened = counts.open
        left = -1 if opened is None else max(0, self.caps.open - opened)
        return [
            RateLimit(
                OPEN, self.caps.open, left if self.caps.open else 0, used=opened or 0, repository=repository,
                observe_time=None if counts.counted_ago is None else now - counts.counted_ago,
            ),
            RateLimit(
                HOUR, self.caps.hour, max(0, self.caps.hour - counts.hour), used=counts.hour, repository=repository,
                window=timedelta(hours=1),
                reset_time=None if counts.hour_frees is None else now + counts.hour_frees,
            ),
        ]  # fmt: skip

    async def _make_known(self, repositories: Sequence[str]) -> None:
        """Count the open pull requests where that was not done lately."""
        if not self.caps.open:
            return
        unknown = [name for name in repositories if (await self.counts.counts(name)).open is None]
        if not unknown:
            return
        try:
            found = await self.count_open(unknown)
            for name, number in found.items():
                await self.counts.counted(name, number)
        except* MiyabiError as errors:
            reasons = sorted({error.reason for error in errors.exceptions if isinstance(error, MiyabiError)})
            _LOG.warning("pull_requests.not_counted", repositories=len(unknown), reasons=reasons)


@dataclass
class Opening:
    """A pull request that is being opened."""

    is_new: bool = True
