"""Reads how pytest is configured for a project, by pytest's own order of files."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from posixpath import basename, dirname

from miyabi_agents.toolchains.python.manifests.task_runners import path_in
from miyabi_agents.toolchains.python.manifests.tree import Table, Tree, strings, table, text_of
from miyabi_core.text import split_lines

#: What pytest takes for a file of tests where nothing is configured.
DEFAULT_FILES = ("test_*.py", "*_test.py")
#: Files that configure pytest, in its order, with the table or section inside.
_FILES = (
    ("pytest.toml", ("pytest",)),
    (".pytest.toml", ("pytest",)),
    ("pytest.ini", ("pytest",)),
    (".pytest.ini", ("pytest",)),
    ("pyproject.toml", ("tool", "pytest", "ini_options")),
    ("pyproject.toml", ("tool", "pytest")),
    ("tox.ini", ("pytest",)),
    ("setup.cfg", ("tool:pytest",)),
)
#: Patterns and folders of a configuration that are looked at.
_MAX_ENTRIES = 50


@dataclass(frozen=True)
class PytestOptions:
    """How pytest is configured."""

    path: str = ""  #: the file; empty where nothing configures it
    values: Table = field(default_factory=dict)

    @property
    def folder(self) -> str:
        """The folder of the file: what paths in it are relative to."""
        return dirname(self.path) or "."

    def listed(self, name: str) -> Sequence[str]:
        """Return an option that is a list of words."""
        return strings(self.values.get(name))[:_MAX_ENTRIES]

    @property
    def python_files(self) -> Sequence[str]:
        """Patterns of names of files with tests."""
        return self.listed("python_files") or DEFAULT_FILES

    @property
    def addopts(self) -> str:
        """Options that are added to each call, as one line without comments."""
        value = self.values.get("addopts")
        if isinstance(value, list):
            return " ".join(strings(value))
        return " ".join(re.sub(r"(^|\s)#.*$", "", line).strip() for line in split_lines(text_of(value))).strip()


def read(tree: Tree, project: str) -> PytestOptions:
    """Return the configuration that pytest would take for a project: its folder's, else one above."""
    folder = project
    while True:
        for options in _of(tree, folder):
            return options
        if folder == ".":
            return PytestOptions()
        folder = dirname(folder) or "."


def _of(tree: Tree, folder: str) -> Iterator[PytestOptions]:
    """Return the configurations in one folder, best first."""
    for name, keys in _FILES:
        path = path_in(folder, name)
        if not tree.has(path):
            continue
        if name.endswith(".toml"):
            values: object = tree.toml(path)
            for key in keys:
                values = table(values).get(key)
            if isinstance(values, dict) and (values or name != "pyproject.toml"):
                yield PytestOptions(path, {key: value for key, value in values.items() if key != "ini_options"})
        else:
            sections = tree.ini(path)
            if keys[0] in sections or basename(path) in ("pytest.ini", ".pytest.ini"):
                yield PytestOptions(path, sections.get(keys[0], {}))
