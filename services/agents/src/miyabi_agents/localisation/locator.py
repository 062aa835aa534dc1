"""Finds files in a process of its own: reading and parsing a whole repository must not hold up the event loop."""

from __future__ import annotations

import asyncio
import multiprocessing
import multiprocessing.connection
import os
import signal
import threading
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import AbstractAsyncContextManager, closing
from pathlib import Path

from miyabi_agents.localisation.index import Candidate, CodeIndex
from miyabi_agents.workspace.commit_files import CommitFiles

#: Indexes that are kept; one of a large repository takes tens of megabytes.
MAX_KEPT = 4

#: A repository and a commit.
Key = tuple[str, str]

_KEPT: OrderedDict[Key, CodeIndex] = OrderedDict()


class Locator:
    """Ranks the files of commits for a text; the index of a commit is built once and kept in the worker."""

    def __init__(self) -> None:
        self._pool: ProcessPoolExecutor | None = None

    async def rank(
        self, key: Key, text: str, *, files: Callable[[], AbstractAsyncContextManager[CommitFiles]]
    ) -> list[Candidate]:
        """Return the files that *text* is most likely about, best first; *files* is opened where needed.

        Raises:
            WorkspaceError: the commit cannot be read.
        """
        found = await self._run(_rank, key, text)
        if found is None:
            async with files() as commit:
                found = await self._run(_build_and_rank, key, text, commit.mirror)
        return found or []

    async def _run(self, work: Callable[..., list[Candidate] | None], *arguments: object) -> list[Candidate] | None:
        """Run *work* in the worker; one that died, of too little memory say, is replaced once."""
        loop = asyncio.get_running_loop()
        try:
            return await loop.run_in_executor(self._worker(), work, *arguments)
        except BrokenProcessPool:
            self.close()
            return await loop.run_in_executor(self._worker(), work, *arguments)

    def _worker(self) -> ProcessPoolExecutor:
        """Return the worker, started at first need."""
        if self._pool is None:
            # Not forked: a fork of a process with gRPC's threads may hang.
            spawn = multiprocessing.get_context("spawn")
            self._pool = ProcessPoolExecutor(max_workers=1, mp_context=spawn, initializer=_begin)
        return self._pool

    def close(self) -> None:
        """End the worker."""
        pool, self._pool = self._pool, None
        if pool is not None:
            pool.shutdown(wait=True, cancel_futures=True)


def _begin() -> None:
    """Prepare the worker: it ends with its parent, however that ends, and leaves signals to it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    assert parent is not None

    def follow() -> None:
        multiprocessing.connection.wait([parent.sentinel])
        os._exit(0)

    threading.Thread(target=follow, daemon=True).start()


def _rank(key: Key, text: str) -> list[Candidate] | None:
    """Rank with a kept index; None where there is none."""
    index = _KEPT.get(key)
    if index is None:
        return None
    _KEPT.move_to_end(key)
    return index.rank(text)


def _build_and_rank(key: Key, text: str, mirror: Path) -> list[Candidate]:
    """Build the index of a commit from git's objects, keep it, and rank."""
    with closing(CommitFiles(mirror, key[1])) as commit:
        _KEPT[key] = CodeIndex.build(list(commit.paths()), lambda path: commit.read(path) or b"")
    while len(_KEPT) > MAX_KEPT:
        _KEPT.popitem(last=False)
    return _KEPT[key].rank(text)
