"""Shows the files of a commit together with those of its submodules, as a checkout holds them."""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from datetime import datetime
from functools import cached_property

from miyabi_agents.toolchains.port import BaseFiles
from miyabi_agents.workspace.commit_files import CommitFiles
from miyabi_agents.workspace.submodules.found import BroughtSubmodules

#: Bytes that are kept of what was read of one submodule: a few manifests, of which each is at most 1 MiB.
_KEPT_BYTES = 4 << 20


class LaidFiles:
    """Implements `toolchains.port.BaseFiles`; calls block. No process outlives a call.

    Args:
        base: Files of the commit.
        submodules: Those of it.
    """

    def __init__(self, base: BaseFiles, submodules: BroughtSubmodules) -> None:
        self._base = base
        # Inner ones first: they lie below outer ones.
        self._parts = [
            (f"{one.path}/", CommitFiles(one.mirror, one.sha, kept_bytes=_KEPT_BYTES))
            for one in reversed(submodules.modules)
        ]

    @property
    def committed(self) -> datetime:
        """When the commit was made."""
        return self._base.committed

    @cached_property
    def _paths(self) -> Sequence[str]:
        """All paths, sorted."""
        inside = (sorted(f"{folder}{path}" for path in files.paths()) for folder, files in self._parts)
        return list(heapq.merge(self._base.paths(), *inside))

    def paths(self) -> Sequence[str]:
        """List regular files, sorted."""
        return self._paths

    def read(self, path: str) -> bytes | None:
        """Return a file's content, at most 1 MiB of it; None where it is not there."""
        for folder, files in self._parts:
            if path.startswith(folder):
                try:
                    return files.read(path.removeprefix(folder))
                finally:
                    files.close()
        return self._base.read(path)
