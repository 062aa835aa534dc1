"""Makes worktrees from a bare mirror that all tasks of a repository share."""

from __future__ import annotations

import asyncio
import re
import secrets
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from miyabi.coordinator.v1.result_pb2 import ChangeSet
from miyabi_agents.environments.locks import hold_lock
from miyabi_agents.errors import WorkspaceError
from miyabi_agents.sandbox.removal import remove_tree
from miyabi_agents.workspace.access import OPEN, GitAccess
from miyabi_agents.workspace.checkouts import CheckoutPool, Part
from miyabi_agents.workspace.commit_files import CommitFiles
from miyabi_agents.workspace.git import git, git_network
from miyabi_agents.workspace.objects import ObjectTree
from miyabi_agents.workspace.pulls.comparison import Comparison, changed_files, merge_base, taken_off
from miyabi_agents.workspace.pulls.refs import PullRequestRefs, fetched_refs
from miyabi_agents.workspace.submodules import BroughtSubmodules, KeptSubmodules, Submodules
from miyabi_agents.workspace.submodules.laying import lay_submodules, still_there
from miyabi_agents.workspace.worktree import GitWorktree, lay_files

_REPOSITORY = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,38}/[A-Za-z0-9._-]{1,100}")
_SHA = re.compile(r"[0-9a-f]{40}([0-9a-f]{24})?")


