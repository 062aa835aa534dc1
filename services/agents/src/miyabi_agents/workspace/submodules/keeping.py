"""Keeps what was found of a commit's submodules: all that stands on the commit gets the same answer."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict, defaultdict
from pathlib import Path

from miyabi_agents.workspace.submodules.bringing import Submodules
from miyabi_agents.workspace.submodules.found import BroughtSubmodules

#: Commits whose answer is kept.
MAX_KEPT = 200
#: How long an answer holds in which one was not fetched: a repository may be admitted meanwhile, but environment and
#: runs of one verification have to agree.
ASK_AGAIN_SECONDS = 3600.0


class KeptSubmodules:
    """Asks once for each commit.

    Args:
        source: Is asked.
    """

    def __init__(self, source: Submodules) -> None:
        self._source = source
        self._kept: OrderedDict[tuple[str, str], tuple[float, BroughtSubmodules]] = OrderedDict()
        self._locks: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def of(self, repository: str, mirror: Path, sha: str) -> BroughtSubmodules:
        """Return as `Submodules.of`, kept.

        Raises:
            WorkspaceError: as there.
        """
        async with self._locks[repository]:
            until, found = self._kept.get((repository, sha), (0.0, None))
            if found is None or until < time.monotonic():
                found = await self._source.of(repository, mirror, sha)
                until = time.monotonic() + ASK_AGAIN_SECONDS if found.notes else float("inf")
                self._kept[repository, sha] = until, found
            self._kept.move_to_end((repository, sha))
            while len(self._kept) > MAX_KEPT:
                self._kept.popitem(last=False)
        return found
