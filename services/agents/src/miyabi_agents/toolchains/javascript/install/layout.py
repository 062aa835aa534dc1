"""Lays installed packages into a checkout so that packages of the workspace resolve to the checkout itself."""

from __future__ import annotations

import json
import os
import posixpath
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from miyabi_agents.toolchains.port import Environment, Laid, LayKind

#: Name of the folder of packages.
MODULES = "node_modules"
#: Most entries that are laid; a large workspace has some thousands.
MAX_ENTRIES = 20_000
#: Most packages that are copied since they depend on a package of the workspace.
MAX_COPIES = 300
#: Longest manifest of a package that is read.
MAX_BYTES = 256 * 1024
#: Folders inside `node_modules` that tools write to: each checkout has its own.
_CACHES = {".cache", ".vite", ".vite-temp", ".vitest", ".tmp", ".temp"}
#: Folders of built files: a checkout builds its own, else base's would be tested.
_BUILT = {"dist", "lib", "build", "out", "es", "esm", "cjs", "coverage", ".next", ".turbo", ".nyc_output"}


@dataclass
class _Found:
    """What one folder of packages holds."""

    laid: list[Laid] = field(default_factory=list)
    #: Real folders of packages, by the path below the tree.
    packages: dict[str, str] = field(default_factory=dict)
    #: Names of packages that are links to folders of the repository.
    members: set[str] = field(default_factory=set)


def lay(environment: Environment) -> list[Laid]:
    """Return what a checkout gets: folders that are made, links to the environment's packages, the same relative links.

    A package of the workspace is a relative link, which is made anew and leads into the checkout. A package from an
    index that depends on one of the workspace is copied, since a link would lead to base's.
    """
    tree = environment.tree
    found = _Found()
    for folder in _folders(environment):
        for entry in _entries(tree, folder, found):
            found.laid.append(entry)
            if len(found.laid) >= MAX_ENTRIES:
                return found.laid
    copied = _dependants(tree, found)
    laid = [Laid(entry.path, LayKind.COPY) if entry.path in copied else entry for entry in found.laid]
    return [*laid, *_others(environment)]


def _folders(environment: Environment) -> list[str]:
    """Return the folders of packages that the build made."""
    return sorted(path for path in environment.generated if PurePosixPath(path).name == MODULES)


def _others(environment: Environment) -> Iterator[Laid]:
    """Return generated files that are neither packages nor what a build of the project makes."""
    for path in environment.generated:
        parts = PurePosixPath(path).parts
        if MODULES not in parts and not _BUILT & set(parts) and not parts[0].startswith(".yarn"):
            yield Laid(path, LayKind.COPY)


def _scan(folder: Path) -> list[os.DirEntry[str]]:
    """List a folder without following a link at its end."""
    if folder.is_symlink() or not folder.is_dir():
        return []
    with os.scandir(folder) as entries:
        return sorted(entries, key=lambda entry: entry.name)


def _entries(tree: Path, folder: str, found: _Found) -> Iterator[Laid]:
    """Go through one folder of packages, scopes and pnpm's store included."""
    for entry in _scan(tree / folder):
        path = f"{folder}/{entry.name}"
        if entry.is_symlink():
            yield from _link(tree, path, found)
        elif entry.name in _CACHES:
            continue
        elif entry.is_dir(follow_symlinks=False) and (entry.name.startswith("@") or entry.name in {".pnpm", ".bin"}):
            yield from _entries(tree, path, found)
        else:
            if entry.is_dir(follow_symlinks=False) and not entry.name.startswith("."):
                found.packages[path] = path.rsplit(f"{MODULES}/", 1)[-1]
            yield Laid(path, LayKind.LINK)


def _link(tree: Path, path: str, found: _Found) -> Iterator[Laid]:
    """Return the same link, where it is relative and stays inside the tree: a link that is copied stays the same."""
    target = _target(tree, path)
    if target is None:
        return
    if MODULES not in PurePosixPath(target).parts:
        found.members.add(path.rsplit(f"{MODULES}/", 1)[-1])
    yield Laid(path, LayKind.COPY)


def _target(tree: Path, path: str) -> str | None:
    """Return where a relative link leads, as a path below the tree; None where it leads out."""
    target = str((tree / path).readlink())
    if target.startswith("/"):
        return None
    joined = posixpath.normpath(posixpath.join(posixpath.dirname(path), target))
    return None if joined.startswith("..") else joined


def _dependants(tree: Path, found: _Found) -> set[str]:
    """Return the packages that depend on a package of the repository, directly or through others."""
    if not found.members:
        return set()
    needs = {path: set(_needs(tree, path)) for path in found.packages}
    copied: set[str] = set()
    wanted = set(found.members)
    while wanted and len(copied) < MAX_COPIES:
        new = {path for path, names in needs.items() if path not in copied and names & wanted}
        copied |= new
        wanted = {name for path in new for name in (found.packages[path], path)}
    return copied


def _needs(tree: Path, path: str) -> Iterable[str]:
    """Return what a package depends on: names of packages, or paths of pnpm's store and names of members."""
    if f"{MODULES}/.pnpm/" in path:
        return _linked(tree, path)
    file = tree / path / "package.json"
    try:
        if file.is_symlink() or file.stat().st_size > MAX_BYTES:
            return ()
        manifest = json.loads(file.read_bytes())
    except (OSError, ValueError, RecursionError):
        return ()
    tables = [manifest.get(key) for key in ("dependencies", "peerDependencies")] if isinstance(manifest, dict) else []
    return [name for table in tables if isinstance(table, dict) for name in table]


def _linked(tree: Path, path: str) -> Sequence[str]:
    """Return what pnpm linked beside a package: folders of its store, or names of the workspace's packages."""
    named: list[str] = []
    folder = f"{path}/{MODULES}"
    entries = _scan(tree / folder)
    scoped = [inner for entry in entries if entry.name.startswith("@") for inner in _scan(Path(entry.path))]
    for entry in [*entries, *scoped]:
        if not entry.is_symlink():
            continue
        own = str(Path(entry.path).relative_to(tree))
        target = _target(tree, own)
        if target is not None:
            inside = "/.pnpm/" in f"/{target}"
            named.append(
                "/".join(target.split("/")[: path.count("/") + 1]) if inside else own.rsplit(f"{MODULES}/", 1)[-1]
            )
    return named
