"""Finds the submodules of a commit, down through nested ones, and brings each from the proxy or this machine."""

from __future__ import annotations

import asyncio
import hashlib
from collections import defaultdict, deque
from dataclasses import dataclass, field
from pathlib import Path

from miyabi_agents.errors import WorkspaceError
from miyabi_agents.workspace.access import OPEN, GitAccess
from miyabi_agents.workspace.commit_files import CommitFiles
from miyabi_agents.workspace.git import git
from miyabi_agents.workspace.listing import Listing
from miyabi_agents.workspace.submodules.addresses import NotServedError, repository_of
from miyabi_agents.workspace.submodules.declared import FILE_NAME, MAX_BYTES, Declared, declared_in, is_usable_name
from miyabi_agents.workspace.submodules.fetching import (
    NotFetchedError,
    fetch_commit,
    has_commit,
    was_fetched,
)
from miyabi_agents.workspace.submodules.found import NO_SUBMODULES, BroughtSubmodules, Submodule
from miyabi_core.text import enumerated, shortened

#: Submodules of one commit that are looked at, nested ones counted, whether they can be had or not.
MAX_MODULES = 20
#: How deep they may lie in one another; 1: no nested ones.
MAX_DEPTH = 3
#: Bytes of all files of all submodules of a commit: a checkout is laid often.
MAX_LAID_BYTES = 1 << 30
#: What is said of a checkout on this machine beside that.
_NOT_THERE = "it is not in the checkout (`git submodule update --init --recursive` brings it)"
#: Paths that one sentence names.
_NAMED = 5


@dataclass(frozen=True)
class _Level:
    """A commit whose submodules are looked for."""

    path: str  #: where it is laid, relative to the checkout; empty: the checkout itself
    repository: str  #: `owner/name`; empty where it has no place at the proxy
    mirror: Path
    sha: str
    depth: int = 0
    local: Path | None = None  #: where this machine keeps its submodules, by name


@dataclass
class _Search:
    """What was found so far, and how many bytes there are left for more."""

    left_bytes: int
    tried: int = 0
    modules: list[Submodule] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def refuse(self, path: str, reason: str) -> None:
        """Say why one was not fetched."""
        name = shortened(ascii(path)[1:-1], 200)
        self.notes.append(f"submodule {name} was not fetched: {reason}")


class Submodules:
    """Brings submodules.

    Args:
        git_url: Base of the proxy.
        folder: Mirrors go below it.
        host: Host of GitHub: addresses of others are not served.
        access: What git shows to the proxy.
        local: `.git/modules` of a checkout on this machine, whose objects are used where they are; None: there is none.
        most_bytes: Of all files of all submodules of a commit; 1 GiB by default.
    """

    def __init__(
        self,
        git_url: str,
        folder: Path,
        *,
        host: str,
        access: GitAccess = OPEN,
        local: Path | None = None,
        most_bytes: int = MAX_LAID_BYTES,
    ) -> None:
        self._git_url, self._folder, self._host, self._access = git_url, folder, host, access
        self._local, self._most_bytes = local, most_bytes
        self._locks: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def of(self, repository: str, mirror: Path, sha: str) -> BroughtSubmodules:
        """Bring the submodules of a commit, and those in them.

        Args:
            repository: `owner/name`.
            mirror: Has the commit.
            sha: The commit.

        Raises:
            WorkspaceError: the proxy is out of reach, or the disk is full.
        """
        search, waiting = _Search(self._most_bytes), deque([_Level("", repository, mirror, sha, local=self._local)])
        while waiting:
            waiting.extend(await self._below(waiting.popleft(), search))
        if not search.modules and not search.notes:
            return NO_SUBMODULES
        return BroughtSubmodules(tuple(search.modules), tuple(search.notes))

    async def _below(self, level: _Level, search: _Search) -> list[_Level]:
        """Bring the submodules of one commit; returns those in which others may lie."""
        files = CommitFiles(level.mirror, level.sha, kept_bytes=0)
        try:
            listing = await asyncio.to_thread(files.listing)
            if not listing.submodules:
                return []
            paths = _free(level, listing, search)
            if level.depth == MAX_DEPTH:
                names = enumerated([_join(level.path, path) for path in paths], _NAMED)
                search.notes.append(f"submodules that lie deeper than {MAX_DEPTH} were not fetched: {names}")
                return []
            declared = await _declared(files, level, search)
        finally:
            await asyncio.shield(asyncio.to_thread(files.close))
        found = []
        for index, path in enumerate(paths if declared is not None else []):
            if search.tried == MAX_MODULES:
                names = enumerated([_join(level.path, rest) for rest in paths[index:]], _NAMED)
                search.notes.append(f"submodules beyond the first {MAX_MODULES} were not fetched: {names}")
                break
            assert declared is not None
            search.tried += 1
            try:
                one = await self._bring(level, path, listing.submodules[path], declared.get(path))
                await _measure(one, search)
            except NotFetchedError as error:
                search.refuse(_join(level.path, path), str(error))
                continue
            search.modules.append(Submodule(one.path, one.mirror, one.sha))
            found.append(one)
        return found

    async def _bring(self, level: _Level, path: str, sha: str, declared: Declared | None) -> _Level:
        """Bring one submodule.

        Raises:
            NotFetchedError: its address is none that is fetched, or it cannot be had.
        """
        if declared is None:
            raise NotFetchedError(f"{FILE_NAME} does not name it")
        if not is_usable_name(declared.name):
            raise NotFetchedError("its name leads out of where submodules are kept, or is taken for an option")
        where, depth = _join(level.path, path), level.depth + 1
        local = None if level.local is None else await asyncio.to_thread(_inside, level.local, declared.name)
        if local is not None and (mirror := await self._borrowed(local, sha)):
            name = _name_or_nothing(declared.url, level.repository, self._host)
            return _Level(where, name, mirror, sha, depth, local / "modules")
        if self._local is not None and not self._git_url:
            raise NotFetchedError(_NOT_THERE)
        try:
            repository, mirror = await self._fetched(declared.url, level.repository, sha)
        except (NotServedError, NotFetchedError) as error:
            raise NotFetchedError(f"{error}" if self._local is None else f"{error}, and {_NOT_THERE}") from error
        return _Level(where, repository, mirror, sha, depth)

    async def _fetched(self, url: str, parent: str, sha: str) -> tuple[str, Path]:
        """Return the repository of an address, and its mirror, which has the commit then.

        Raises:
            NotServedError: the address is none that is fetched.
            NotFetchedError: the commit cannot be had.
        """
        if not parent:
            raise NotServedError("the repository that it lies in has no place at the gateway")
        repository = repository_of(url, parent=parent, host=self._host)
        mirror = self._folder / f"{repository}.git"
        async with self._locks[repository.casefold()]:
            if not await was_fetched(mirror, sha):
                place = f"{self._git_url}/{repository}.git"
                await fetch_commit(mirror, sha, url=place, repository=repository, access=self._access)
        return repository, mirror

    async def _borrowed(self, local: Path, sha: str) -> Path | None:
        """Return a bare repository of ours that reads a local one's objects; nothing else of that one is looked at."""
        name = hashlib.sha256(bytes(local)).hexdigest()[:32]
        mirror = self._folder / f"local/{name}.git"
        async with self._locks[name]:
            await git("init", "--quiet", "--bare", str(mirror))
            alternates = mirror / "objects/info/alternates"
            await asyncio.to_thread(alternates.write_bytes, bytes(local / "objects") + b"\n")
            return mirror if await has_commit(mirror, sha) else None


