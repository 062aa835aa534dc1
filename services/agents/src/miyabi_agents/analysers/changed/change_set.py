"""A change set as changed files: what a model wrote of the files of a commit."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import Protocol

from miyabi.coordinator.v1.result_pb2 import FileChange
from miyabi_agents.errors import WorkspaceError
from miyabi_agents.workspace import linkfree
from miyabi_agents.workspace.pulls.comparison import ChangedFile, Mode, Version


class WholeFiles(Protocol):
    """The files of a commit."""

    def read_whole(self, path: str, *, longest: int) -> bytes | None:
        """Return a file's whole content; None where it is not there.

        Raises:
            WorkspaceError: it has more than *longest* bytes (`TOO_LARGE`).
        """


def of_change_set(files: Iterable[FileChange], base: WholeFiles) -> list[ChangedFile]:
    """Return the files of a change set.

    Raises:
        WorkspaceError: a name is refused: no model writes such a file.
    """
    found = []
    for file in files:
        linkfree.parts_of(file.path)
        after = Version(Mode.EXECUTABLE if file.executable else Mode.FILE, partial(_held, file))
        found.append(ChangedFile(file.path, _before(base, file.path), None if file.deleted else after))
    return found


def _before(base: WholeFiles, path: str) -> Version | None:
    """Return base's version of a file."""
    try:
        there = base.read_whole(path, longest=0) is not None
    except WorkspaceError as error:
        there = error.code == "TOO_LARGE"
    return Version(Mode.FILE, partial(_of_base, base, path)) if there else None


def _of_base(base: WholeFiles, path: str, longest: int) -> bytes:
    """Read a file of base."""
    return base.read_whole(path, longest=longest) or b""


def _held(file: FileChange, longest: int) -> bytes:
    """Return a file's new content.

    Raises:
        WorkspaceError: it is longer than asked for.
    """
    if len(file.content) > longest:
        raise WorkspaceError(f"it has {len(file.content):,} bytes, which is more than {longest:,}", code="TOO_LARGE")
    return file.content
