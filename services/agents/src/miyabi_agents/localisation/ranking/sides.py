"""Tells tests, and what lies beside the product, from the sources of a product."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable

#: Folders that hold tests wherever they are.
_TESTS = frozenset({"tests", "__tests__", "specs", "e2e", "js_tests", "testdata", "fixtures"})
#: Folders that hold tests at the top; deeper ones may be the product's own, as `django/test` and `numpy/testing` are.
_PERHAPS = frozenset({"test", "testing", "spec"})
#: Names of files that hold tests, or serve them.
_NAMED = re.compile(r"^test_|[._-](?:test|tests|spec|specs)\.\w+$|^(?:tests?|specs?|conftest)\.\w+$")
#: Folders at the top that hold documentation, examples and tools.
_BESIDE = frozenset(
    {
        ".ci", ".github", "asv_bench", "benchmark", "benchmarks", "bin", "build_tools", "ci", "demo", "demos", "doc",
        "docs", "example", "examples", "extras", "galleries", "release", "sample", "samples", "scripts", "tools",
        "tutorials",
    }
)  # fmt: skip
#: Files that build or set up, wherever they are.
_BUILDING = frozenset({"setup.py"})
#: A folder whose name is doubtful holds tests where this share of its files is named like tests.
_SHARE = 0.5


def tests_among(paths: Iterable[str]) -> frozenset[str]:
    """Return the paths that are tests: by their names, or by a folder that holds tests.

    A folder `test` below the top is one where most of its files are named like tests.
    """
    every = list(paths)
    below: defaultdict[str, list[str]] = defaultdict(list)
    for path in every:
        for folder in _doubtful(path):
            below[folder].append(path.rpartition("/")[2])
    full = {folder for folder, names in below.items() if _mostly_tests(names)}
    return frozenset(path for path in every if _is_test(path, full))


def _is_test(path: str, full: set[str]) -> bool:
    """Tell whether a path is a test."""
    *folders, name = path.split("/")
    if _NAMED.search(name) or not _TESTS.isdisjoint(folders) or (folders and folders[0] in _PERHAPS):
        return True
    return not full.isdisjoint(_doubtful(path))


def _doubtful(path: str) -> list[str]:
    """Return the folders of a path, below the top, that may hold tests."""
    parts = path.split("/")[:-1]
    return ["/".join(parts[: place + 1]) for place, part in enumerate(parts) if place and part in _PERHAPS]


def _mostly_tests(names: list[str]) -> bool:
    """Tell whether files are named like tests."""
    telling = [name for name in names if name != "__init__.py"]
    return sum(1 for name in telling if _NAMED.search(name)) >= _SHARE * len(telling)


def is_beside(path: str) -> bool:
    """Tell whether a file is documentation, an example or a tool rather than the product."""
    parts = path.split("/")
    return (len(parts) > 1 and parts[0] in _BESIDE) or parts[-1] in _BUILDING
