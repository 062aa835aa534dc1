"""What GitHub still allows, as the gateway tells: pull requests wait here rather than in front of a wall."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping

from miyabi_coordinator.models import QUERY_SIZE, Quota
from miyabi_coordinator.ports.gateway import Gateway
from miyabi_core.errors import MiyabiError, first_of
from miyabi_core.lifecycle import ending_when_cancelled
from miyabi_core.logging import get_logger

#: Seconds between attempts to watch the gateway.
RETRY_SECONDS = 2.0
#: Repositories that are watched; of more, those asked for last.
MOST_REPOSITORIES = 100
#: A repository's own caps, and the credential's limits on what creates content.
REPOSITORY_CAPS = frozenset({"open-pull-requests", "pull-requests-hour"})
CONTENT_LIMITS = frozenset({"content-minute", "content-hour"})

_LOG = get_logger(__name__)


class Quotas:
    """The gateway's limits, as last heard; `listeners` are called when one changed. `run` serves until it is cancelled.

    While the gateway is not heard nothing is gated here; it refuses by itself what is too much.

    Args:
        gateway: Tells the limits.
        clock: Returns seconds since 1970.
    """

    def __init__(self, gateway: Gateway, *, clock: Callable[[], float] = time.time) -> None:
        self._gateway = gateway
        self.listeners: list[Callable[[], None]] = []
        self._clock = clock
        self._wanted: dict[str, None] = {}
        self._more = asyncio.Event()
        self._heard: tuple[Quota, ...] = ()

    def watch(self, repository: str) -> None:
        """Ask for the caps of a repository too."""
        known = repository in self._wanted
        self._wanted.pop(repository, None)
        self._wanted[repository] = None
        while len(self._wanted) > MOST_REPOSITORIES:
            self._wanted.pop(next(iter(self._wanted)))
        if not known:
            self._more.set()

    def pull_requests(self) -> Mapping[str, int]:
        """Return how many pull requests may be opened now, for each repository that has a cap or shares a limit."""
        now = self._clock()
        shared = [quota.free(now) for quota in self._heard if quota.resource in CONTENT_LIMITS and quota.limit]
        found: dict[str, int] = {}
        for repository in self._wanted:
            own = [
                quota.free(now)
                for quota in self._heard
                if quota.repository == repository and quota.resource in REPOSITORY_CAPS and quota.limit
            ]
            if own or shared:
                found[repository] = min([*own, *shared])
        return found

    def query_sizes(self) -> Mapping[str, int]:
        """Return how many things one of the gateway's queries asks for now, by `github-query/SHAPE`."""
        return {quota.resource: quota.limit for quota in self._heard if quota.resource.startswith(QUERY_SIZE)}

    async def run(self) -> None:
        """Listen to the gateway, anew whenever another repository is wanted."""
        while True:
            await self._more.wait()
            self._more.clear()
            unheard = False
            try:
                await ending_when_cancelled(self._listen_until_more())
            except* MiyabiError as failures:
                _LOG.info("quotas.unheard", error=str(first_of(failures)))
                self._heard, unheard = (), True
            if unheard:
                await asyncio.sleep(RETRY_SECONDS)
                self._more.set()

    async def _listen_until_more(self) -> None:
        """Listen until another repository is wanted; raises a group of MiyabiError: the gateway does not tell."""
        async with asyncio.TaskGroup() as group:
            listening = group.create_task(self._listen(list(self._wanted)))
            await self._more.wait()
            listening.cancel()

    async def _listen(self, repositories: list[str]) -> None:
        """Take what the gateway tells; raises MiyabiError: it does not any more."""
        async for quotas in self._gateway.watch_quotas(repositories):
            self._heard = tuple(quotas)
            for listener in self.listeners:
                listener()
