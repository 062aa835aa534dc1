"""Chooses how a project's tests are run, and says why."""

from __future__ import annotations

import re
from collections.abc import Sequence
from posixpath import basename

from miyabi_agents.toolchains.python.layout.pytest_options import PytestOptions
from miyabi_agents.toolchains.python.layout.tests import Style
from miyabi_agents.toolchains.python.manifests.requirement_files import found as requirement_files
from miyabi_agents.toolchains.python.manifests.task_runners import path_in
from miyabi_agents.toolchains.python.manifests.tree import Tree

#: pytest by name, as a requirement or a command.
_PYTEST = re.compile(r"(^|[^\w.-])(pytest|py\.test)([-_]\w+)*\b", re.MULTILINE)
#: Files of a project that may ask for pytest.
_PLACES = ("pyproject.toml", "tox.ini", "setup.cfg", "setup.py", "noxfile.py", "hatch.toml", "Pipfile", "Makefile",
           "environment.yml", "justfile", "tasks.py")  # fmt: skip


def asked_for(tree: Tree, project: str) -> str:
    """Return the file of a project that names pytest; empty where none does."""
    files = [path_in(project, name) for name in _PLACES]
    for path in (*files, *(path for group in requirement_files(tree, project) for path in group)):
        text = tree.text(path) or ""
        if _PYTEST.search(re.sub(r"#.*", "", text)):
            return path
    return ""


def choose(
    tree: Tree, project: str, options: PytestOptions, *, style: Style, settings: str, files: Sequence[str]
) -> tuple[str, str]:
    """Return the runner and the reason.

    pytest collects what is written for unittest too, so that it is taken wherever anything of the project asks for it:
    then its own configuration counts. Where nothing does, the suite was never seen to pass under pytest (fixtures of
    modules, import side effects, warnings), and unittest's or Django's runner is what its people use.
    """
    conftest = next((path for path in files if basename(path) == "conftest.py"), "")
    named = asked_for(tree, project)
    reasons = (
        ("pytest", f"{options.path} configures pytest", bool(options.path)),
        ("pytest", f"{conftest} is pytest's", bool(conftest)),
        ("pytest", "tests import pytest", style.pytest),
        ("pytest", f"{named} names pytest", bool(named)),
        (
            "django",
            f"tests use django.test with settings {settings}",
            style.django and bool(settings),
        ),
        ("pytest", "tests are plain functions", style.functions),
        ("unittest", "tests are written for unittest, and nothing names pytest", style.unittest),
        ("pytest", "by default", True),
    )
    return next((name, why) for name, why, holds in reasons if holds)
