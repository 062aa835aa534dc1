"""Keeps what is known of repositories' files on disk, for all agents of a machine, within a limit."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from miyabi_agents.environments.locks import try_lock
from miyabi_agents.localisation.keeping.pack import Pack, read_pack

#: How long an agent waits for another that reads the same repository; longer than any repository takes.
PATIENCE = timedelta(minutes=2)
#: Pause between two tries.
_PAUSE = timedelta(milliseconds=50)
#: Entries of earlier commits that are kept beside those of the newest, as a share of these: bases of open work differ.
KEPT_SHARE = 0.5
#: A half-written file that is older was left by an agent that died.
_STALE = timedelta(hours=1)


@dataclass
class IndexStore:
    """Files of entries, one for each repository, in one folder.

    Args:
        folder: Where they are; None: nothing is kept.
        max_bytes: What all may take; those that were used least recently are removed.
        notes: What went wrong, one sentence each; work goes on in memory.
    """

    folder: Path | None
    max_bytes: int
    notes: list[str] = field(default_factory=list)

    @contextmanager
    def hold(self, repository: str) -> Iterator[None]:
        """Let no other agent read the same repository during the block, so that it is read once."""
        handle = self._lock(repository)
        try:
            yield
        finally:
            if handle is not None:
                os.close(handle)

    def _lock(self, repository: str) -> int | None:
        """Take a repository's lock; None, with a note, where that cannot be."""
        if self.folder is None:
            return None
        until = time.monotonic() + PATIENCE.total_seconds()
        try:
            while (handle := try_lock(self._path(repository).with_suffix(".lock"))) is None:
                if time.monotonic() > until:
                    self.notes.append(f"another agent has been reading {repository} for {PATIENCE}")
                    return None
                time.sleep(_PAUSE.total_seconds())
        except OSError as error:
            self.notes.append(f"the index of {repository} cannot be locked: {error}")
            return None
        return handle

    def load(self, repository: str) -> Pack:
        """Return what is kept of a repository."""
        if self.folder is None:
            return Pack()
        path = self._path(repository)
        pack = read_pack(path)
        if pack.entries:
            with _tolerated():
                os.utime(path)
        return pack

    def save(self, repository: str, pack: Pack) -> None:
        """Keep entries in place of what was kept; where the disk does not take them, there is a note."""
        if self.folder is None:
            return
        path = self._path(repository)
        content = pack.content()
        if len(content) > self.max_bytes:
            self.notes.append(f"the index of {repository} has {len(content):,} bytes, more than all may take")
            return
        fresh = path.with_name(f".{path.name}.{os.getpid()}")
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self._make_room(len(content), spared=path)
            fresh.write_bytes(content)
            fresh.replace(path)
        except OSError as error:
            self.notes.append(f"the index of {repository} is not kept on disk: {error}")
            with _tolerated():
                fresh.unlink(missing_ok=True)

    def _make_room(self, needed: int, *, spared: Path) -> None:
        """Remove what was used least recently until *needed* bytes fit, and what agents that died left."""
        assert self.folder is not None
        for left in self.folder.glob(".*.index.*"):
            with _tolerated():
                if time.time() - left.stat().st_mtime > _STALE.total_seconds():
                    left.unlink()
        sizes = {}
        for path in self.folder.glob("*.index"):
            with _tolerated():
                state = path.stat()
                sizes[path] = (state.st_mtime, state.st_size)
        sizes.pop(spared, None)
        taken = needed + sum(size for _, size in sizes.values())
        for path, (_, size) in sorted(sizes.items(), key=lambda entry: entry[1]):
            if taken <= self.max_bytes:
                break
            path.unlink(missing_ok=True)
            taken -= size

    def _path(self, repository: str) -> Path:
        """Return where a repository's file is; its name says nothing, so that no name of a repository can lead away."""
        assert self.folder is not None
        return self.folder / f"{hashlib.sha256(repository.encode()).hexdigest()[:32]}.index"


@contextmanager
def _tolerated() -> Iterator[None]:
    """Pass over what another agent removed first, or the disk refuses."""
    try:
        yield
    except OSError:
        return
