"""One checkout of a commit, to run things in; its git directory lies elsewhere, and nothing is committed from it."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from pathlib import Path

from miyabi.coordinator.v1.result_pb2 import ChangeSet, FileChange
from miyabi_agents.errors import WorkspaceError
from miyabi_agents.workspace import linkfree


class GitWorktree:
    """Implements `ports.Worktree`.

    Args:
        path: Root of the checkout.
        base_sha: The commit that was checked out.
    """

    def __init__(self, *, path: Path, base_sha: str) -> None:
        self._path = path
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
        await asyncio.to_thread(apply_files, self._path, change.files)


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
