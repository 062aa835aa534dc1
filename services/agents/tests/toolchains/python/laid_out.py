"""Small repositories, and a machine, for tests of what recognises and prepares."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from textwrap import dedent

from miyabi_agents.toolchains.port import Machine, Project, Recipe
from miyabi_agents.toolchains.python import PythonEnvironments
from miyabi_agents.verification.config import RepositoryConfig
from services.agents.tests.environments.shop import Files

#: The day on which recipes of these tests are written.
TODAY = datetime(2026, 11, 29, tzinfo=UTC)
PYTHONS = ("3.10.4", "3.11.7", "3.12.1", "3.13.0")
MACHINE = Machine(
    programs={
        "uv": Path("/opt/uv"),
        **{f"python{text.rpartition('.')[0]}": Path(f"/opt/{text}/bin/python3") for text in PYTHONS},
    },
    versions={f"python{text.rpartition('.')[0]}": tuple(map(int, text.split("."))) for text in PYTHONS},
)
PLAIN = "[project]\nname = 'thing'\nversion = '1.0'\ndependencies = ['six']\n[build-system]\nrequires = ['flit_core<4']\nbuild-backend = 'flit_core.buildapi'\n"


def repository(*, days: int = 0, **content: str) -> Files:
    """Return a repository; `a__b_py` in a keyword is `a/b.py`, other names are given by `at`."""
    return at({name.replace("__", "/").replace("_py", ".py"): text for name, text in content.items()}, days=days)


def at(content: dict[str, str], *, days: int = 0) -> Files:
    """Return a repository of some files, committed *days* ago."""
    return Files({name: dedent(text).encode() for name, text in content.items()}, TODAY - timedelta(days=days))


def recognised(files: Files, config: RepositoryConfig | None = None) -> Sequence[Project]:
    """Return a repository's projects."""
    return PythonEnvironments(lambda: TODAY).recognise(files, config)


def recipe_of(files: Files, config: RepositoryConfig | None = None, machine: Machine = MACHINE) -> Recipe:
    """Return how the first project's environment is built."""
    environments = PythonEnvironments(lambda: TODAY)
    return environments.recipe(environments.recognise(files, config)[0], files, machine)


def installed(recipe: Recipe) -> set[str]:
    """Return every word of the recipe's commands that fetch."""
    return {word for step in recipe.steps if step.phase.value == "fetch" for word in step.command}
