"""A pool of checkouts: each is kept for its repository and moved to the next commit by what differs."""

from __future__ import annotations

import asyncio
import hashlib
import os
import posixpath
from collections.abc import AsyncIterator, Collection, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from prometheus_client import Counter

from miyabi_agents.sandbox.removal import remove_tree
from miyabi_agents.workspace.commit_files import CommitFiles
from miyabi_agents.workspace.git import git
from miyabi_agents.workspace.listing import Listing
from miyabi_agents.workspace.snapshot import FOLDER_MODE, Snapshot
from miyabi_agents.workspace.submodules.laying import make_read_only
from miyabi_core.metrics import REGISTRY

#: Checkouts that are kept while nobody uses them, over all repositories; the least recently used go first.
MAX_IDLE = 6
#: Checkouts that were laid whole, and those that were moved by what differs.
CHECKOUTS = Counter(
    "miyabi_agents_checkouts_total", "Checkouts given to runs, by how they were laid.", ["how"], registry=REGISTRY
)


@dataclass(frozen=True)
class Part:
    """Files of one commit and where they lie: those of the checkout itself, or of a submodule."""

    commit: CommitFiles
    folder: str = ""  #: relative to the checkout's root; empty: the root

    def at(self, path: str) -> str:
        """Return where a file of the commit lies in the checkout."""
        return f"{self.folder}/{path}" if self.folder else path

    def listing(self) -> Listing:
        """Return what the commit holds, by path in the checkout; it blocks."""
        found = self.commit.listing()
        if not self.folder:
            return found
        return Listing(
            # The same content may be checked out otherwise by the attributes of another repository.
            {self.at(path): f"{self.folder}:{blob}" for path, blob in found.blobs.items()},
            frozenset(map(self.at, found.executable)),
            {self.at(path): blob for path, blob in found.links.items()},
        )


@dataclass
class Slot:
    """One kept checkout."""

    repository: str
    path: Path
    git_dir: Path
    sha: str = ""
    listing: Listing | None = None
    snapshot: Snapshot = field(default_factory=Snapshot)


class CheckoutPool:
    """Lends checkouts, each to one run at a time.

    Args:
        folder: Where they lie, and where the sandbox reaches them.
        git_dirs: Where their git directories lie, out of its reach.
    """

    def __init__(self, folder: Path, git_dirs: Path) -> None:
        self._folder, self._git_dirs = folder, git_dirs
        self._idle: list[Slot] = []
        self._made = 0

    @asynccontextmanager
    async def lend(
        self, repository: str, commit: CommitFiles, *, name: str, submodules: Sequence[Part] = ()
    ) -> AsyncIterator[Slot]:
        """Lend a checkout of a commit, exactly as the commit has it; what is left in it is removed before the next.

        Files of *submodules* lie in it too, and may not be written.

        A checkout whose preparation or use was broken off is given up.

        Raises:
            WorkspaceError: git failed, or the disk is full.
        """
        slot = self._take(repository, commit.sha, name)
        kept = False
        try:
            await self._prepare(slot, [Part(commit), *submodules])
            yield slot
            kept = True
        finally:
            if kept:
                self._idle.append(slot)
            else:
                await asyncio.shield(asyncio.to_thread(_give_up, slot))
            while len(self._idle) > MAX_IDLE:
                await asyncio.shield(asyncio.to_thread(_give_up, self._idle.pop(0)))

    def _take(self, repository: str, sha: str, name: str) -> Slot:
        """Take an idle checkout of the repository, of the same commit where there is one, or begin another."""
        own = [slot for slot in self._idle if slot.repository == repository]
        chosen = next((slot for slot in own if slot.sha == sha), own[0] if own else None)
        if chosen is not None:
            self._idle.remove(chosen)
            return chosen
        self._made += 1
        name = f"{name}-{self._made}"
        return Slot(repository, self._folder / name, self._git_dirs / name)

    async def _prepare(self, slot: Slot, parts: Sequence[Part]) -> None:
        """Make a checkout hold exactly the files of commits."""
        listing = await asyncio.to_thread(_united, parts)
        if slot.listing is None:
            CHECKOUTS.labels("whole").inc()
            await _begin(slot)
            gone, wanted = [], set(listing.blobs)
        else:
            CHECKOUTS.labels("moved").inc()
            before = slot.listing
            broken = await asyncio.to_thread(slot.snapshot.clean, slot.path)
            # Links are few, and made anew each time.
            gone = sorted(path for path in slot.snapshot.files if path not in listing.blobs)
            differing = [path for path, blob in listing.blobs.items() if _other(path, blob, before, listing)]
            wanted = {*differing, *(path for path in broken if path in listing.blobs)}
        await asyncio.to_thread(_borrow, slot, parts)
        await asyncio.to_thread(_remove_files, slot, gone)
        for part in parts:
            await _lay(slot, part, wanted=wanted)
        for part in parts:
            await asyncio.to_thread(_link, slot, part)
        slot.sha, slot.listing = parts[0].commit.sha, listing


