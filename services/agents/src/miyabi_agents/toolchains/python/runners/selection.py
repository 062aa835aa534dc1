"""Chooses the files of tests for a change: its own, and those that depend on what it touches, the closest first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from posixpath import basename, dirname

from miyabi_agents.toolchains.nearness import nearest
from miyabi_agents.toolchains.port import BaseFiles, Project, Selection
from miyabi_agents.toolchains.python.manifests.tree import within
from miyabi_agents.toolchains.python.runners.discovery import Rules
from miyabi_agents.toolchains.python.runners.imports import Graph

#: Python files of a repository that are looked at, and bytes of them: the largest known suites have less.
MAX_FILES, MAX_BYTES = 8_000, 96 << 20
#: Files of tests that are named as near: what is not run is said.
MAX_NEAR = 300


class _Overlay:
    """Base's files with the change laid over them."""

    def __init__(self, base: BaseFiles, changed: Mapping[str, bytes | None]) -> None:
        self._base = base
        self._changed = changed

    @property
    def committed(self) -> datetime:
        return self._base.committed

    def paths(self) -> Sequence[str]:
        there = {path for path, content in self._changed.items() if content is not None}
        return sorted(there.union(path for path in self._base.paths() if path not in self._changed))

    def read(self, path: str) -> bytes | None:
        return self._changed[path] if path in self._changed else self._base.read(path)


def select(project: Project, base: BaseFiles, changed: Mapping[str, bytes | None]) -> Selection:
    """Return the files of tests for a change.

    Args:
        project: The project that the changed files belong to.
        base: The files before.
        changed: New content by path; None where a file is deleted. Data of strangers.
    """
    files = _Overlay(base, changed)
    # Configuration is base's: the change's own may leave out what it breaks.
    rules = Rules(base)
    own = sorted(path for path, content in changed.items() if content is not None and rules.is_test(path, content))
    contents, cut = _contents(project, files)
    tests = [path for path, content in contents.items() if path not in own and rules.is_test(path, content)]
    touched = [path for path in changed if path not in own]
    closeness = _closeness(project, contents, tests, touched)
    near = nearest(closeness, touched)
    return Selection(own=own, near=near[:MAX_NEAR], note=_note(near, touched, cut=cut))


def _contents(project: Project, files: _Overlay) -> tuple[dict[str, bytes], bool]:
    """Read the project's Python files, within bounds; returns whether some were left out."""
    found: dict[str, bytes] = {}
    size = 0
    for path in files.paths():
        if not path.endswith(".py") or not within(project.root, path):
            continue
        if len(found) >= MAX_FILES or size > MAX_BYTES:
            return found, True
        content = files.read(path)
        if content is not None:
            found[path] = content
            size += len(content)
    return found, False


def _closeness(
    project: Project, contents: Mapping[str, bytes], tests: Sequence[str], touched: Sequence[str]
) -> Mapping[str, int]:
    """Return how far each test is from what is touched: by name 0, then by steps of imports; others are left out."""
    paths = project.facts.get("roots")
    roots = [str(root) for root in paths] if isinstance(paths, Sequence) and not isinstance(paths, str) else []
    # A file that the change deletes is still imported by name.
    graph = Graph({**contents, **{path: b"" for path in touched if path.endswith(".py") and path not in contents}},
                  [*roots, "src", project.root])  # fmt: skip
    steps = graph.closest(touched)
    names = {stem for path in touched for stem in _stems(path)}
    folders = [dirname(path) or "." for path in touched if basename(path) == "conftest.py"]
    data = [basename(path).encode() for path in touched if not path.endswith((".py", ".md", ".rst", ".toml", ".cfg"))]
    above = [quote + name.encode() + quote for name in sorted(_folders_of_data(touched))[:50] for quote in (b"'", b'"')]
    found: dict[str, int] = {}
    for path in tests:
        if _plain(path) in names:
            found[path] = 0
        elif path in steps:
            found[path] = steps[path]
        elif any(within(folder, path) for folder in folders) or any(
            name in contents[path] for name in data[:50] + above
        ):
            found[path] = 2
    return found


def _folders_of_data(touched: Sequence[str]) -> set[str]:
    """Return the names of folders, below one of tests, that hold what is touched: tests go through them by name."""
    found: set[str] = set()
    for path in touched:
        parts = dirname(path).split("/")
        at = next((place for place, part in enumerate(parts) if part in ("tests", "test", "testing")), len(parts))
        # Names of a letter or two stand in any text.
        found.update(part for part in parts[at + 1 :] if len(part) > 2)
    return found


def _plain(path: str) -> str:
    """Return what a file of tests is named after: `test_foo.py` and `foo_test.py` are both for `foo`."""
    stem = basename(path).removesuffix(".py")
    return stem.removeprefix("test_").removesuffix("_test").removesuffix("_tests") if stem != "tests" else ""


def _stems(path: str) -> list[str]:
    """Return what tests of a file may be named after: it, its package and it, or for an `__init__` the package."""
    if not path.endswith(".py"):
        return []
    stem, folder = basename(path).removesuffix(".py").strip("_"), basename(dirname(path))
    if stem in ("init", "main"):
        return [folder] if folder and folder != "src" else []
    return [stem, f"{folder}_{stem}"]


def _note(near: Sequence[str], touched: Sequence[str], *, cut: bool) -> str:
    """Say how the near ones were found."""
    if not touched:
        return "only tests are changed"
    if not near:
        return "no test imports what is touched, or is named after it"
    text = f"{len(near)} files of tests import what is touched, or are named after it"
    left = f"; {len(near) - MAX_NEAR} of them are too many and were left out" if len(near) > MAX_NEAR else ""
    return text + left + (f"; only the first {MAX_FILES} files were looked at" if cut else "")