def _free(level: _Level, listing: Listing, search: _Search) -> list[str]:
    """Return the folders of submodules, in order, where nothing else lies; a hostile tree may hold both."""
    files = {*listing.blobs, *listing.links, *listing.submodules}
    taken = {*listing.blobs, *listing.links, *listing.folders}
    found: list[str] = []
    hidden: list[str] = []
    for path in sorted(listing.submodules):
        parts = path.split("/")
        above = {"/".join(parts[:count]) for count in range(1, len(parts))}
        if path in taken or above & files:
            hidden.append(_join(level.path, path))
        else:
            found.append(path)
    if hidden:
        names = enumerated(hidden, _NAMED)
        search.notes.append(f"submodules in whose place other files lie were not fetched: {names}")
    return found


async def _declared(files: CommitFiles, level: _Level, search: _Search) -> dict[str, Declared] | None:
    """Read `.gitmodules`; None where it cannot be read, which is said."""
    try:
        content = await asyncio.to_thread(files.read_whole, FILE_NAME, longest=MAX_BYTES)
        return await declared_in(content or b"")
    except WorkspaceError as error:
        if error.retryable:
            raise
        too_large = error.code == "TOO_LARGE"
        reason = f"it is larger than {MAX_BYTES >> 10} KB" if too_large else "git cannot read it"
        search.notes.append(f"no submodule was fetched of {_join(level.path, FILE_NAME)}: {reason}")
        return None


async def _measure(one: _Level, search: _Search) -> None:
    """Count the bytes of a submodule's files.

    Raises:
        NotFetchedError: all together they are too large.
    """
    try:
        output = await git("ls-tree", "-r", "-l", "-z", one.sha, variables={"GIT_DIR": str(one.mirror)})
    except WorkspaceError as error:
        raise NotFetchedError("objects of it are missing") from error
    heads = [entry.partition(b"\t")[0].split() for entry in output.split(b"\0") if entry]
    size = sum(int(head[3]) for head in heads if head[3].isdigit())
    if size > search.left_bytes:
        raise NotFetchedError(f"with its {size:,} bytes, all submodules together would be too large")
    search.left_bytes -= size


def _inside(folder: Path, name: str) -> Path | None:
    """Return a folder of a local repository below another; None where it is none, or a link leads out."""
    root, place = folder.resolve(), (folder / name).resolve()
    objects = (place / "objects").resolve()
    if not (place.is_relative_to(root) and objects.is_relative_to(place) and objects.is_dir()):
        return None
    return place if b"\n" not in bytes(place) else None


def _name_or_nothing(url: str, parent: str, host: str) -> str:
    """Return the repository of an address at the proxy; empty where it has none."""
    try:
        return repository_of(url, parent=parent, host=host) if parent else ""
    except NotServedError:
        return ""


def _join(folder: str, path: str) -> str:
    """Return a path below a folder; an empty folder is the checkout's root."""
    return f"{folder}/{path}" if folder else path