def _united(parts: Iterable[Part]) -> Listing:
    """Return what parts hold together."""
    found = [part.listing() for part in parts]
    if len(found) == 1:
        return found[0]
    blobs = {path: blob for one in found for path, blob in one.blobs.items()}
    return Listing(blobs, frozenset[str]().union(*(one.executable for one in found)))


def _other(path: str, blob: str, before: Listing, after: Listing) -> bool:
    """Tell whether a file differs between two commits, in content or mode."""
    return before.blobs.get(path) != blob or (path in before.executable) != (path in after.executable)


async def _begin(slot: Slot) -> None:
    """Make the folders of a checkout, and its git directory."""
    await asyncio.to_thread(_make, slot)
    await git("init", "--quiet", "--bare", str(slot.git_dir))


def _borrow(slot: Slot, parts: Iterable[Part]) -> None:
    """Let a checkout's git directory read the objects of mirrors."""
    lines = dict.fromkeys(f"{part.commit.mirror / 'objects'}\n" for part in parts)
    (slot.git_dir / "objects/info/alternates").write_text("".join(lines))


def _make(slot: Slot) -> None:
    """Make the folders."""
    slot.path.mkdir(parents=True)
    slot.path.chmod(FOLDER_MODE)
    slot.git_dir.parent.mkdir(parents=True, exist_ok=True)


async def _lay(slot: Slot, part: Part, *, wanted: Collection[str]) -> None:
    """Write those files of a part that are wanted, with its commit's time on all that is written."""
    paths = await asyncio.to_thread(_wanted_of, part, wanted) if wanted else []
    if paths:
        root = slot.path / part.folder
        await asyncio.to_thread(root.mkdir, parents=True, exist_ok=True)
        index = slot.git_dir / f"index-{hashlib.sha256(part.folder.encode()).hexdigest()[:16]}"
        variables = {"GIT_DIR": str(slot.git_dir), "GIT_WORK_TREE": str(root), "GIT_INDEX_FILE": str(index)}
        await git("read-tree", part.commit.sha, variables=variables)
        names = b"".join(path.encode("utf-8", "surrogateescape") + b"\0" for path in paths)
        await git("checkout-index", "--force", "-z", "--stdin", cwd=root, variables=variables, stdin=names)
    await asyncio.to_thread(_note, slot, part, paths)


def _wanted_of(part: Part, wanted: Collection[str]) -> list[str]:
    """Return which files of a part's commit are wanted, sorted; it blocks."""
    return sorted(path for path in part.commit.listing().blobs if part.at(path) in wanted)


def _remove_files(slot: Slot, gone: list[str]) -> None:
    """Remove files that the commit does not have."""
    before = set(slot.snapshot.folders)
    for path in gone:
        remove_tree(slot.path / path)
    slot.snapshot.forget(gone)
    for folder in before - slot.snapshot.folders:
        remove_tree(slot.path / folder)


def _note(slot: Slot, part: Part, paths: Iterable[str]) -> None:
    """Give files the commit's time, those of a submodule no right to be written, and remember how they are."""
    written = [part.at(path) for path in paths]
    for path in written:
        if part.folder:
            make_read_only(slot.path / path)
        _set_time(slot.path / path, part.commit)
    slot.snapshot.note(slot.path, written)
    for folder in slot.snapshot.folders:
        (slot.path / folder).chmod(FOLDER_MODE)


def _set_time(place: Path, commit: CommitFiles) -> None:
    """Give a file or a link the commit's time."""
    moment = int(commit.committed.timestamp() * 1_000_000_000)
    os.utime(place, ns=(moment, moment), follow_symlinks=False)


def _link(slot: Slot, part: Part) -> None:
    """Make a commit's symbolic links, where they stay inside the checkout; others are left out."""
    for own in sorted(part.commit.listing().links):
        target, path = part.commit.link_target(own), part.at(own)
        place = slot.path / path
        if target is None or not _stays_inside(path, target) or os.path.lexists(place):
            continue
        if not _reachable(slot.path, posixpath.dirname(path)):
            continue
        place.parent.mkdir(parents=True, exist_ok=True)
        place.symlink_to(target)
        _set_time(place, part.commit)
        slot.snapshot.note(slot.path, [path])


def _reachable(root: Path, folder: str) -> bool:
    """Tell whether no part of a folder's path is a link or a file."""
    place = root
    for part in filter(None, folder.split("/")):
        place = place / part
        if place.is_symlink() or (place.exists() and not place.is_dir()):
            return False
    return True


def _stays_inside(path: str, target: str) -> bool:
    """Tell whether a link leads to what lies in the same checkout, by its text alone."""
    if target.startswith("/") or "\0" in target:
        return False
    resolved = posixpath.normpath(posixpath.join(posixpath.dirname(path), target))
    return resolved != ".." and not resolved.startswith("../")


def _give_up(slot: Slot) -> None:
    """Remove a checkout."""
    remove_tree(slot.path)
    remove_tree(slot.git_dir)
