"""Every attack of both lists is held by tests that are there."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

import pytest
from attacks import FIRST, FOLDERS, SECOND, Held

_ROOT = Path(__file__).parents[2]


@cache
def names_in(file: Path) -> frozenset[str]:
    """Return the names of a file's tests."""
    found = ast.walk(ast.parse(file.read_bytes()))
    return frozenset(
        node.name
        for node in found
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_")
    )


@pytest.mark.parametrize(("held", "length"), [(FIRST, 69), (SECOND, 93)], ids=["first", "second"])
def test_no_number_is_left_out(held: Held, length: int) -> None:
    """Each attack has its tests, or a sentence on why it is none."""
    assert set(held) == set(range(1, length + 1))
    assert all(isinstance(entry, tuple) or len(entry.split()) > 3 for entry in held.values())
    assert all(held.values())


@pytest.mark.parametrize("held", [FIRST, SECOND], ids=["first", "second"])
def test_each_test_is_there(held: Held) -> None:
    """A test that is renamed takes its attacks along."""
    missing = []
    for number, entry in held.items():
        for node in entry if isinstance(entry, tuple) else ():
            path, _, name = node.partition("::")
            folder, _, rest = path.partition("/")
            file = _ROOT / FOLDERS[folder] / rest
            if not file.is_file() or name not in names_in(file):
                missing.append((number, node))
    assert not missing