class GitWorkspaces:
    """Implements `ports.Workspaces`.

    Args:
        git_url: Base of the git proxy; repositories are at `{git_url}/OWNER/NAME.git`.
        data_dir: Mirrors, worktrees and git directories go below it.
        shared_dir: Worktrees go below it instead, where a sandbox in a container of its own sees nothing else.
        access: What git shows to the proxy.
        github_host: Host of GitHub; `github.com` by default. Submodules of others are not fetched.
        local_submodules: `.git/modules` of a checkout on this machine: submodules that are there are not fetched.

    A mirror is fetched under a lock, by one task at a time, and only when a commit is missing.
    """

    def __init__(
        self,
        git_url: str,
        data_dir: Path,
        *,
        shared_dir: Path | None = None,
        access: GitAccess = OPEN,
        github_host: str = "github.com",
        local_submodules: Path | None = None,
    ) -> None:
        self._git_url = git_url.rstrip("/")
        self._access = access
        self._data_dir = data_dir.resolve()
        self._worktrees = (shared_dir or data_dir).resolve() / "worktrees"
        self._pool = CheckoutPool(self._worktrees, self._data_dir / "gitdirs")
        self._locks: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._submodules = KeptSubmodules(
            Submodules(
                self._git_url,
                self._data_dir / "submodules",
                host=github_host,
                access=access,
                local=local_submodules,
            )
        )

    def remove_leftovers(self) -> None:
        """Remove what tasks of a process that is gone have left; call once, at start."""
        _remove(self._worktrees, self._data_dir / "gitdirs")

    @asynccontextmanager
    async def open(
        self, *, repository: str, sha: str, label: str, submodules_of: str = ""
    ) -> AsyncIterator[GitWorktree]:
        """Check out *sha*; the checkout is kept for the next run when the block ends, and cleaned before it.

        Submodules are laid as *sha* pins them, or as another commit does, where *sha* still has them.

        Raises:
            WorkspaceError: the commit is gone, or the proxy is out of reach.
        """
        found = await self.submodules(repository=repository, sha=submodules_of or sha)
        async with AsyncExitStack() as stack:
            commit = await stack.enter_async_context(self.files(repository=repository, sha=sha))
            modules = await asyncio.to_thread(still_there, found.modules, commit)
            parts = [Part(CommitFiles(one.mirror, one.sha, kept_bytes=0), one.path) for one in modules]
            for part in parts:
                stack.push_async_callback(asyncio.to_thread, part.commit.close)
            lending = self._pool.lend(repository, commit, name=_named(label), submodules=parts)
            lent = await stack.enter_async_context(lending)
            yield GitWorktree(path=lent.path, base_sha=sha, git_dir=lent.git_dir)

    @asynccontextmanager
    async def files(self, *, repository: str, sha: str) -> AsyncIterator[CommitFiles]:
        """Read the files of a commit from git's objects.

        Raises:
            WorkspaceError: the commit is gone, or the proxy is out of reach.
        """
        found = CommitFiles(await self._mirror_of(repository, sha), sha)
        try:
            yield found
        finally:
            await asyncio.shield(asyncio.to_thread(found.close))

    @asynccontextmanager
    async def compare(self, pull: PullRequestRefs) -> AsyncIterator[Comparison]:
        """Compare a pull request's head with what it has in common with its base, as GitHub shows it.

        Neither tree is checked out, and no content is kept.

        Raises:
            WorkspaceError: a commit is gone, head and base have nothing in common, or the proxy is out of reach.
        """
        for sha in filter(None, (pull.head_sha, pull.base_sha)):
            _check(pull.repository, sha)
        mirror, remote = self._mirror_path(pull.repository), self._remote(pull.repository)
        async with self._locks[pull.repository], hold_lock(mirror.with_suffix(".lock")):
            base_sha, notes = await fetched_refs(mirror, pull, remote=remote, access=self._access)
        common, more = await merge_base(mirror, base_sha, pull.head_sha)
        base, head = CommitFiles(mirror, common, kept_bytes=0), CommitFiles(mirror, pull.head_sha, kept_bytes=0)
        try:
            yield Comparison(base, pull.head_sha, await changed_files(mirror, base, head), (*notes, *more))
        finally:
            await asyncio.shield(asyncio.to_thread(base.close))
            await asyncio.shield(asyncio.to_thread(head.close))

    async def taken_off(self, *, repository: str, branch: str, sha: str) -> int:
        """Return how many commits up to *sha* a branch does not have any more, since it was rewritten.

        Raises:
            WorkspaceError: the commit is gone, or the proxy is out of reach.
        """
        mirror = await self._mirror_of(repository, sha)
        async with self._locks[repository], hold_lock(mirror.with_suffix(".lock")):
            await self._fetch(repository, mirror, sha)
        return await taken_off(mirror, branch, sha)

    async def submodules(self, *, repository: str, sha: str) -> BroughtSubmodules:
        """Return the submodules whose files lie in checkouts of a commit, and a note on each that could not be had.

        Raises:
            WorkspaceError: the commit is gone, or the proxy is out of reach.
        """
        return await self._submodules.of(repository, await self._mirror_of(repository, sha), sha)

    def scratch(self, label: str) -> Path:
        """Make a folder where the sandbox reaches it; whoever asks for it removes it."""
        path = self._worktrees / _named(label)
        path.mkdir(parents=True)
        return path

    @asynccontextmanager
    async def edit(self, *, repository: str, sha: str) -> AsyncIterator[ObjectTree]:
        """Edit a commit without a checkout.

        Raises:
            WorkspaceError: the commit is gone, or the proxy is out of reach.
        """
        async with self.files(repository=repository, sha=sha) as base:
            git_dir = self._data_dir / "gitdirs" / f"edit-{secrets.token_hex(8)}"
            try:
                await _borrow(base.mirror, git_dir)
                remote = self._remote(repository)
                yield ObjectTree(base, git_dir=git_dir, remote=remote, access=self._access)
            finally:
                await asyncio.shield(asyncio.to_thread(remove_tree, git_dir))

    async def lay(self, *, repository: str, sha: str, path: Path, change: ChangeSet | None = None) -> None:
        """Lay the files of a commit, with some of a change, into an empty folder.

        Raises:
            WorkspaceError: the commit is gone, or the proxy is out of reach.
        """
        mirror = await self._mirror_of(repository, sha)
        modules = await self._submodules.of(repository, mirror, sha)
        git_dir = self._data_dir / "gitdirs" / f"lay-{secrets.token_hex(8)}"
        try:
            await _check_out(mirror, sha, path=path, git_dir=git_dir)
            await lay_submodules(modules.modules, path, git_dirs=git_dir.parent)
            if change is not None:
                await lay_files(path, change.files, base_sha=sha, git_dir=git_dir)
        finally:
            await asyncio.shield(asyncio.to_thread(remove_tree, git_dir))

    def _remote(self, repository: str) -> str:
        """Return the URL of a repository at the proxy."""
        return f"{self._git_url}/{repository}.git"

    async def _mirror_of(self, repository: str, sha: str) -> Path:
        """Return the mirror of a repository that has a commit.

        Raises:
            WorkspaceError: they name none, the commit is gone, or the proxy is out of reach.
        """
        _check(repository, sha)
        return await self._mirror(repository, sha)

    def _mirror_path(self, repository: str) -> Path:
        """Return where the mirror of a repository lies."""
        return self._data_dir / "mirrors" / f"{repository}.git"

    async def _mirror(self, repository: str, sha: str) -> Path:
        """Return the mirror of a repository, fetched where it lacks the commit."""
        mirror = self._mirror_path(repository)
        async with self._locks[repository]:
            if not await _has(mirror, sha):
                async with hold_lock(mirror.with_suffix(".lock")):
                    if not await _has(mirror, sha):
                        await self._fetch(repository, mirror, sha)
        return mirror

    async def _fetch(self, repository: str, mirror: Path, sha: str) -> None:
        """Fetch all branches, and a commit that is on none of them since a branch was rewritten by its id."""
        if not (mirror / "HEAD").exists():
            mirror.parent.mkdir(parents=True, exist_ok=True)
            await git("init", "--quiet", "--bare", str(mirror))
        refspec = "+refs/heads/*:refs/heads/*"
        variables = {"GIT_DIR": str(mirror), **self._access.variables()}
        # Pruned, since a branch `feature/one` cannot be where a branch `feature` was.
        fetch = ("fetch", "--quiet", "--prune", "--no-tags", "--no-write-fetch-head", self._remote(repository), refspec)
        await git_network(*fetch, variables=variables)
        if not await _has(mirror, sha):
            await self._fetch_lost(repository, mirror, sha)
        if not await _has(mirror, sha):
            raise WorkspaceError(f"{repository} has no commit {sha[:12]} on any branch", code="NO_SUCH_COMMIT")

    async def _fetch_lost(self, repository: str, mirror: Path, sha: str) -> None:
        """Fetch a commit by its id, as GitHub hands it out for a while; where nobody has it, leave it at that."""
        variables = {"GIT_DIR": str(mirror), **self._access.variables()}
        fetch = ("fetch", "--quiet", "--no-tags", "--no-write-fetch-head", self._remote(repository), sha)
        try:
            await git_network(*fetch, variables=variables)
        except WorkspaceError as error:
            if error.code != "GIT_FAILED":
                raise


