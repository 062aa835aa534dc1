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
from dataclasses import dataclass
from pathlib import Path

from miyabi_agents.localisation.index import LIMIT, Candidate, CodeIndex
from miyabi_agents.localisation.keeping.reading import read_commit
from miyabi_agents.localisation.keeping.store import IndexStore
from miyabi_agents.workspace.commit_files import CommitFiles
from miyabi_core.logging import get_logger

#: Indexes that are kept in memory; one of a large repository takes tens of megabytes.
MAX_KEPT = 4
#: What all repositories may take on disk unless told otherwise, in bytes: those of Django and SymPy take 5 MB each.
MAX_BYTES = 1 << 30

_LOG = get_logger(__name__)

#: A repository and a commit.
Key = tuple[str, str]

_KEPT: OrderedDict[Key, CodeIndex] = OrderedDict()


@dataclass(frozen=True)
class _Answer:
    """What the worker found, and what went wrong with keeping it."""

    candidates: list[Candidate]
    notes: tuple[str, ...] = ()
    overview: str = ""


class Locator:
    """Ranks the files of commits for a text; the index of a commit is built once and kept in the worker.

    What is known of files is kept on disk by their object ids, for all agents of a machine: a commit is read as far as
    it differs from those before. Where the disk does not take it, that is logged, and work goes on in memory.

    Args:
        folder: Where it is kept; nothing that runs a repository's code may write there. None: nowhere.
        max_bytes: What it may take there, 1 GiB by default; what was used least recently is removed.
    """

    def __init__(self, folder: Path | None = None, *, max_bytes: int = MAX_BYTES) -> None:
        self._folder, self._max_bytes = folder, max_bytes
        self._pool: ProcessPoolExecutor | None = None

    async def rank(
        self, key: Key, text: str, *, files: Callable[[], AbstractAsyncContextManager[CommitFiles]], limit: int = LIMIT
    ) -> list[Candidate]:
        """Return the files that *text* is most likely about, best first; *files* is opened where needed.

        Args:
            key: A repository and a commit.
            text: An issue: its title in the first line, then its body.
            files: Opens the commit's files.
            limit: Most files that are returned.

        Raises:
            WorkspaceError: the commit cannot be read.
        """
        found = await self._run(_rank, key, text, limit)
        if found is None:
            async with files() as commit:
                store = (self._folder, self._max_bytes)
                found = await self._run(_build_and_rank, key, text, limit, commit.mirror, store)
        assert found is not None
        self._say(key, found)
        return found.candidates

    async def overview(self, key: Key, *, files: Callable[[], AbstractAsyncContextManager[CommitFiles]]) -> str:
        """Return a map of a commit that fits into a prompt; it is the same for every issue, and on every machine.

        Args:
            key: A repository and a commit.
            files: Opens the commit's files, where no agent of the machine has made the map.

        Raises:
            WorkspaceError: the commit cannot be read.
        """
        kept = await asyncio.to_thread(IndexStore(self._folder, self._max_bytes).load_overview, key)
        if kept is not None:
            return kept
        async with files() as commit:
            found = await self._run(_overview, key, commit.mirror, (self._folder, self._max_bytes))
        assert found is not None
        self._say(key, found)
        return found.overview

    @staticmethod
    def _say(key: Key, found: _Answer) -> None:
        """Log what went wrong with keeping an index."""
        for note in found.notes:
            _LOG.warning("localisation.not_whole", repository=key[0], sha=key[1], error=note)

    async def _run(self, work: Callable[..., _Answer | None], *arguments: object) -> _Answer | None:
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


def _rank(key: Key, text: str, limit: int) -> _Answer | None:
    """Rank with a kept index; None where there is none."""
    index = _KEPT.get(key)
    if index is None:
        return None
    _KEPT.move_to_end(key)
    return _Answer(index.rank(text, limit=limit))


def _build_and_rank(key: Key, text: str, limit: int, mirror: Path, where: tuple[Path | None, int]) -> _Answer:
    """Build the index of a commit, keep it, and rank."""
    index, notes = _index_of(key, mirror, where)
    return _Answer(index.rank(text, limit=limit), notes)


def _overview(key: Key, mirror: Path, where: tuple[Path | None, int]) -> _Answer:
    """Return the map of a commit from its index."""
    index, notes = _index_of(key, mirror, where)
    return _Answer([], notes, index.overview)


def _index_of(key: Key, mirror: Path, where: tuple[Path | None, int]) -> tuple[CodeIndex, tuple[str, ...]]:
    """Return the index of a commit, built from what is kept and from git's objects where it is not in memory."""
    # Several may have asked before the first was done.
    if (index := _KEPT.get(key)) is not None:
        _KEPT.move_to_end(key)
        return index, ()
    store = IndexStore(*where)
    # The index keeps what it needs of each file: the bytes are not needed again.
    with closing(CommitFiles(mirror, key[1], kept_bytes=0)) as commit:
        index = _KEPT[key] = CodeIndex(read_commit(commit, key[0], store))
    store.save_overview(key, index.overview)
    while len(_KEPT) > MAX_KEPT:
        _KEPT.popitem(last=False)
    return index, tuple(store.notes)
