"""Makes something that must be there once: looks, writes, and after a failure that leaves doubt looks again."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from miyabi_github_gateway.errors import GitHubUnavailableError

#: A write that is in doubt is looked for and tried again this often.
WRITE_TRIES = 3
#: Pause before the second look, then its multiples: GitHub's reads may lag behind its writes for a moment.
WRITE_BACKOFF_SECONDS = 0.5

T = TypeVar("T")


async def once(look: Callable[[], Awaitable[T | None]], write: Callable[[], Awaitable[T]]) -> tuple[T, bool]:
    """Return what *look* finds or *write* makes, and whether this call made it.

    Raises:
        GitHubUnavailableError: the write failed, or is in doubt, after all tries.
    """
    for attempt in range(1, WRITE_TRIES + 1):
        found = await look()
        if found is not None:
            return found, attempt > 1
        try:
            return await write(), True
        except GitHubUnavailableError:
            if attempt == WRITE_TRIES:
                raise
            await asyncio.sleep(WRITE_BACKOFF_SECONDS * attempt)
    raise AssertionError
