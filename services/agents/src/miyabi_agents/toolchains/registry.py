"""The toolchains there are, and which project of a repository a file belongs to. A new one is one line here."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import PurePosixPath

from miyabi_agents.toolchains.go.toolchain import GoToolchain
from miyabi_agents.toolchains.javascript.toolchain import JavaScriptToolchain
from miyabi_agents.toolchains.port import BaseFiles, Project, Toolchain
from miyabi_agents.toolchains.python.toolchain import PythonToolchain
from miyabi_agents.toolchains.rust.toolchain import RustToolchain
from miyabi_agents.verification.config import RepositoryConfig

#: Endings of JavaScript and TypeScript.
_SCRIPTS = ".js .mjs .cjs .jsx .ts .mts .cts .tsx .vue .svelte"
#: Each toolchain with the endings of the files that are its code, in the order in which they are asked.
TOOLCHAINS: tuple[tuple[Toolchain, frozenset[str]], ...] = (
    (PythonToolchain(), frozenset({".py", ".pyi", ".pyx", ".pxd"})),
    (
        JavaScriptToolchain(),
        frozenset(_SCRIPTS.split()),
    ),
    (GoToolchain(), frozenset({".go"})),
    (RustToolchain(), frozenset({".rs"})),
)

#: A project with its toolchain.
Recognised = tuple[Toolchain, Project]


def recognise(base: BaseFiles, config: RepositoryConfig | None) -> list[Recognised]:
    """Return every project of a repository, outermost first within each toolchain."""
    return [(toolchain, project) for toolchain, _ in TOOLCHAINS for project in toolchain.recognise(base, config)]


def by_project(paths: Iterable[str], recognised: Sequence[Recognised]) -> list[tuple[Recognised, list[str]]]:
    """Sort changed files to the projects that they belong to.

    Code belongs to the nearest project of its own ecosystem; everything else to the nearest project that code of the
    change belongs to, else to the nearest of all. Files that belong nowhere are left out.
    """
    found: dict[int, list[str]] = {}
    others = []
    for path in paths:
        own = [entry for entry in recognised if PurePosixPath(path).suffix in suffixes_of(entry[0])]
        nearest = _nearest(path, own)
        if nearest is None:
            others.append(path)
        else:
            found.setdefault(recognised.index(nearest), []).append(path)
    touched = [recognised[position] for position in found] or list(recognised)
    for path in others:
        nearest = _nearest(path, touched)
        if nearest is not None:
            found.setdefault(recognised.index(nearest), []).append(path)
    return [(recognised[position], sorted(found[position])) for position in sorted(found)]


def suffixes_of(toolchain: Toolchain) -> frozenset[str]:
    """Return the endings of a toolchain's code."""
    return next((suffixes for known, suffixes in TOOLCHAINS if known is toolchain), frozenset())


def _nearest(path: str, projects: Sequence[Recognised]) -> Recognised | None:
    """Return the project whose folder holds a path, the deepest one; of several, the first."""
    holding = [entry for entry in projects if _holds(entry[1].root, path)]
    return max(holding, key=lambda entry: len(_parts(entry[1].root)), default=None)


def _holds(root: str, path: str) -> bool:
    """Tell whether a project's folder holds a path."""
    parts = _parts(root)
    return PurePosixPath(path).parts[: len(parts)] == parts


def _parts(root: str) -> tuple[str, ...]:
    """Return the names of a project's folder; none for the repository itself."""
    return () if root in {"", "."} else PurePosixPath(root).parts
