"""A repository with more projects than are told apart: how many were left out is said with the first one."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from miyabi_agents.toolchains.go import modules
from miyabi_agents.toolchains.javascript import projects as javascript
from miyabi_agents.toolchains.port import UNSEEN, Project, limited
from miyabi_agents.toolchains.python.layout.projects import MAX_PROJECTS
from miyabi_agents.toolchains.python.layout.projects import find as find_python
from miyabi_agents.toolchains.python.manifests.tree import Tree
from miyabi_agents.toolchains.rust import crates

MORE = 3


class Files:
    """A commit's files in memory; implements `port.BaseFiles`."""

    sha = "a" * 40

    def __init__(self, files: dict[str, bytes]) -> None:
        self.files = files

    def paths(self) -> list[str]:
        """Return the names, sorted."""
        return sorted(self.files)

    def read(self, path: str) -> bytes | None:
        """Return a content."""
        return self.files.get(path)

    def links(self) -> dict[str, str]:
        """Return none."""
        return {}


def many(count: int, files: dict[str, str]) -> Files:
    """Return *count* folders with the same files."""
    return Files({f"p{number:04}/{name}": text.encode() for number in range(count) for name, text in files.items()})


GO = {"go.mod": "module example.com/a\n\ngo 1.22\n", "a_test.go": "package a\n"}
RUST = {"Cargo.toml": '[package]\nname = "a"\nversion = "0.1.0"\n', "src/lib.rs": ""}
NODE = {
    "package.json": '{"name": "a", "scripts": {"test": "node --test"}}',
    "a.test.js": "import test from 'node:test'",
}


@pytest.mark.parametrize(
    ("recognise", "files", "most"),
    [
        (modules.recognise, GO, modules.MAX_MODULES), (crates.recognise, RUST, crates.MAX_CRATES),
        (javascript.recognise, NODE, javascript.MAX_PROJECTS),
    ],
)  # fmt: skip
def test_projects_beyond_the_limit_are_counted(recognise, files, most: int) -> None:
    """The first project says it; below the limit nothing is said."""
    found = recognise(many(most + MORE, files), None)
    assert len(found) == most
    assert found[0].facts[UNSEEN] == f"only the first {most} projects were looked at; {MORE} more were left out"
    assert not any(UNSEEN in project.facts for project in [*found[1:], *recognise(many(2, files), None)])


def test_python_projects_beyond_the_limit_are_counted() -> None:
    """Their files belong to those around them, and that is said."""
    files = {"pyproject.toml": '[project]\nname = "a"\nversion = "1"\n', "tests/test_a.py": "def test_a(): pass\n"}
    found = find_python(Tree(many(MAX_PROJECTS + MORE, files)), None)
    assert f"{MORE} more were left out" in str(found[0].facts[UNSEEN])


@settings(deadline=None)
@given(st.integers(0, 12), st.integers(1, 12), st.integers(0, 5))
def test_nothing_is_left_out_without_a_word(count: int, most: int, beyond: int) -> None:
    """Whatever the numbers."""
    projects = [Project("go", f"p{number}", "go", "go.mod") for number in range(count)]
    kept = limited(projects, most, beyond=beyond)
    missing = count - len(kept) + beyond
    assert [project.root for project in kept] == [project.root for project in projects[:most]]
    assert [f"{missing} more" in str(project.facts.get(UNSEEN, "")) for project in kept[:1]] == [missing > 0] * bool(
        kept
    )
