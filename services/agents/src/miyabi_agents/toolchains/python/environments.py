"""The half of the Python toolchain that recognises projects and says how their environments are built."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from posixpath import basename

from miyabi_agents.toolchains.port import BaseFiles, Environment, Laid, LayKind, Machine, Project, Recipe
from miyabi_agents.toolchains.python.layout.projects import find
from miyabi_agents.toolchains.python.manifests.tree import Tree, within
from miyabi_agents.toolchains.python.recipes.recipe import recipe
from miyabi_agents.verification.config import RepositoryConfig

#: Files that decide what an environment holds.
_MANIFEST = re.compile(
    r"pyproject\.toml|setup\.(py|cfg)|MANIFEST\.in|hatch\.toml|tox\.(ini|toml)|noxfile\.py|Pipfile"
    r"|(uv|poetry|pdm|Pipfile)\.lock|\.python-version|\.miyabi\.yaml"
    r"|[\w.-]*(requirements?|constraints?|reqs)[\w.-]*\.(txt|in|pip)"
)
#: Folders in which every list of packages is one.
_FOLDER = re.compile(r"(^|/)(requirements?|reqs)/[\w./-]+\.(txt|in|pip)$")
#: What builds and runs leave that no checkout needs.
_LEFT = re.compile(
    r"(^|/)(__pycache__|build|dist|\.eggs|\.venv|venv|\.tox|\.nox|\.pytest_cache|\.mypy_cache|\.hypothesis|target|wheels"
    r"|[^/]+\.(egg-info|dist-info)|\.mesonpy[^/]*)(/|$)|\.(pyc|pyo|o|obj|a|log|lock|tmp)$"
)
#: What a checkout needs of what was generated: modules, extensions, data beside them.
_COMPILED = re.compile(r"\.(so|pyd|dylib)$")


class PythonEnvironments:
    """Recognises Python projects and writes recipes for their environments.

    Args:
        now: Tells the time, for whether a commit is old enough for packages of its day.
    """

    def __init__(self, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._now = now

    def recognise(self, base: BaseFiles, config: RepositoryConfig | None) -> Sequence[Project]:
        """Return the Python projects of a repository, outermost first."""
        return find(Tree(base), config)

    def recipe(self, project: Project, base: BaseFiles, machine: Machine) -> Recipe:
        """Return how the project's environment is built.

        Raises:
            ToolchainMissingError: uv, or a Python that fits, is missing.
            EnvironmentBuildError: a requirement is refused, by name.
        """
        return recipe(project, Tree(base), machine, now=self._now())

    def lay(self, project: Project, environment: Environment) -> Sequence[Laid]:
        """Return the generated modules and extensions, which are copied; a change may write beside or over them."""
        inside = [path for path in environment.generated if within(project.root, path) or _COMPILED.search(path)]
        return [Laid(path, LayKind.COPY) for path in inside if not _LEFT.search(path)]

    def is_manifest(self, path: str) -> bool:
        """Tell whether a file decides what an environment holds."""
        return _MANIFEST.fullmatch(basename(path)) is not None or _FOLDER.search(path) is not None
