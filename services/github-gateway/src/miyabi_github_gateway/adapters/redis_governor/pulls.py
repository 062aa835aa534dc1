"""The counts of our pull requests, shared by all replicas; one script a question, one hash slot a repository."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import RedisError

from miyabi_github_gateway.adapters.redis_governor.budget import ANSWER_SECONDS
from miyabi_github_gateway.adapters.redis_governor.scripts import call
from miyabi_github_gateway.service.governor.shared import BudgetAwayError
from miyabi_github_gateway.service.pull_requests import COUNT_SECONDS, DOUBT_SECONDS, HOUR, OPEN, Caps, Counts, Full


@dataclass
class RedisPullRequestCounts:
    """Implements `service.pull_requests.PullRequestCounts`.

    Args:
        client: Its answers are bytes.
        time_scale: How fast GitHub's clock runs.
        clock: Milliseconds; None: the server's own time.
    """

    client: Redis
    time_scale: float = 1.0
    clock: Callable[[], int] | None = None

    async def take(self, repository: str, head: str, caps: Caps) -> Full | bool:
        """Count a pull request that is about to be opened, unless a cap is reached; see the port."""
        answer = await self._call(repository, "take", head, caps.open, caps.hour)
        kind, value = answer[0].decode(), int(answer[1])
        if kind == "taken":
            return bool(value)
        return Full(OPEN if kind == "open" else HOUR, timedelta(milliseconds=max(1, value)))

    async def settle(self, repository: str, head: str, *, is_new: bool | None, first: bool) -> None:
        """Take note of how it ended; see the port."""
        if is_new is not None:
            await self._call(repository, "opened" if is_new else "not-opened", head, int(first))

    async def counts(self, repository: str) -> Counts:
        """Return what is known."""
        opened, ago, hour, frees = map(int, await self._call(repository, "counts"))
        return Counts(
            None if opened < 0 else opened,
            None if ago < 0 else timedelta(milliseconds=ago),
            hour,
            None if frees < 0 else timedelta(milliseconds=frees),
        )

    async def counted(self, repository: str, number: int) -> None:
        """Take note of how many GitHub says are open."""
        await self._call(repository, "counted", str(number))

    async def forget(self, repository: str) -> None:
        """Take note that the count of the open ones has changed."""
        await self._call(repository, "forget")

    async def _call(self, repository: str, operation: str, head: str = "", *caps: int) -> Any:
        """Run the script in time."""
        prefix = f"miyabi:gw:pulls:{{{repository.lower()}}}"
        now = "" if self.clock is None else str(self.clock())
        hour = int(3_600_000 / self.time_scale)
        given = [*caps, 0, 0][:2]
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                return await call(
                    self.client,
                    ("pulls",),
                    keys=[f"{prefix}:{name}" for name in ("count", "opened", "opening")],
                    arguments=[
                        now,
                        operation,
                        head,
                        *given,
                        hour,
                        int(COUNT_SECONDS * 1000),
                        int(DOUBT_SECONDS * 1000),
                    ],
                )
        except (RedisError, OSError, TimeoutError) as error:
            raise BudgetAwayError(type(error).__name__) from error
