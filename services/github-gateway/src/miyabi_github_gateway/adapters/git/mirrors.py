"""Bare mirrors on disk: ten agents that clone one repository cost GitHub one clone."""

from __future__ import annotations

import asyncio
import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

from miyabi_core.errors import ResourceExhaustedError, UnavailableError
from miyabi_core.logging import get_logger
from miyabi_core.text import shortened
from miyabi_github_gateway.adapters.git import metrics
from miyabi_github_gateway.adapters.git.asked import Asked
from miyabi_github_gateway.adapters.git.process import GitFailedError, output_of
from miyabi_github_gateway.adapters.git.upstream import GitUpstream, Refs
from miyabi_github_gateway.errors import GitHubUnavailableError, RepositoryNotFoundError
from miyabi_github_gateway.models import Credential

#: Packs of a mirror before they are joined: each fetch adds one, and git looks through all of them.
MOST_PACKS = 30
#: A look at GitHub that is older does not allow what follows a look, as the second request of a clone does.
ACCESS_SECONDS = 600.0
#: Processes that may share a folder, each with a part of its own; a process that starts anew finds its part again.
MOST_SLOTS = 16
#: What git says when there is no room.
_FULL = ("No space left on device", "Disk quota exceeded", "File too large")
#: What is always kept: branches and tags. Of the rest (a ref for each pull request) comes what is asked for by name.
_KEPT = ("refs/heads/", "refs/tags/")
_REFSPECS = tuple(f"+{start}*:{start}*" for start in _KEPT)
#: What git says where GitHub has no such ref, or shows no such commit.
_NOT_THERE = ("couldn't find remote ref", "not our ref", "no such remote ref")
#: A fetch that writes nothing beside objects and the refs that it names.
_FETCH = ("fetch", "--quiet", "--no-tags", "--force", "--no-write-fetch-head")

_LOG = get_logger(__name__)


class MirrorsFullError(ResourceExhaustedError):
    """A repository does not fit on the disk for mirrors."""

    def __init__(self, repository: str, *, limit_bytes: int) -> None:
        super().__init__(
            f"{repository} does not fit on the gateway's disk for mirrors ({limit_bytes / 2**20:.0f} MiB are allowed): "
            "give it more room, or set MIYABI_GITHUB_GATEWAY_MIRROR_BYTES=0 to serve without mirrors",
            reason="MIRRORS_FULL",
            metadata={"repository": repository},
        )


@dataclass
class _Mirror:
    """A bare repository on disk."""

    path: Path
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    refs: Refs | None = None  #: as of the last fetch; None: not fetched by this process
    looked: int = 0  #: number of the last successful look at GitHub
    looked_at: float = float("-inf")
    used_at: float = 0.0
    users: int = 0
    size_bytes: int = 0


