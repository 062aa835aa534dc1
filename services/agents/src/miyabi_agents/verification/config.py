"""How a repository's tests are run: `.miyabi.yaml` of the base branch, or the operator's file."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from miyabi_agents.errors import ConfigError, WorkspaceError
from miyabi_agents.ports import Worktree

#: Name of the file at the root of a repository.
FILE_NAME = ".miyabi.yaml"


class _Strict(BaseModel):
    """A misspelt key is an error, not silence."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class TargetRule(_Strict):
    """Which tests are the neighbourhood of which sources."""

    #: Glob of sources; `**` crosses folders.
    source: str = Field(min_length=1)
    #: Targets, as the test command takes them.
    tests: list[str] = Field(min_length=1)


class TestConfig(_Strict):
    """How tests are run."""

    #: Argument list; `{python}` is the environment's interpreter, `{targets}` becomes one argument a target.
    command: list[str] = Field(min_length=1)
    #: Folder to run in, relative to the repository.
    cwd: str = "."
    #: How the output is read.
    format: Literal["unittest", "django", "pytest"] = "unittest"
    #: Neighbourhoods.
    targets: list[TargetRule] = Field(default_factory=list)
    #: Seconds for one run.
    timeout: int = Field(default=300, ge=1, le=3600)


class EnvConfig(_Strict):
    """What the tests need to be installed."""

    #: Requirement specifiers (PEP 508).
    requirements: list[str] = Field(default_factory=list)
    #: Versions of Python that the repository works with (PEP 440).
    python: str = ""
    #: Versions to look for first, in order.
    prefer: list[str] = Field(default_factory=list)


class RepositoryConfig(_Strict):
    """The whole file."""

    test: TestConfig
    env: EnvConfig = Field(default_factory=EnvConfig)


def parse(text: str, *, where: str) -> RepositoryConfig:
    """Read a configuration.

    Raises:
        ConfigError: it is no YAML, or a field is missing, unknown or wrong; the message names each.
    """
    try:
        return RepositoryConfig.model_validate(yaml.safe_load(text) or {})
    except yaml.YAMLError as error:
        raise ConfigError(f"{where} is no YAML: {str(error)[:300]}") from error
    except ValidationError as error:
        problems = "; ".join(f"{'.'.join(map(str, entry['loc']))}: {entry['msg']}" for entry in error.errors()[:10])
        raise ConfigError(f"{where}: {problems}") from error


def load(tree: Worktree, repository: str, *, operator_dir: Path | None) -> RepositoryConfig:
    """Return the configuration of a repository: its own, the operator's, or what its files show.

    Raises:
        ConfigError: there is none, or it is wrong.
    """
    try:
        return parse(tree.read(FILE_NAME).decode("utf-8", "replace"), where=FILE_NAME)
    except WorkspaceError as error:
        if error.code != "NO_SUCH_FILE":
            raise
    operators = operator_dir / f"{repository}.yaml" if operator_dir else None
    if operators is not None and operators.is_file():
        return parse(operators.read_text(encoding="utf-8"), where=f"the operator's {operators.name}")
    detected = _detect(tree.list_files())
    if detected is None:
        raise ConfigError(f"{repository} has no {FILE_NAME} and no tests that could be recognised")
    return detected


def _detect(files: object) -> RepositoryConfig | None:
    """Recognise pytest by its configuration or by the names of its files."""
    names = set(files)  # type: ignore[call-overload]
    configured = names & {"pytest.ini", "tox.ini", "conftest.py", "tests/conftest.py"}
    named = any(name.startswith("tests/") and name.rpartition("/")[2].startswith("test_") for name in names)
    if not configured and not named:
        return None
    command = ["{python}", "-m", "pytest", "-v", "-p", "no:cacheprovider", "{targets}"]
    requirements = ["pytest", *(["-r requirements.txt"] if "requirements.txt" in names else [])]
    requirements = [entry for entry in requirements if not entry.startswith("-r")]
    rules = [TargetRule(source="**", tests=["tests"])] if named else []
    return RepositoryConfig(
        test=TestConfig(command=command, format="pytest", targets=rules), env=EnvConfig(requirements=requirements)
    )
