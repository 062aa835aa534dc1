"""Keeps what is known of repositories' files on disk, for all agents of a machine, within a limit."""

from __future__ import annotations

import hashlib
import os
import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from miyabi_agents.environments.locks import try_lock
from miyabi_agents.localisation.keeping.pack import FORMAT, Pack, read_pack

#: How long an agent waits for another that reads the same repository; longer than any repository takes.
PATIENCE = timedelta(minutes=2)
#: Pause between two tries.
_PAUSE = timedelta(milliseconds=50)
#: Bytes of a map's file that are read: ours have far fewer.
_MAX_OVERVIEW_BYTES = 1 << 16
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
        self._write(path, content, what=f"the index of {repository}")

    def load_overview(self, key: tuple[str, str]) -> str | None:
        """Return the map of a commit that an agent of this machine made; None where there is none that is whole.

        Args:
            key: A repository and a commit.
        """
        if self.folder is None:
            return None
        path = self._overview_path(key)
        try:
            with path.open("rb") as file:
                checksum, _, text = file.read(_MAX_OVERVIEW_BYTES).partition(b"\n")
            os.utime(path)
            return text.decode() if checksum == _checksum(text) else None
        except (OSError, UnicodeDecodeError):
            return None

    def save_overview(self, key: tuple[str, str], text: str) -> None:
        """Keep the map of a commit, where all may take as much."""
        content = text.encode()
        whole = _checksum(content) + b"\n" + content
        if self.folder is not None and len(whole) <= self.max_bytes:
            self._write(self._overview_path(key), whole, what=f"the map of {key[0]}")

    def _overview_path(self, key: tuple[str, str]) -> Path:
        """Return where a commit's map is."""
        assert self.folder is not None
        return self.folder / f"{hashlib.sha256(chr(0).join((*key, str(FORMAT))).encode()).hexdigest()[:32]}.map"

    def _write(self, path: Path, content: bytes, *, what: str) -> None:
        """Write a file whole or not at all; where the disk does not take it, there is a note."""
        assert self.folder is not None
        fresh = path.with_name(f".{path.name}.{os.getpid()}")
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self._make_room(len(content), spared=path)
            fresh.write_bytes(content)
            fresh.replace(path)
        except OSError as error:
            self.notes.append(f"{what} is not kept on disk: {error}")
            with _tolerated():
                fresh.unlink(missing_ok=True)

    def _make_room(self, needed: int, *, spared: Path) -> None:
        """Remove what was used least recently until *needed* bytes fit, and what agents that died left."""
        assert self.folder is not None
        for left in (*self.folder.glob(".*.index.*"), *self.folder.glob(".*.map.*")):
            with _tolerated():
                if time.time() - left.stat().st_mtime > _STALE.total_seconds():
                    left.unlink()
        sizes = {}
        for path in (*self.folder.glob("*.index"), *self.folder.glob("*.map")):
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


def _checksum(content: bytes) -> bytes:
    """Return the first line of a map's file."""
    return b"%08x" % zlib.crc32(content)


@contextmanager
def _tolerated() -> Iterator[None]:
    """Pass over what another agent removed first, or the disk refuses."""
    try:
        yield
    except OSError:
        return
