"""One checkout of a commit, to run things in; its git directory lies elsewhere, and nothing is committed from it."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from pathlib import Path

from miyabi.coordinator.v1.result_pb2 import ChangeSet, FileChange
from miyabi_agents.errors import WorkspaceError
from miyabi_agents.workspace import linkfree
from miyabi_agents.workspace.conversion import as_checked_out


class GitWorktree:
    """Implements `ports.Worktree`.

    Args:
        path: Root of the checkout.
        base_sha: The commit that was checked out.
        git_dir: A git directory that has the commit, out of the sandbox's reach.
    """

    def __init__(self, *, path: Path, base_sha: str, git_dir: Path) -> None:
        self._path, self._git_dir = path, git_dir
        self._base_sha = base_sha

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
        await lay_files(self._path, change.files, base_sha=self._base_sha, git_dir=self._git_dir)


async def lay_files(root: Path, files: Sequence[FileChange], *, base_sha: str, git_dir: Path) -> None:
    """Lay files of a change over a checkout of its base, with the line ends and encodings that a checkout has.

    Raises:
        WorkspaceError: a path is refused, or leads through a link; git failed; the disk is full.
    """
    there = await as_checked_out(files, base_sha=base_sha, git_dir=git_dir)
    await asyncio.to_thread(apply_files, root, there)


def apply_files(root: Path, files: Sequence[FileChange]) -> None:
    """Remove and write the files of a change below a folder; a file may take a folder's place, and a folder a file's.

    Raises:
        WorkspaceError: a path is refused, or leads through a link.
    """
    for file in files:
        if file.deleted:
            linkfree.remove(root, file.path)
    for file in files:
        if not file.deleted:
            linkfree.write(root, file.path, file.content, executable=file.executable)
