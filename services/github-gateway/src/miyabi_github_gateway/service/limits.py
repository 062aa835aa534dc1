"""All limits in one place: those of GitHub's credentials, and our caps of repositories."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, replace

from miyabi_github_gateway.models import ALL_KINDS, Kind, RateLimit
from miyabi_github_gateway.ports import Invalidator
from miyabi_github_gateway.service.governor import Governors
from miyabi_github_gateway.service.pull_requests import PullRequestCaps

#: Least seconds between two answers of a stream: at most four a second.
LEAST_SECONDS = 0.25
#: Most seconds until a change that another replica made is seen.
MOST_SECONDS = 1.0


@dataclass
class LimitBoard:
    """Answers and streams limits.

    Args:
        governors: The credentials' budgets.
        caps: Of repositories.
        sleep: Waits; tests give their own.
    """

    governors: Governors
    caps: PullRequestCaps
    sleep: Callable[[float], Awaitable[None]]

    async def limits(self, repositories: Sequence[str] = ()) -> list[RateLimit]:
        """Return what is left of every limit, and of the caps of some repositories."""
        return [*await self.governors.rate_limits(), *await self.caps.rate_limits(repositories)]

    async def watch(self, repositories: Sequence[str] = ()) -> AsyncIterator[list[RateLimit]]:
        """Yield the limits at once, and then whenever a number changes."""
        last: list[RateLimit] | None = None
        while True:
            limits = await self.limits(repositories)
            if last is None or _numbers(limits) != _numbers(last):
                last = limits
                yield limits
            await self.sleep(LEAST_SECONDS)
            await self.governors.changed(at_most=MOST_SECONDS - LEAST_SECONDS)


def _numbers(limits: list[RateLimit]) -> list[RateLimit]:
    """Return limits without the moments that only pass."""
    return [
        replace(
            limit, reset_time=None, observe_time=None, exhaust_time=None,
            blocked_until_time=limit.blocked_until_time and limit.blocked_until_time.replace(microsecond=0),
        )
        for limit in limits
    ]  # fmt: skip


@dataclass
class WithCaps:
    """Implements `ports.Invalidator`: an event of a pull request changes the count of the open ones too.

    Args:
        inner: The caches.
        caps: Our caps of repositories.
    """

    inner: Invalidator
    caps: PullRequestCaps

    async def invalidate(self, repository: str, *, number: int = 0, kinds: frozenset[Kind] = ALL_KINDS) -> None:
        """Forget what is cached, and how many pull requests are open; see the port."""
        await self.inner.invalidate(repository, number=number, kinds=kinds)
        if Kind.PULL_REQUEST in kinds:
            await self.caps.forget(repository)
