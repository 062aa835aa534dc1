"""One checkout of a commit; its git directory lies elsewhere."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from pathlib import Path

from miyabi.coordinator.v1.result_pb2 import ChangeSet, FileChange
from miyabi_agents.errors import WorkspaceError
from miyabi_agents.workspace import linkfree
from miyabi_agents.workspace.access import OPEN, GitAccess
from miyabi_agents.workspace.changes import change_set
from miyabi_agents.workspace.git import git, git_network

#: Author of every commit.
IDENTITY = ("Miyabi", "miyabi@users.noreply.github.com")
#: Files that tools leave behind and that are never part of a change.
_LEFTOVERS = (":(exclude,glob)**/__pycache__/**", ":(exclude,glob)**/*.pyc", ":(exclude,glob)**/.pytest_cache/**")


class GitWorktree:
    """Implements `ports.Worktree` over a bare git directory of its own that borrows the mirror's objects.

    Args:
        path: Root of the checkout.
        git_dir: Its git directory, outside of it.
        base_sha: The commit that was checked out.
        remote: URL to push to.
        access: What git shows there.
    """

    def __init__(self, *, path: Path, git_dir: Path, base_sha: str, remote: str, access: GitAccess = OPEN) -> None:
        self._access = access
        self._path = path
        self._git_dir = git_dir
        self._base_sha = base_sha
        self._remote = remote

    @property
    def path(self) -> Path:
        """Root of the checkout."""
        return self._path

    @property
    def base_sha(self) -> str:
        """The commit that was checked out."""
        return self._base_sha

    def read(self, path: str) -> bytes:
        """Read a file without following links."""
        return linkfree.read(self._path, path)[0]

    def write(self, path: str, content: bytes) -> None:
        """Write a file without following links; one that was executable stays so."""
        executable = False
        try:
            executable = linkfree.read(self._path, path)[1]
        except WorkspaceError as error:
            if error.code != "NO_SUCH_FILE":
                raise
        linkfree.write(self._path, path, content, executable=executable)

    def list_files(self) -> Sequence[str]:
        """List regular files, sorted; links and `.git` are left out."""
        found = []
        for folder, names, files in os.walk(self._path, followlinks=False):
            names[:] = sorted(name for name in names if name.casefold() != ".git" and name != "__pycache__")
            base = Path(folder).relative_to(self._path)
            found += [(base / name).as_posix() for name in files if not (Path(folder) / name).is_symlink()]
        return sorted(found)

    async def apply(self, change: ChangeSet) -> None:
        """Lay *change* over the checkout.

        Raises:
            WorkspaceError: its base is another commit, or a path is refused.
        """
        if change.base_sha != self._base_sha:
            message = f"the change starts from {change.base_sha[:12]}, the checkout from {self._base_sha[:12]}"
            raise WorkspaceError(message, code="BASE_DIFFERS")
        await asyncio.to_thread(apply_files, self._path, change.files)

    async def _git(self, *arguments: str, stdin: bytes = b"", **variables: str) -> bytes:
        """Run git on this checkout."""
        everything = {"GIT_DIR": str(self._git_dir), "GIT_WORK_TREE": str(self._path), **variables}
        return await git(*arguments, cwd=self._path, variables=everything, stdin=stdin)

    async def change_set(self) -> ChangeSet:
        """Compute the change from base to what the checkout holds now.

        Raises:
            WorkspaceError: a changed path is no regular file.
        """
        await self._git("add", "--all", "--", ".", *_LEFTOVERS)
        raw = await self._git("diff", "--cached", "--name-status", "--no-renames", "-z", self._base_sha)
        fields = raw.decode("utf-8", "surrogateescape").split("\0")[:-1]
        changed = list(zip(fields[::2], fields[1::2], strict=True))
        files = await asyncio.to_thread(lambda: [self._file(status, path) for status, path in changed])
        diff = await self._git("diff", "--cached", "--no-renames", "--no-color", "--no-ext-diff", "-U3", self._base_sha)
        return change_set(self._base_sha, files, diff)

    def _file(self, status: str, path: str) -> FileChange:
        """Read one changed file."""
        if status == "D":
            return FileChange(path=path, deleted=True)
        content, executable = linkfree.read(self._path, path)
        return FileChange(path=path, content=content, added=status == "A", executable=executable)

    async def commit_and_push(self, *, branch: str, message: str) -> str:
        """Commit the checkout on *branch* and push it; the same change always gives the same commit.

        The commit's dates are those of its base, so that a repeat after a crash pushes what is there already.

        Raises:
            WorkspaceError: the push was refused, or the proxy is out of reach.
        """
        await self._git("add", "--all", "--", ".", *_LEFTOVERS)
        tree = (await self._git("write-tree")).decode().strip()
        date = (await self._git("show", "-s", "--format=%ct +0000", self._base_sha)).decode().strip()
        name, email = IDENTITY
        who = {
            f"GIT_{role}_{key}": value
            for role in ("AUTHOR", "COMMITTER")
            for key, value in (("NAME", name), ("EMAIL", email), ("DATE", date))
        }
        made = await self._git("commit-tree", tree, "-p", self._base_sha, stdin=message.encode(), **who)
        sha = made.decode().strip()
        await self._push(sha, branch)
        return sha

    async def _push(self, sha: str, branch: str) -> None:
        """Push one commit to one branch."""
        refspec = f"+{sha}:refs/heads/{branch}"
        try:
            variables = {"GIT_DIR": str(self._git_dir), **self._access.variables(pushing=True)}
            await git_network("push", "--porcelain", self._remote, refspec, variables=variables)
        except WorkspaceError as error:
            if error.code != "GIT_FAILED":
                raise
            raise WorkspaceError(str(error), code="PUSH_REFUSED") from error


def apply_files(root: Path, files: Sequence[FileChange]) -> None:
    """Write and remove the files of a change below a folder.

    Raises:
        WorkspaceError: a path is refused, or leads through a link.
    """
    for file in files:
        if file.deleted:
            linkfree.remove(root, file.path)
        else:
            linkfree.write(root, file.path, file.content, executable=file.executable)
