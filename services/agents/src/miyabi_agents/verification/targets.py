"""Names of tests and globs of paths, in time that grows with their length only."""

from __future__ import annotations

import re
from pathlib import PurePosixPath

from miyabi_agents.verification.config import RepositoryConfig

#: Folders that hold tests in most ecosystems.
TEST_FOLDERS = frozenset({"tests", "test", "testing", "__tests__", "spec", "specs", "e2e"})
#: Folders, and endings, of what tests read and compare: they lie among sources, beside the tests.
_MATERIAL = frozenset({"testdata", "__snapshots__", "__fixtures__"})
_COMPARED = frozenset({".snap", ".ambr", ".golden"})
#: Names of files that hold tests: `a.test.ts`, `a_test.go`, `a-spec.rb`, `a.spec.tsx`, and `tests.rs` and its like.
_NAMED = re.compile(r"^test_|[._-](test|tests|spec|specs)\.\w+$|^(tests?|specs?)\.\w+$")


def is_test(path: str) -> bool:
    """Tell whether a path is a test by the usual names of all ecosystems; a toolchain knows better for its own."""
    parts = PurePosixPath(path).parts
    return any(part in TEST_FOLDERS for part in parts[:-1]) or _NAMED.search(parts[-1]) is not None


def is_beside_tests(path: str) -> bool:
    """Tell whether a path is a test by the usual names, or what tests read and compare: `testdata`, snapshots."""
    parts = PurePosixPath(path)
    return is_test(path) or bool(_MATERIAL & set(parts.parts[:-1])) or parts.suffix in _COMPARED


def matches(pattern: str, path: str) -> bool:
    """Tell whether a glob matches a whole path: `**` any folders or none, `*` and `?` within one name.

    A table of parts by parts, so that no pattern takes longer than its length times the path's.
    """
    wanted, given = _joined(pattern.split("/")), path.split("/")
    reached = [True] + [False] * len(given)
    for part in wanted:
        if part == "**":
            first = reached.index(True) if True in reached else len(reached)
            reached = [position >= first for position in range(len(reached))]
        else:
            steps = zip(reached, given, strict=False)
            reached = [False, *(before and _name_matches(part, name) for before, name in steps)]
    return reached[-1]


def _joined(parts: list[str]) -> list[str]:
    """Return the parts with `**` that follow one another taken as one; one inside a name is a `*`."""
    cleaned = [part if part == "**" else part.replace("**", "*") for part in parts]
    return [part for position, part in enumerate(cleaned) if part != "**" or cleaned[position - 1 : position] != ["**"]]


def _name_matches(pattern: str, name: str) -> bool:
    """Match one name against one part of a glob, without going back further than to the last `*`."""
    at = inside = 0
    star = mark = -1
    while inside < len(name):
        if at < len(pattern) and pattern[at] == "*":
            star, mark = at, inside
            at += 1
        elif at < len(pattern) and pattern[at] in {"?", name[inside]}:
            at += 1
            inside += 1
        elif star >= 0:
            mark += 1
            at, inside = star + 1, mark
        else:
            return False
    return pattern[at:].strip("*") == ""


def configured(changed: list[str], config: RepositoryConfig) -> list[str]:
    """Return the targets that a repository's file names for changed sources, sorted, each once."""
    found = {
        target
        for rule in config.test.targets
        for path in changed
        if not is_test(path) and matches(rule.source, path)
        for target in rule.tests
    }
    return sorted(found)