def _check(repository: str, sha: str) -> None:
    """Refuse what names no commit.

    Raises:
        WorkspaceError: it does not.
    """
    if _REPOSITORY.fullmatch(repository) is None or _SHA.fullmatch(sha) is None:
        raise WorkspaceError(f"{repository}@{sha} names no commit", code="NO_SUCH_COMMIT")


def _named(label: str) -> str:
    """Return a name for a folder that nobody else has."""
    return f"{re.sub(r'[^A-Za-z0-9._-]', '-', label)[:60]}-{secrets.token_hex(4)}"


async def _has(mirror: Path, sha: str) -> bool:
    """Tell whether a mirror has a commit."""
    if not (mirror / "HEAD").exists():
        return False
    try:
        await git("cat-file", "-e", f"{sha}^{{commit}}", variables={"GIT_DIR": str(mirror)})
    except WorkspaceError:
        return False
    return True


async def _check_out(mirror: Path, sha: str, *, path: Path, git_dir: Path) -> None:
    """Make a git directory that borrows the mirror's objects, and fill the worktree."""
    await asyncio.to_thread(path.mkdir, parents=True, exist_ok=True)
    await _borrow(mirror, git_dir)
    variables = {"GIT_DIR": str(git_dir), "GIT_WORK_TREE": str(path)}
    await git("read-tree", sha, variables=variables)
    await git("checkout-index", "--all", "--force", cwd=path, variables=variables)


async def _borrow(mirror: Path, git_dir: Path) -> None:
    """Make a git directory that borrows a mirror's objects."""
    await asyncio.to_thread(git_dir.parent.mkdir, parents=True, exist_ok=True)
    await git("init", "--quiet", "--bare", str(git_dir))
    await asyncio.to_thread((git_dir / "objects/info/alternates").write_text, f"{mirror / 'objects'}\n")


def _remove(*paths: Path) -> None:
    """Remove folders, whatever is in them; what cannot be removed stays, and keeps nobody from starting."""
    for path in paths:
        remove_tree(path)
