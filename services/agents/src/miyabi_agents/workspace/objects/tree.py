"""Edits a commit without a checkout: base is read from git's objects, edits are held in memory, trees are committed."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from miyabi.coordinator.v1.result_pb2 import ChangeSet, FileChange
from miyabi_agents.errors import WorkspaceError
from miyabi_agents.workspace import linkfree
from miyabi_agents.workspace.access import OPEN, GitAccess
from miyabi_agents.workspace.changes import change_set
from miyabi_agents.workspace.commit_files import CommitFiles
from miyabi_agents.workspace.git import git
from miyabi_agents.workspace.objects.attributes import BaseAttributes
from miyabi_agents.workspace.objects.entries import Entry, EntryKind
from miyabi_agents.workspace.objects.pushing import commit_tree, push

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
        self._attributes = BaseAttributes(git_dir, base.sha)
        self._edits: dict[str, FileChange] = {}
        self._lock = threading.RLock()

    @property
    def base_sha(self) -> str:
        """The commit that it starts from."""
        return self._base.sha

    def entry(self, path: str) -> Entry:
        """Return what lies at a path, as edited, or what stands in the way to it.

        Raises:
            WorkspaceError: the path is refused (`PATH_REFUSED`).
        """
        with self._lock:
            found = self._found(path)
            if found.kind is EntryKind.FILE and found.path not in self._edits:
                found = replace(found, size=self._base.size(found.path))
        return found

    def _found(self, path: str) -> Entry:
        """Return what lies at a path; the size of base's files is not looked up."""
        parts = linkfree.parts_of(path)
        for length in range(1, len(parts) + 1):
            found = self._at("/".join(parts[:length]))
            if found is not None:
                return found
        name = "/".join(parts)
        return Entry(EntryKind.FOLDER if self._is_folder(name) else EntryKind.ABSENT, name)

    def _at(self, path: str) -> Entry | None:
        """Return what is no folder at a path; None where there is nothing, or a folder."""
        listing, edit = self._base.listing(), self._edits.get(path)
        if edit is not None:
            size = len(edit.content)
            return None if edit.deleted else Entry(EntryKind.FILE, path, size=size, executable=edit.executable)
        if path in listing.blobs:
            return Entry(EntryKind.FILE, path, executable=path in listing.executable)
        if path in listing.links:
            return Entry(EntryKind.LINK, path, target=self._base.link_target(path) or "")
        return Entry(EntryKind.SUBMODULE, path) if path in listing.submodules else None

    def _is_folder(self, path: str) -> bool:
        """Tell whether something lies below a path."""
        start = f"{path}/"
        if any(edit.path.startswith(start) and not edit.deleted for edit in self._edits.values()):
            return True
        listing = self._base.listing()
        if any(name.startswith(start) for name in listing.submodules):
            return True
        if path not in listing.folders:
            return False
        there = (name for kind in (listing.blobs, listing.links) for name in kind if name.startswith(start))
        return any(name not in self._edits for name in there)

    def read(self, path: str) -> bytes:
        """Read a file, as edited.

        Raises:
            WorkspaceError: the path is refused, not there (`NO_SUCH_FILE`), no regular file (`PATH_REFUSED`), or larger
                than is read (`TOO_LARGE`).
        """
        name = "/".join(linkfree.parts_of(path))
        edit = self._edits.get(name)
        if edit is not None and not edit.deleted:
            return edit.content
        listing = self._base.listing()
        if name in listing.links or name in listing.submodules:
            raise WorkspaceError(f"{path!r} is no regular file", code="PATH_REFUSED")
        content = None if edit else self._base.read_whole(name, longest=linkfree.MAX_FILE_BYTES)
        if content is None:
            raise WorkspaceError(f"there is no file {path}", code="NO_SUCH_FILE")
        return content

    def chunks(self, path: str) -> Iterator[bytes]:
        """Yield a file of any size, as edited, in pieces of at most 1 MiB where it is base's; nothing where none is."""
        name = "/".join(linkfree.parts_of(path))
        edit = self._edits.get(name)
        if edit is None:
            yield from self._base.chunks(name)
        elif not edit.deleted:
            yield edit.content

    def write(self, path: str, content: bytes, *, executable: bool | None = None) -> None:
        """Write a file.

        Args:
            path: Where.
            content: All of it.
            executable: Whether it carries the executable bit; None: as the file has it that is there, or was.

        Raises:
            WorkspaceError: the path is refused, or a link, a submodule or a folder is there.
        """
        name = "/".join(linkfree.parts_of(path))
        with self._lock:
            self._refuse_other_kinds(name)
            known, edit = self._base.listing(), self._edits.get(name)
            if executable is None:
                executable = edit.executable if edit is not None else name in known.executable
            added = name not in known.blobs
            self._edits[name] = FileChange(path=name, content=content, added=added, executable=executable)

    def _refuse_other_kinds(self, path: str) -> None:
        """Refuse to put a file where something else is, or below a file.

        Raises:
            WorkspaceError: something is.
        """
        found = self._found(path)
        if found.kind is EntryKind.SUBMODULE:
            raise WorkspaceError(f"{path!r} lies in a submodule, which is another repository", code="PATH_REFUSED")
        file = found.kind is EntryKind.FILE and found.path == path
        # A link that was taken away leaves no room for a file: checkouts of base still have it.
        if not (file or found.kind is EntryKind.ABSENT) or path in self._base.listing().links:
            raise WorkspaceError(f"{path!r} cannot be used: something else is there", code="PATH_REFUSED")

    def delete(self, path: str) -> None:
        """Take a file, or a link itself, away.

        Raises:
            WorkspaceError: the path is refused, or neither is there (`NO_SUCH_FILE`).
        """
        name = "/".join(linkfree.parts_of(path))
        with self._lock:
            found = self._found(name)
            if found.path != name or found.kind not in {EntryKind.FILE, EntryKind.LINK}:
                raise WorkspaceError(f"there is no file {path}", code="NO_SUCH_FILE")
            listing = self._base.listing()
            if name in listing.blobs or name in listing.links:
                self._edits[name] = FileChange(path=name, deleted=True, executable=found.executable)
            else:
                del self._edits[name]

    def move(self, path: str, to: str) -> None:
        """Move a file with its executable bit; nothing is changed where it cannot be.

        Raises:
            WorkspaceError: a path is refused, there is no file (`NO_SUCH_FILE`), or something is at the other path.
        """
        with self._lock:
            content, before = self.read(path), dict(self._edits)
            executable = self._found(path).executable
            try:
                self.delete(path)
                self.write(to, content, executable=executable)
            except WorkspaceError:
                self._edits = before
                raise

    def attributes(self, path: str) -> Mapping[str, str]:
        """Return what base's `.gitattributes` say of a path.

        Raises:
            WorkspaceError: the path is refused, or git failed.
        """
        return self._attributes.of("/".join(linkfree.parts_of(path)))

    def list_files(self) -> Sequence[str]:
        """List regular files, as edited, sorted."""
        with self._lock:
            gone = {path for path, edit in self._edits.items() if edit.deleted}
            return sorted((self._base.listing().blobs.keys() | self._edits.keys()) - gone)

    def list_others(self) -> Mapping[str, Entry]:
        """List what is no regular file, by path: links that are still there, submodules."""
        listing = self._base.listing()
        links = [path for path in listing.links if path not in self._edits]
        return {path: self._found(path) for path in sorted([*links, *listing.submodules])}

    @property
    def unusable_names(self) -> Sequence[str]:
        """Names of base that may not be used, escaped; what they name is carried along as it is."""
        return self._base.listing().refused

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
        """Take over the files of a change; those that it takes away first, for others may lie where they were."""
        with self._lock:
            for file in sorted(change.files, key=lambda entry: not entry.deleted):
                name = "/".join(linkfree.parts_of(file.path))
                if not file.deleted:
                    self._refuse_other_kinds(name)
                elif self._found(name).kind in {EntryKind.FOLDER, EntryKind.SUBMODULE}:
                    raise WorkspaceError(f"{name!r} cannot be used: something else is there", code="PATH_REFUSED")
                self._edits[name] = file

    async def change_set(self) -> ChangeSet:
        """Compute the change from base to what is held now.

        Raises:
            WorkspaceError: git failed.
        """
        tree = await self._tree()
        files = await asyncio.to_thread(self._changed)
        options = ("--text", "--find-renames", "--no-color", "--no-ext-diff", "--no-textconv", "-U3")
        return change_set(self.base_sha, files, await self._git("diff", *options, self.base_sha, tree))

    def _changed(self) -> list[FileChange]:
        """Return the edits that change something."""
        with self._lock:
            edits = list(self._edits.values())
        known = self._base.listing()
        changed = []
        for edit in edits:
            there = edit.path in known.blobs
            if edit.deleted:
                if there or edit.path in known.links:
                    changed.append(FileChange(path=edit.path, deleted=True))
                continue
            same_mode = edit.executable == (edit.path in known.executable)
            before = self._base.read_whole(edit.path, longest=linkfree.MAX_FILE_BYTES) if there else None
            if before != edit.content or not same_mode:
                changed.append(edit)
        return changed

    async def _tree(self) -> str:
        """Write the edits as objects; returns the tree."""
        with self._lock:
            edits = [edit for _, edit in sorted(self._edits.items(), key=lambda item: (not item[1].deleted, item[0]))]
        index = {"GIT_INDEX_FILE": str(self._git_dir / "index")}
        await self._git("read-tree", self.base_sha, variables=index)
        lines = []
        for edit in edits:
            if edit.deleted:
                lines.append(f"0 {'0' * len(self.base_sha)}\t{edit.path}\0")
                continue
            # By its bytes alone: no attribute turns line ends or encodings, in this file or in others.
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
