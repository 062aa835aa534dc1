"""What is looked at: a commit, and what lies over it uncommitted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from miyabi_agents.toolchains.port import BaseFiles


class Place(Protocol):
    """A commit of a repository whose objects `TaskContext.workspaces` can have."""

    @property
    def repository(self) -> str:
        """`owner/name`."""

    @property
    def sha(self) -> str:
        """The commit, 40 or 64 hexadecimal digits."""

    def own_file(self) -> bytes | None:
        """Return the `.miyabi.yaml` that counts in place of the commit's; None: the commit's counts."""


@dataclass(frozen=True)
class WithFile:
    """Files of a commit with one more over them; implements `toolchains.port.BaseFiles`."""

    base: BaseFiles
    path: str
    content: bytes

    @property
    def committed(self) -> datetime:
        """When the commit was made."""
        return self.base.committed

    def paths(self) -> Sequence[str]:
        """List regular files."""
        return sorted({*self.base.paths(), self.path})

    def read(self, path: str) -> bytes | None:
        """Return a file's content."""
        return self.content if path == self.path else self.base.read(path)
