"""Edits a commit without a checkout: base is read from git's objects, edits are held in memory, trees are committed."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

from miyabi.coordinator.v1.result_pb2 import ChangeSet, FileChange
from miyabi_agents.errors import WorkspaceError
from miyabi_agents.workspace import linkfree
from miyabi_agents.workspace.access import OPEN, GitAccess
from miyabi_agents.workspace.changes import change_set
from miyabi_agents.workspace.commit_files import CommitFiles
from miyabi_agents.workspace.git import git
from miyabi_agents.workspace.pushing import commit_tree, push

#: Modes of files in a tree (git-ls-tree(1)).
_FILE, _EXECUTABLE = "100644", "100755"


class ObjectTree:
    """Implements `ports.Tree` over the objects of a mirror and a git directory of its own that borrows them.

    Args:
        base: The files of the commit.
        git_dir: A bare git directory with the mirror's objects as alternates; new objects go there.
        remote: URL to push to.
        access: What git shows there.
    """

    def __init__(self, base: CommitFiles, *, git_dir: Path, remote: str, access: GitAccess = OPEN) -> None:
        self._base, self._git_dir = base, git_dir
        self._remote, self._access = remote, access
        self._edits: dict[str, FileChange] = {}
        self._lock = threading.Lock()

    @property
    def base_sha(self) -> str:
        """The commit that it starts from."""
        return self._base.sha

    def read(self, path: str) -> bytes:
        """Read a file, as edited.

        Raises:
            WorkspaceError: the path is refused, not there (`NO_SUCH_FILE`), no regular file (`PATH_REFUSED`), or larger
                than is read (`TOO_LARGE`).
        """
        linkfree.parts_of(path)
        edit = self._edits.get(path)
        if edit is not None:
            if edit.deleted:
                raise WorkspaceError(f"there is no file {path}", code="NO_SUCH_FILE")
            return edit.content
        listing = self._base.listing()
        if path in listing.links or path in listing.submodules:
            raise WorkspaceError(f"{path!r} is no regular file", code="PATH_REFUSED")
        content = self._base.read_whole(path, longest=linkfree.MAX_FILE_BYTES)
        if content is None:
            raise WorkspaceError(f"there is no file {path}", code="NO_SUCH_FILE")
        return content

    def write(self, path: str, content: bytes) -> None:
        """Write a file; one that was executable stays so.

        Raises:
            WorkspaceError: the path is refused, or a link, a submodule or a folder is there.
        """
        linkfree.parts_of(path)
        with self._lock:
            self._refuse_other_kinds(path)
            known = self._base.listing()
            edit = self._edits.get(path)
            executable = edit.executable if edit is not None else path in known.executable
            added = path not in known.blobs
            self._edits[path] = FileChange(path=path, content=content, added=added, executable=executable)

    def _refuse_other_kinds(self, path: str) -> None:
        """Refuse to put a file where something else is, or below a file.

        Raises:
            WorkspaceError: something is.
        """
        listing = self._base.listing()
        folders = {"/".join(path.split("/")[:length]) for length in range(1, path.count("/") + 1)}
        if path in listing.folders or path in listing.links or folders & (listing.blobs.keys() | listing.links.keys()):
            raise WorkspaceError(f"{path!r} cannot be used: something else is there", code="PATH_REFUSED")
        if any(path == root or path.startswith(f"{root}/") for root in listing.submodules):
            raise WorkspaceError(f"{path!r} lies in a submodule, which is another repository", code="PATH_REFUSED")

    def list_files(self) -> Sequence[str]:
        """List regular files, as edited, sorted."""
        with self._lock:
            gone = {path for path, edit in self._edits.items() if edit.deleted}
            return sorted((self._base.listing().blobs.keys() | self._edits.keys()) - gone)

    async def apply(self, change: ChangeSet) -> None:
        """Lay *change* over it.

        Raises:
            WorkspaceError: its base is another commit, or a path is refused.
        """
        if change.base_sha != self.base_sha:
            message = f"the change starts from {change.base_sha[:12]}, this from {self.base_sha[:12]}"
            raise WorkspaceError(message, code="BASE_DIFFERS")
        await asyncio.to_thread(self._apply, change)

    def _apply(self, change: ChangeSet) -> None:
        """Take over the files of a change."""
        for file in change.files:
            linkfree.parts_of(file.path)
            with self._lock:
                self._refuse_other_kinds(file.path)
                self._edits[file.path] = file

    async def change_set(self) -> ChangeSet:
        """Compute the change from base to what is held now.

        Raises:
            WorkspaceError: git failed.
        """
        tree = await self._tree()
        files = await asyncio.to_thread(self._changed)
        diff = await self._git(
            "diff", "--text", "--no-renames", "--no-color", "--no-ext-diff", "--no-textconv", "-U3", self.base_sha, tree
        )
        return change_set(self.base_sha, files, diff)

    def _changed(self) -> list[FileChange]:
        """Return the edits that change something."""
        with self._lock:
            edits = list(self._edits.values())
        known = self._base.listing()
        changed = []
        for edit in edits:
            there = edit.path in known.blobs
            if edit.deleted and not there:
                continue
            same_mode = edit.executable == (edit.path in known.executable)
            before = self._base.read_whole(edit.path, longest=linkfree.MAX_FILE_BYTES) if there else None
            if edit.deleted or before != edit.content or not same_mode:
                changed.append(edit)
        return changed

    async def _tree(self) -> str:
        """Write the edits as objects; returns the tree."""
        with self._lock:
            edits = [edit for _, edit in sorted(self._edits.items())]
        index = {"GIT_INDEX_FILE": str(self._git_dir / "index")}
        await self._git("read-tree", self.base_sha, variables=index)
        lines = []
        for edit in edits:
            if edit.deleted:
                lines.append(f"0 {'0' * 40}\t{edit.path}\0")
                continue
            blob = (await self._git("hash-object", "-w", "--stdin", stdin=edit.content)).decode().strip()
            lines.append(f"{_EXECUTABLE if edit.executable else _FILE} {blob}\t{edit.path}\0")
        await self._git("update-index", "-z", "--index-info", stdin="".join(lines).encode(), variables=index)
        return (await self._git("write-tree", variables=index)).decode().strip()

    async def commit_and_push(self, *, branch: str, message: str) -> str:
        """Commit on *branch* and push it; the same change always gives the same commit.

        Raises:
            WorkspaceError: the push was refused, or the proxy is out of reach.
        """
        sha = await commit_tree(await self._tree(), parent=self.base_sha, message=message, git_dir=self._git_dir)
        await push(sha, branch, remote=self._remote, git_dir=self._git_dir, access=self._access)
        return sha

    async def _git(self, *arguments: str, stdin: bytes = b"", variables: Mapping[str, str] | None = None) -> bytes:
        """Run git on its objects; attributes of base, never of the change, decide nothing but how a diff is shown."""
        return await git(*arguments, variables={"GIT_DIR": str(self._git_dir), **(variables or {})}, stdin=stdin)