class Mirrors:
    """Keeps a mirror of each repository that is asked for, per credential, as many as fit.

    Args:
        folder: Each process takes a part of its own; None: a temporary one, removed at the end.
        limit_bytes: Of all mirrors together; the one that was not used for longest goes.
        upstream: Tells what branches there are, with the credential.
        fetch_url: Returns the address from which git fetches a repository: our own, where the credential is added.
        clock: Monotonic seconds; tests give their own.
    """

    def __init__(
        self, folder: Path | None, *, limit_bytes: int, upstream: GitUpstream, fetch_url: Callable[[str], str],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:  # fmt: skip
        self._given = folder
        self._base = self._folder = folder or Path()
        self._limit_bytes = limit_bytes
        self._upstream = upstream
        self._fetch_url = fetch_url
        self._clock = clock
        self._mirrors: dict[str, _Mirror] = {}
        self._looks = 0
        self._lock_handle: int | None = None

    async def start(self) -> None:
        """Take the folder, and what an earlier process left in it.

        Raises:
            UnavailableError: too many processes use the folder.
        """
        await asyncio.to_thread(self._take)

    def _take(self) -> None:
        """Lock the first part of the folder that nobody has, and list it."""
        self._base = self._given or Path(tempfile.mkdtemp(prefix="miyabi-mirrors-"))
        for slot in range(MOST_SLOTS):
            self._folder = self._base / f"gateway-{slot}"
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            handle = os.open(self._folder / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                os.close(handle)
                continue
            self._lock_handle = handle
            break
        else:
            message = f"{MOST_SLOTS} gateways keep their mirrors in {self._base} already"
            raise UnavailableError(message, reason="MIRROR_FOLDER_IN_USE")
        for path in self._folder.glob("*.git"):
            self._mirrors[path.stem] = _Mirror(path, used_at=self._clock(), size_bytes=_size(path))
        self._count()

    async def close(self) -> None:
        """Give the folder back; a temporary one is removed."""
        if self._lock_handle is not None:
            os.close(self._lock_handle)
            self._lock_handle = None
        if self._given is None and self._base != Path():
            await asyncio.to_thread(shutil.rmtree, self._base, ignore_errors=True)

    @asynccontextmanager
    async def current(self, repository: str, *, new_look: bool, asked: Asked | None = None) -> AsyncIterator[Path]:
        """Hold the mirror of a repository for the length of the block; it is not removed meanwhile.

        Args:
            repository: `owner/name`.
            new_look: GitHub is asked after this call began, at the beginning of a clone; without it a look within
                the last minutes is enough, as for the requests that follow.
            asked: What is asked for beside branches and tags: it is brought too, where GitHub has it.

        Raises:
            RepositoryNotFoundError: GitHub does not show it to the credential, whatever the mirror has.
            GitHubUnavailableError: GitHub did not answer.
            MirrorsFullError: it does not fit on the disk.
        """
        credential = await self._upstream.credential(repository)
        mirror = self._mirror(repository, credential)
        mirror.users += 1
        try:
            await self._look(repository, mirror, since=self._looks if new_look else None)
            if asked is not None:
                await self._bring_more(repository, mirror, asked)
            mirror.used_at = self._clock()
            yield mirror.path
        finally:
            mirror.users -= 1

    def _mirror(self, repository: str, credential: Credential) -> _Mirror:
        """Return the mirror of a repository and credential; what one credential may see another never gets."""
        material = f"{credential.scope}\0{repository.casefold()}"
        name = f"{repository.casefold().replace('/', '+')}+{sha256(material.encode()).hexdigest()[:16]}"
        return self._mirrors.setdefault(name, _Mirror(self._folder / f"{name}.git"))

    async def _look(self, repository: str, mirror: _Mirror, *, since: int | None) -> None:
        """Ask GitHub unless someone did so after look number *since* had begun; fetch what has changed.

        Whoever waits while another fetches shares that look only if it began later than the waiting: a commit that
        was pushed before a clone began is never missing from it.
        """
        async with mirror.lock:
            if mirror.refs is not None:
                if since is None and self._clock() - mirror.looked_at < ACCESS_SECONDS:
                    return
                if since is not None and mirror.looked > since:
                    return
            self._looks += 1
            number = self._looks
            try:
                refs = await self._upstream.refs(repository)
                fetched = await self._bring(repository, mirror, refs)
            except RepositoryNotFoundError:
                await self._remove(mirror)
                raise
            except GitHubUnavailableError:
                metrics.MIRROR_FETCHES.labels("failed").inc()
                raise
            mirror.looked, mirror.looked_at = number, self._clock()
            metrics.MIRROR_FETCHES.labels("fetched" if fetched else "current").inc()

    async def _bring(self, repository: str, mirror: _Mirror, refs: Refs) -> bool:
        """Make a mirror have the refs; returns whether anything was fetched."""
        if not (mirror.path / "HEAD").exists():
            await output_of("init", "--quiet", "--bare", str(mirror.path), git_dir=mirror.path)
        if mirror.refs is None:
            mirror.refs = await _local_refs(mirror.path)
        if refs.ids == mirror.refs.ids:
            await self._name_head(mirror, refs)
            return False
        # Pruned before anything is written: a branch `feature/one` cannot be where a branch `feature` was.
        try:
            await self._fetched(repository, mirror, "--prune", what=_REFSPECS)
        except MirrorsFullError:
            await self._make_room(keep=None)
            await self._fetched(repository, mirror, "--prune", what=_REFSPECS)
        mirror.refs = await _local_refs(mirror.path)
        await self._name_head(mirror, refs)
        await self._tidy(repository, mirror)
        return True

    async def _bring_more(self, repository: str, mirror: _Mirror, asked: Asked) -> None:
        """Bring heads of pull requests, anew each time, and commits that are on no branch any more.

        What GitHub has not is left out: git tells whoever asked.
        """
        async with mirror.lock:
            for ref in asked.pulls:
                if not await self._fetched(repository, mirror, what=(f"+{ref}:{ref}",)):
                    await output_of("update-ref", "-d", ref, git_dir=mirror.path)
            for commit in await self._lacking(mirror, asked.commits):
                await self._fetched(repository, mirror, what=(commit,))

    async def _lacking(self, mirror: _Mirror, commits: Sequence[str]) -> list[str]:
        """Return the commits that a mirror has not; those that branches name it has."""
        known = set(mirror.refs.ids.values()) if mirror.refs is not None else set()
        unsure = [commit for commit in commits if commit not in known]
        if not unsure:
            return []
        feed = "".join(f"{commit}\n" for commit in unsure).encode()
        said = await output_of("cat-file", "--batch-check", git_dir=mirror.path, feed=feed)
        return [line.split(" ")[0] for line in said.split("\n") if line.endswith(" missing")]

    async def _fetched(self, repository: str, mirror: _Mirror, *options: str, what: tuple[str, ...]) -> bool:
        """Fetch with git from our own address; returns False where GitHub has nothing of that name.

        Raises:
            MirrorsFullError: there is no room.
            GitHubUnavailableError: anything else went wrong.
        """
        url = self._fetch_url(repository)
        try:
            await output_of(*_FETCH, *options, url, *what, git_dir=mirror.path, largest_file=self._limit_bytes)
        except GitFailedError as error:
            if what != _REFSPECS and any(text in str(error) for text in _NOT_THERE):
                return False
            await asyncio.to_thread(_remove_leftovers, mirror.path)
            if any(text in str(error) for text in _FULL):
                metrics.MIRROR_FETCHES.labels("full").inc()
                raise MirrorsFullError(repository, limit_bytes=self._limit_bytes) from error
            _LOG.warning("mirror.failed", repository=repository, error=shortened(str(error).replace(url, "(url)"), 500))
            raise GitHubUnavailableError("a fetch failed") from error
        return True

    async def _name_head(self, mirror: _Mirror, refs: Refs) -> None:
        """Let HEAD name the branch that it names at GitHub, so that a clone checks that one out."""
        assert mirror.refs is not None
        if refs.head and refs.head != mirror.refs.head:
            await output_of("symbolic-ref", "HEAD", refs.head, git_dir=mirror.path)
            mirror.refs = Refs(mirror.refs.ids, refs.head)

    async def _tidy(self, repository: str, mirror: _Mirror) -> None:
        """Join packs where there are many, count, and remove what does not fit."""
        packs = await asyncio.to_thread(lambda: len(list((mirror.path / "objects/pack").glob("*.pack"))))
        # Not under others that read them, unless there would never be a quiet moment.
        if packs > MOST_PACKS and (mirror.users <= 1 or packs > 4 * MOST_PACKS):
            await output_of("repack", "-d", "-q", "--geometric=2", git_dir=mirror.path)
        mirror.size_bytes = await asyncio.to_thread(_size, mirror.path)
        mirror.used_at = self._clock()
        await self._make_room(keep=mirror)
        if self._count() > self._limit_bytes and mirror.size_bytes > self._limit_bytes:
            await self._remove(mirror)
            raise MirrorsFullError(repository, limit_bytes=self._limit_bytes)

    async def _make_room(self, *, keep: _Mirror | None) -> None:
        """Remove mirrors that nobody uses, the one that was not used for longest first, until the rest fits."""
        idle = sorted(
            (one for one in self._mirrors.values() if one.users == 0 and one is not keep and one.size_bytes),
            key=lambda one: one.used_at,
        )
        for one in idle:
            if keep is not None and self._count() <= self._limit_bytes:
                return
            if one.users == 0 and not one.lock.locked():
                async with one.lock:
                    await self._remove(one)
                metrics.MIRROR_EVICTIONS.inc()
                _LOG.info("mirror.evicted", mirror=one.path.name)

    async def _remove(self, mirror: _Mirror) -> None:
        """Remove a mirror's files; the name stays, and is filled again when it is asked for."""
        mirror.refs, mirror.size_bytes = None, 0
        await asyncio.to_thread(shutil.rmtree, mirror.path, ignore_errors=True)
        self._count()

    def _count(self) -> int:
        """Return and publish what all mirrors take."""
        total = sum(one.size_bytes for one in self._mirrors.values())
        metrics.MIRROR_BYTES.set(total)
        return total


async def _local_refs(path: Path) -> Refs:
    """Read a mirror's own refs."""
    try:
        listed = await output_of("for-each-ref", "--format=%(objectname) %(refname)", *_KEPT, git_dir=path)
        head = await output_of("symbolic-ref", "HEAD", git_dir=path)
    except GitFailedError as error:
        # A mirror that was half removed, or written by a disk that was full: begin again.
        _LOG.warning("mirror.broken", mirror=path.name, error=shortened(str(error), 200))
        await asyncio.to_thread(shutil.rmtree, path, ignore_errors=True)
        await output_of("init", "--quiet", "--bare", str(path), git_dir=path)
        return Refs()
    pairs = (line.split(" ", 1) for line in listed.split("\n") if line)
    return Refs({ref: oid for oid, ref in pairs}, head)


def _size(path: Path) -> int:
    """Return the bytes of a folder's files; what vanishes meanwhile counts nothing."""
    total = 0
    for folder, _, names in os.walk(path):
        for name in names:
            try:
                total += os.lstat(os.path.join(folder, name)).st_size  # noqa: PTH118 - os.walk's own names
            except OSError:
                continue
    return total


def _remove_leftovers(path: Path) -> None:
    """Remove what a fetch that failed has left of packs."""
    for leftover in (path / "objects/pack").glob("tmp_*"):
        leftover.unlink(missing_ok=True)
