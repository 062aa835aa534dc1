"""Reads at the start what was in use before, so that the first page or batch finds it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from miyabi_core.errors import MiyabiError
from miyabi_core.logging import get_logger
from miyabi_github_gateway.models import IssueField, IssueSearch, Kind, Read, Shape
from miyabi_github_gateway.ports import GitHubReader, SharedCache
from miyabi_github_gateway.service.calling import enter
from miyabi_github_gateway.service.governor.model import Lane
from miyabi_github_gateway.service.reads import ReadThrough

#: Repositories and shapes that are warmed at most.
MOST_REPOSITORIES = 10
#: Open issues of each; a list and four queries where nothing is in the shared cache.
MOST_ISSUES = 100
#: What is read of the issues of a repository that is named in the settings.
NAMED_SHAPE = Shape(Kind.ISSUE, frozenset({IssueField.BODY, IssueField.LABELS}))

_LOG = get_logger(__name__)


@dataclass
class WarmUp:
    """Warms the caches.

    Args:
        reads: Reads through the cache.
        reader: Lists open issues.
        shared: Knows what was in use.
        repositories: What is warmed; empty: what was in use lately.
        timeout: Readiness waits no longer.
    """

    reads: ReadThrough
    reader: GitHubReader
    shared: SharedCache
    repositories: Sequence[str]
    timeout: timedelta

    async def run(self) -> int:
        """Warm until done or out of time; returns the number of things that are in the cache. Never raises."""
        began = time.monotonic()
        self._warmed = 0
        try:
            async with asyncio.timeout(self.timeout.total_seconds()), asyncio.TaskGroup() as tasks:
                for repository, shape in await self._wanted():
                    tasks.create_task(self._warm(repository, shape))
        except TimeoutError:
            _LOG.warning("cache.warm_up_timed_out", things=self._warmed)
        seconds = round(time.monotonic() - began, 3)
        _LOG.info("cache.warmed", things=self._warmed, seconds=seconds)
        return self._warmed

    async def _wanted(self) -> list[tuple[str, Shape]]:
        """Return what is to be warmed."""
        if self.repositories:
            named = self.repositories[:MOST_REPOSITORIES]
            if left := self.repositories[MOST_REPOSITORIES:]:
                _LOG.warning("cache.not_warmed", repositories=list(left), reason=f"more than {MOST_REPOSITORIES}")
            return [(name, shape) for name in named for shape in (Shape(Kind.REPOSITORY), NAMED_SHAPE)]
        return await self.shared.recent(MOST_REPOSITORIES)

    async def _warm(self, repository: str, shape: Shape) -> None:
        """Read the repository, or its open issues; one that cannot be read is left out."""
        enter(seconds=self.timeout.total_seconds(), lane=Lane.BATCH)
        try:
            reads = [Read(repository, shape)]
            if shape.kind is Kind.PULL_REQUEST:
                return
            if shape.kind is Kind.ISSUE:
                wanted = IssueSearch(limit=MOST_ISSUES)
                reads = [
                    Read(repository, shape, issue.number)
                    async for page in self.reader.search(repository, wanted)
                    for issue in page.issues
                ]
            async for found in self.reads.load(reads, timeout=self.timeout):
                self._warmed += sum(not isinstance(outcome, MiyabiError) for outcome in found.values())
        except MiyabiError as error:
            _LOG.info("cache.not_warmed", repository=repository, reason=error.reason)
