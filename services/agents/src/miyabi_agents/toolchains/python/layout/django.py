"""Finds how Django's tests of a project are run."""

from __future__ import annotations

import re
from collections.abc import Sequence
from posixpath import basename

from miyabi_agents.toolchains.python.layout.pytest_options import PytestOptions
from miyabi_agents.toolchains.python.manifests.task_runners import path_in, tox_sections
from miyabi_agents.toolchains.python.manifests.tree import Tree, text_of, within

#: A module of settings, wherever it is named.
_NAMED = re.compile(
    r"DJANGO_SETTINGS_MODULE[\"']?\s*[,=:?]{1,2}\s*[\"']?([A-Za-z_][\w.]{0,200})|--settings[= ]([A-Za-z_][\w.]{0,200})"
)
#: Files that may name it, best first.
_PLACES = (
    "pytest.ini", "tox.ini", "pyproject.toml", "setup.cfg", "noxfile.py", "runtests.py", "tests/runtests.py",
    "manage.py", "Makefile", "justfile", "tests/__init__.py", "conftest.py", "tests/conftest.py",
)  # fmt: skip


def settings_of(tree: Tree, project: str, options: PytestOptions) -> str:
    """Return the module of Django's settings that the tests use; empty where none is named."""
    configured = text_of(options.values.get("DJANGO_SETTINGS_MODULE"))
    if configured:
        return configured
    for section, values in tox_sections(tree, project).items():
        found = (
            _NAMED.search(values.get("setenv", "") + "\n" + values.get("commands", ""))
            if section == "testenv"
            else None
        )
        if found:
            return found[1] or found[2]
    for name in _PLACES:
        found = _NAMED.search(tree.text(path_in(project, name)) or "")
        if found:
            return found[1] or found[2]
    below = [path for path in tree.paths if basename(path) == "manage.py" and within(project, path)]
    found = _NAMED.search(tree.text(min(below, key=len)) or "") if below else None
    return (found[1] or found[2]) if found else ""


def manage_of(tree: Tree, project: str, settings: str) -> str:
    """Return the project's outermost `manage.py` where its settings are those of the tests; empty where none is."""
    found: Sequence[str] = [path for path in tree.paths if basename(path) == "manage.py" and within(project, path)]
    outermost = min(found, key=lambda path: (path.count("/"), path), default="")
    named = _NAMED.search(tree.text(outermost) or "") if outermost else None
    own = (named[1] or named[2]) if named else ""
    return outermost if not settings or not own or own == settings else ""


def runtests_of(tree: Tree, project: str) -> str:
    """Return a `runtests.py` of the project; empty where it has none."""
    return next((path for name in ("runtests.py", "tests/runtests.py") if tree.has(path := path_in(project, name))), "")
