"""Has the analysers that need no environment look at a change, as the review does."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

from miyabi.coordinator.v1.result_pb2 import FileChange, ReviewResult
from miyabi_agents.agents.reviewer import OWN
from miyabi_agents.analysers.base import Analyser, ToolRunner
from miyabi_agents.analysers.changed.change_set import of_change_set
from miyabi_agents.analysers.changed.exhibits import Exhibits, lay_out
from miyabi_agents.analysers.score import score
from miyabi_agents.analysers.suite import ALL, run_all
from miyabi_agents.inspection.progress import Progress
from miyabi_agents.sandbox import ProcessSandbox
from miyabi_agents.toolchains.port import BaseFiles
from miyabi_agents.workspace.pulls.comparison import ChangedFile


class Before:
    """Base's files, in memory; implements what a change set is read against."""

    def __init__(self, files: Mapping[str, str]) -> None:
        self._files = {path: text.encode() for path, text in files.items() if text}

    @property
    def committed(self) -> datetime:
        """Any day."""
        return datetime(2026, 1, 1, tzinfo=UTC)

    def paths(self) -> Sequence[str]:
        """List them."""
        return sorted(self._files)

    def read(self, path: str) -> bytes | None:
        """Return a file's content."""
        return self._files.get(path)

    def read_whole(self, path: str, *, longest: int) -> bytes | None:
        """Return a file's content: all are small."""
        del longest
        return self._files.get(path)


@asynccontextmanager
async def laid(files: Iterable[ChangedFile], base: BaseFiles) -> AsyncIterator[tuple[Exhibits, ToolRunner]]:
    """Give what is looked at, for a block."""
    with tempfile.TemporaryDirectory(prefix="miyabi-review-") as name:
        folder = Path(name)
        exhibits = await asyncio.to_thread(lay_out, files, base, folder / "exhibits")
        (folder / "scratch").mkdir()
        yield exhibits, ToolRunner(ProcessSandbox(unsafe=True), folder / "scratch")


async def reviewed(files: Iterable[ChangedFile], base: BaseFiles, analysers: Sequence[Analyser] = ALL) -> ReviewResult:
    """Return the result of a review without a model, an environment and an index."""
    async with laid(files, base) as (exhibits, runner):
        looked = await run_all(analysers, exhibits.subject, Progress(_quiet), runner, left_out=exhibits.unread)
        findings = [*((OWN, entry) for entry in exhibits.findings), *looked.findings]
        return score(findings, looked.runs, analysed=bool(exhibits.subject.files), remedy=looked.remedy)


def written(files: Mapping[str, str], before: Mapping[str, str]) -> tuple[Iterable[ChangedFile], Before]:
    """Return a change of some texts, and base."""
    base = Before(before)
    changes = [FileChange(path=path, content=text.encode()) for path, text in sorted(files.items())]
    return of_change_set(changes, base), base


def _quiet(name: str) -> None:
    """Say nothing."""
    del name
