"""Tells which files of a project hold tests, and what they are written for."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from posixpath import basename, dirname

from miyabi_agents.toolchains.python.layout.pytest_options import DEFAULT_FILES, PytestOptions
from miyabi_agents.toolchains.python.manifests.tree import Tree, matches, within

#: Names of files that hold tests by one runner's rules or another's.
ANY_FILES = (*DEFAULT_FILES, "tests.py", "test.py")
#: Folders whose files are for tests.
TEST_FOLDERS = frozenset({"test", "tests", "testing", "unittests", "unit_tests", "integration_tests", "t"})
#: Files of tests that are read to tell what they are written for, and bytes of each.
MAX_FILES = 150
HEAD_BYTES = 60_000


@dataclass(frozen=True)
class Style:
    """What the files of tests are written for, by their text."""

    texts: Sequence[str] = ()
    pytest: bool = False  #: imports pytest
    functions: bool = False  #: tests that are plain functions
    unittest: bool = False
    django: bool = False


def is_test_file(path: str, options: PytestOptions) -> bool:
    """Tell whether a file holds tests, by its name and the configuration of pytest."""
    if not path.endswith(".py") or basename(path) == "conftest.py":
        return False
    inside = path.removeprefix("" if options.folder == "." else f"{options.folder}/")
    return any(
        matches(inside, pattern) or matches(inside, f"*/{pattern}")
        if "/" in pattern
        else matches(basename(path), pattern)
        for pattern in (*options.python_files, *ANY_FILES)
    )


def test_files(paths: Sequence[str], options: PytestOptions) -> Sequence[str]:
    """Return the files with tests among a project's files; only those under `testpaths`, where some are there."""
    found = [path for path in paths if is_test_file(path, options)]
    folders = [f"{options.folder}/{name}".removeprefix("./") for name in options.listed("testpaths")]
    named = [path for path in found if any(within(folder.rstrip("/"), path) for folder in folders)]
    return named or found


def folders_of(files: Sequence[str]) -> Sequence[str]:
    """Return the topmost folders that hold files of tests, sorted."""
    tops: list[str] = []
    for folder in sorted({dirname(path) or "." for path in files}):
        parts = folder.split("/")
        named = [place for place, part in enumerate(parts) if part in TEST_FOLDERS]
        top = "/".join(parts[: named[0] + 1]) if named else folder
        if not any(within(known, top) and known != "." for known in tops) and top not in tops:
            tops.append(top)
    return tops[:MAX_FILES]


def style(tree: Tree, files: Sequence[str]) -> Style:
    """Read files of tests and say what they are written for."""
    step = max(1, len(files) // MAX_FILES)
    texts = [tree.head(path, limit=HEAD_BYTES) for path in files[::step][:MAX_FILES]]

    def any_has(pattern: str) -> bool:
        expression = re.compile(pattern, re.MULTILINE)
        return any(expression.search(text) for text in texts)

    return Style(
        texts=texts,
        pytest=any_has(r"^\s*(import pytest\b|from _?pytest\b)"),
        functions=any_has(r"^(async )?def test"),
        unittest=any_has(r"^\s*(import unittest|from unittest\b(?!\.mock)|class \w+\(.*TestCase\b)"),
        django=any_has(r"^\s*from django\.test import|^\s*import django\b"),
    )
