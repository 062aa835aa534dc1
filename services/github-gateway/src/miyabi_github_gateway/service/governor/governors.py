"""Finds the governor of a credential: an installation of an App has a budget of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import suppress

from miyabi_github_gateway.models import RateLimit
from miyabi_github_gateway.service.governor.governor import Governor


class Governors:
    """The governors of one process, made when they are first needed.

    Args:
        make: Makes the governor of a credential's scope.
    """

    def __init__(self, make: Callable[[str], Governor]) -> None:
        self._make = make
        self._known: dict[str, Governor] = {}

    def of(self, scope: str) -> Governor:
        """Return the governor of a credential."""
        if scope not in self._known:
            self._known[scope] = self._make(scope)
        return self._known[scope]

    def __iter__(self) -> Iterator[Governor]:
        """Iterate over the governors that were needed."""
        return iter(list(self._known.values()))

    async def rate_limits(self) -> list[RateLimit]:
        """Return the limits of every credential in use; of several the one with the least left stands for its kind."""
        found: dict[str, RateLimit] = {}
        for governor in self:
            for limit in await governor.rate_limits():
                known = found.get(limit.resource)
                if known is None or _order(limit) < _order(known):
                    found[limit.resource] = limit
        return list(found.values())

    async def changed(self, *, at_most: float) -> None:
        """Wait until any of them has used or heard something, or some seconds."""
        with suppress(TimeoutError):
            async with asyncio.timeout(at_most), asyncio.TaskGroup() as tasks:
                waiting = [tasks.create_task(governor.changed()) for governor in self]
                if not waiting:
                    await asyncio.sleep(at_most)
                await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
                for task in waiting:
                    task.cancel()


def _order(limit: RateLimit) -> tuple[bool, int]:
    """Sort by what is left; what GitHub has said nothing of, as of an App's own requests, comes last."""
    return limit.remaining < 0, limit.limit if limit.remaining < 0 else limit.remaining
