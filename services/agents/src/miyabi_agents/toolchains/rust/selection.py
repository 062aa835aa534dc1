"""Chooses the packages whose tests a change needs, and finds the tests that it adds, edits or removes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import PurePosixPath

from miyabi_agents.toolchains.port import BaseFiles, OwnTests, Project, Selection
from miyabi_agents.toolchains.rust.crates import Crate, all_crates, inside
from miyabi_agents.toolchains.rust.source import parse
from miyabi_core.text import first, shortened

#: Most packages that are named as near.
MAX_NEAR = 60
#: Files of Rust that hold tests alone, by cargo's layout and usual names.
_TEST = re.compile(
    r"(^|/)tests/(?!.*(?:^|/)(?:data|fixtures?|testdata|ui|snapshots?)/).*\.rs$|(^|/)(tests?|[\w]+_tests?|test_\w+)\.rs$"
)
#: Words of a path that end the folder of a package.
_LAYOUT = {"src", "tests", "benches", "examples"}


def is_test(path: str) -> bool:
    """Tell whether a file holds tests alone; those that lie in sources are found by `own_tests`."""
    return bool(_TEST.search(path))


def crate_of(path: str) -> str:
    """Return the folder of the package that a file belongs to, by cargo's layout."""
    parts = PurePosixPath(path.split("::", 1)[0]).parts
    at = next((position for position, part in enumerate(parts) if part in _LAYOUT), len(parts) - 1)
    return "/".join(parts[:at]) or "."


def packages(project: Project, base: BaseFiles) -> list[Crate]:
    """Return the packages of a workspace."""
    return [crate for crate in all_crates(base) if crate.name and inside(crate.folder, project.root)]


def select(project: Project, base: BaseFiles, changed: Mapping[str, bytes | None]) -> Selection:
    """Return the packages whose tests the change edits, and those that hold what it touches or depend on it."""
    crates = packages(project, base)
    touched = {crate.folder for path in changed if (crate := _nearest(path, crates)) is not None}
    own = {
        crate.folder
        for path, content in changed.items()
        if (crate := _nearest(path, crates)) is not None and _tests_changed(path, base.read(path), content)
    }
    distance = dict.fromkeys(touched, 0)
    level = touched
    while level:
        level = {crate.folder for crate in crates if set(crate.needs) & level} - distance.keys()
        distance |= dict.fromkeys(level, max(distance.values()) + 1)
    near = sorted(distance.keys() - own, key=lambda folder: (distance[folder], folder))
    taken, rest = first(near, MAX_NEAR)
    note = f"{len(near)} packages hold what changes or depend on it"
    note += f"; {rest} of them are too many and were left out" if rest else ""
    return Selection(tuple(sorted(own)), tuple(sorted(taken)), note)


def _tests_changed(path: str, before: bytes | None, after: bytes | None) -> bool:
    """Tell whether a change adds or edits tests in a file."""
    if after is None or not path.endswith(".rs"):
        return False
    own = own_tests(path, before, after)
    return is_test(path) or bool(own.added or own.edited - {path})


def _nearest(path: str, crates: list[Crate]) -> Crate | None:
    """Return the package whose folder holds a path; the deepest one."""
    holding = [crate for crate in crates if inside(str(PurePosixPath(path).parent), crate.folder)]
    return max(holding, key=lambda crate: len(crate.folder.strip(".")), default=None)


def own_tests(path: str, before: bytes | None, after: bytes | None) -> OwnTests:
    """Return the tests that a change adds, edits or removes in one file; the path itself where they share an edit."""
    old = parse((before or b"").decode("utf-8", "replace"))
    new = parse((after or b"").decode("utf-8", "replace"))
    if old is None or new is None:
        return OwnTests(edited=frozenset({path}))
    named_old = {_name(path, test.path): test.digest for test in old.tests}
    named_new = {_name(path, test.path): test.digest for test in new.tests}
    shared = before is not None and after is not None and is_test(path) and old.shared != new.shared
    edited = {name for name in named_old.keys() & named_new.keys() if named_old[name] != named_new[name]}
    return OwnTests(
        added=frozenset(named_new.keys() - named_old.keys()),
        edited=frozenset(edited | ({path} if shared else set())),
        removed=frozenset(named_old.keys() - named_new.keys()),
    )


def _name(path: str, parts: tuple[str, ...]) -> str:
    """Return a test's name as verdicts have it."""
    return "::".join([path, *parts])


def code_of(path: str, content: bytes, group: str) -> str:
    """Return the code of a test, at most 4,000 characters."""
    text = content.decode("utf-8", "replace")
    found = parse(text)
    for test in found.tests if found is not None else ():
        if _name(path, test.path) == group:
            return shortened(text[test.start : test.end], 4000)
    return ""
