"""Reads what matters here of a `uv.lock`: which packages come from elsewhere than an index."""

from __future__ import annotations

import re
from dataclasses import dataclass
from posixpath import dirname

from miyabi_agents.toolchains.python.manifests.names import NAME_OF_PACKAGE, normal
from miyabi_agents.toolchains.python.manifests.tree import Tree, joined, within

#: Name of the file.
NAME = "uv.lock"
#: The line that names a package, and the one that says where it comes from.
_PACKAGE = re.compile(
    r'^name = "([^"]{1,200})"\n(?:version = "([^"]{0,200})"\n)?source = \{ (\w+) = "([^"]{0,1000})"', re.MULTILINE
)


@dataclass(frozen=True)
class UvLock:
    """What a `uv.lock` holds."""

    path: str
    #: Packages from addresses, by name: such as `git`.
    remote: dict[str, str]
    #: Folders of the repository that are installed, by name.
    local: dict[str, str]
    #: It is longer than what is read: some packages from elsewhere may not be known.
    cut: bool

    @property
    def folder(self) -> str:
        """The folder that it lies in: the workspace's."""
        return dirname(self.path) or "."


def nearest(tree: Tree, project: str) -> UvLock | None:
    """Return the lock file of a project: its own, or that of the workspace that lists it."""
    folder = project
    while True:
        path = NAME if folder == "." else f"{folder}/{NAME}"
        if tree.has(path):
            lock = _read(tree, path)
            return lock if folder == project or project in lock.local.values() else None
        if folder == ".":
            return None
        folder = dirname(folder) or "."


def _read(tree: Tree, path: str) -> UvLock:
    text = tree.head(path, limit=1 << 20)
    folder = dirname(path) or "."
    remote: dict[str, str] = {}
    local: dict[str, str] = {}
    for name, _, kind, value in _PACKAGE.findall(text):
        if not NAME_OF_PACKAGE.fullmatch(name):
            continue
        if kind in ("git", "url", "path"):
            remote[normal(name)] = kind
        elif kind in ("editable", "directory", "virtual"):
            target = joined(folder, value)
            if target is not None and within(folder, target):
                local[normal(name)] = target
    return UvLock(path=path, remote=remote, local=local, cut=len(text) >= 1 << 20)
