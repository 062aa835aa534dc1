"""Chooses the packages whose tests a change needs, and finds the tests that it adds, edits or removes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import PurePosixPath

from miyabi_agents.toolchains.go.modules import ASIDE, join
from miyabi_agents.toolchains.go.source import Declaration, declarations, imports
from miyabi_agents.toolchains.port import BaseFiles, OwnTests, Project, Selection
from miyabi_core.text import shortened

#: Most files whose imports are followed.
MAX_FILES = 10_000
#: Most packages that are named as near; those with the shortest way come first.
MAX_NEAR = 200


def select(project: Project, base: BaseFiles, changed: Mapping[str, bytes | None]) -> Selection:
    """Return the packages of the change's own tests, and those of touched files and of whatever imports them."""
    files = [
        path for path in base.paths() if path.endswith(".go") and _inside(path, project.root) and not ASIDE.search(path)
    ]
    tested = {_folder(path) for path in files if path.endswith("_test.go")}
    own = {_folder(path) for path, content in changed.items() if content is not None and is_test(path)}
    touched = {folder for path in changed if (folder := _owner(path, files)) is not None}
    distance = _reach(touched, _importers(project, base, files[:MAX_FILES], changed))
    near = sorted(
        (folder for folder in distance if folder in tested - own), key=lambda folder: (distance[folder], folder)
    )
    note = f"{len(near)} packages hold what changes or import it"
    if len(near) > MAX_NEAR or len(files) > MAX_FILES:
        note += f"; the nearest {MAX_NEAR} of at most {MAX_FILES} files are taken"
    return Selection(tuple(sorted(own)), tuple(near[:MAX_NEAR]), note)


def is_test(path: str) -> bool:
    """Tell whether a file holds tests, by Go's own rule of names."""
    name = PurePosixPath(path).name
    return name.endswith("_test.go") and not name.startswith(("_", ".")) and not ASIDE.search(path)


def _inside(path: str, root: str) -> bool:
    return root in {"", "."} or path.startswith(f"{root}/")


def _folder(path: str) -> str:
    return str(PurePosixPath(path).parent)


def _owner(path: str, files: Iterable[str]) -> str | None:
    """Return the package that a file belongs to: its own folder, or the one above the folder of material it lies in."""
    folders = {_folder(file) for file in files}
    if path.endswith(".go") and not ASIDE.search(path):
        return _folder(path)
    return next((str(above) for above in PurePosixPath(path).parents if str(above) in folders), None)


def _importers(
    project: Project, base: BaseFiles, files: Iterable[str], changed: Mapping[str, bytes | None]
) -> dict[str, set[str]]:
    """Return the folders of packages that import each folder's."""
    module = str(project.facts.get("module", ""))
    importers: dict[str, set[str]] = {}
    for path in dict.fromkeys((*files, *(path for path in changed if path.endswith(".go")))):
        content = changed[path] if path in changed else base.read(path)
        for name in imports((content or b"").decode("utf-8", "replace")):
            if name == module or name.startswith(f"{module}/"):
                folder = project.root if name == module else join(project.root, name[len(module) + 1 :])
                importers.setdefault(folder, set()).add(_folder(path))
    return importers


def _reach(touched: Iterable[str], importers: Mapping[str, set[str]]) -> dict[str, int]:
    """Return every package that reaches a touched one, with the number of imports between."""
    distance = dict.fromkeys(touched, 0)
    level = list(distance)
    while level:
        following: list[str] = []
        for folder in level:
            for importer in importers.get(folder, ()):
                if importer not in distance:
                    distance[importer] = distance[folder] + 1
                    following.append(importer)
        level = following
    return distance


def own_tests(path: str, before: bytes | None, after: bytes | None) -> OwnTests:
    """Return the test functions that a change adds, edits or removes in one file.

    A test counts as edited where something else that the file declares, and that it uses, was edited: a table of cases,
    a function that it calls.
    """
    old, new = _declared(before), _declared(after)
    tests_old = {name: entry for name, entry in old.items() if entry.is_test}
    tests_new = {name: entry for name, entry in new.items() if entry.is_test}
    differing = {
        name
        for name in old.keys() | new.keys()
        if name not in old or name not in new or old[name].digest != new[name].digest
    }
    touched = _spread(
        {name.split(".")[-1] for name in differing if name not in tests_old.keys() | tests_new.keys()}, new
    )
    edited = {
        name for name in tests_old.keys() & tests_new.keys() if name in differing or tests_new[name].uses & touched
    }
    folder = _folder(path)
    return OwnTests(
        added=frozenset(_named(folder, tests_new.keys() - tests_old.keys())),
        edited=frozenset(_named(folder, edited)),
        removed=frozenset(_named(folder, tests_old.keys() - tests_new.keys())),
    )


def _spread(touched: set[str], declared: Mapping[str, Declaration]) -> set[str]:
    """Return the names that a change reaches inside the file: what is edited, and helpers that use it."""
    reached = set(touched)
    level = set(touched)
    while level:
        level = {
            name.split(".")[-1] for name, entry in declared.items() if not entry.is_test and entry.uses & level
        } - reached
        reached |= level
    return reached


def _declared(content: bytes | None) -> dict[str, Declaration]:
    """Return what a file declares, by name."""
    return {entry.name: entry for entry in declarations((content or b"").decode("utf-8", "replace"))}


def _named(folder: str, names: Iterable[str]) -> list[str]:
    """Return names as verdicts have them."""
    return [name if folder == "." else f"{folder}.{name}" for name in names]


def code_of(path: str, content: bytes, group: str) -> str:
    """Return the code of a test, at most 4,000 characters."""
    text = content.decode("utf-8", "replace")
    for entry in declarations(text):
        if entry.is_test and group in _named(_folder(path), [entry.name]):
            return shortened(text[entry.start : entry.end], 4000)
    return ""
