"""What `.miyabi.yaml` of the base branch, or the operator's file of the same form, says of a repository."""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from typing import Annotated, Literal

import yaml
from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from miyabi_agents.errors import ConfigError
from miyabi_core.text import enumerated, shortened

#: Name of the file at the root of a repository.
FILE_NAME = ".miyabi.yaml"
#: Longest file that is read: thousands of lines, where a handful is needed.
MAX_BYTES = 64 * 1024
#: Lists of a file are no longer than this.
MAX_ENTRIES = 500
#: Wildcards of folders in one glob; each multiplies the ways in which a path can match.
MAX_WILDCARDS = 8

#: How verdicts are read. `auto`: by the recognised runner.
Format = Literal[
    "auto", "unittest", "django", "pytest", "vitest", "jest", "mocha", "tap", "node", "go", "cargo", "junit",
]  # fmt: skip


def _inside(path: str) -> str:
    """Refuse a path that leads out of the repository."""
    parts = PurePosixPath(path).parts
    if path.startswith("/") or ".." in parts or "\0" in path or "\\" in path:
        raise ValueError("must be a relative path inside the repository, without `..`")
    return path


def _simple(pattern: str) -> str:
    """Refuse a glob with more wildcards than anybody needs."""
    if pattern.count("*") > MAX_WILDCARDS * 2 or pattern.count("**") > MAX_WILDCARDS:
        raise ValueError(f"has more than {MAX_WILDCARDS} wildcards")
    return _inside(pattern)


def _requirement(text: str) -> str:
    """Refuse what is no requirement of a package from an index (PEP 508): options, paths, addresses."""
    if text.strip().startswith("-"):
        raise ValueError(f"{text!r} is an option of an installer; only requirements (PEP 508) may be named")
    try:
        parsed = Requirement(text)
    except InvalidRequirement as error:
        raise ValueError(f"{text!r} is no requirement (PEP 508): paths, files and addresses are refused") from error
    if parsed.url is not None:
        raise ValueError(f"{text!r} names an address; only packages of the index may be named")
    return text


def _specifier(text: str) -> str:
    """Refuse what is no set of versions (PEP 440)."""
    try:
        SpecifierSet(text)
    except InvalidSpecifier as error:
        raise ValueError(f"{text!r} is no version specifier (PEP 440), such as `>=3.11`") from error
    return text


_Path = Annotated[str, Field(max_length=1000), AfterValidator(_inside)]
_Glob = Annotated[str, Field(min_length=1, max_length=300), AfterValidator(_simple)]
_Argument = Annotated[str, Field(max_length=4000)]
_Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$")]


class _Strict(BaseModel):
    """A misspelt key is an error, not silence."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class TargetRule(_Strict):
    """Which tests are the neighbourhood of which sources."""

    #: Glob of sources; `**` crosses folders.
    source: _Glob
    #: Targets, as the test command takes them.
    tests: list[_Argument] = Field(min_length=1, max_length=MAX_ENTRIES)


class TestConfig(_Strict):
    """How tests are run."""

    #: Argument list; `{python}` is the environment's interpreter, `{targets}` becomes one argument a target.
    #: Empty: the recognised runner's.
    command: list[_Argument] = Field(default_factory=list, max_length=MAX_ENTRIES)
    #: Folder to run in, relative to the repository; targets are relative to it.
    cwd: _Path = "."
    #: How verdicts are read.
    format: Format = "auto"
    #: Neighbourhoods; empty: by what tests import.
    targets: list[TargetRule] = Field(default_factory=list, max_length=MAX_ENTRIES)
    #: Seconds for one run.
    timeout: int = Field(default=600, ge=1, le=3600)
    #: The whole suite is run where base's needs at most so many seconds; 0: never.
    whole_suite: int = Field(default=120, ge=0, le=3600)
    #: What a condition of the runner that is no test says of a change where base meets it: a share of covered lines.
    gate: Literal["note", "refuse"] = "note"


class EnvConfig(_Strict):
    """What the tests need to be installed."""

    #: Requirement specifiers (PEP 508), beside what is recognised; with `only`, instead of it.
    requirements: list[Annotated[str, Field(max_length=500), AfterValidator(_requirement)]] = Field(
        default_factory=list, max_length=MAX_ENTRIES
    )
    #: Extras of the project to install; empty: those with the usual names.
    extras: list[_Name] = Field(default_factory=list, max_length=50)
    #: Dependency groups (PEP 735) to install; empty: those with the usual names.
    groups: list[_Name] = Field(default_factory=list, max_length=50)
    #: Versions of Python that the repository works with (PEP 440).
    python: Annotated[str, Field(max_length=200), AfterValidator(_specifier)] = ""
    #: Versions to look for first, in order.
    prefer: list[Annotated[str, Field(pattern=r"^\d+(\.\d+){0,2}$")]] = Field(default_factory=list, max_length=20)
    #: Install nothing but `requirements`: neither the project nor what its files name.
    only: bool = False


class ToolsConfig(_Strict):
    """What the model may do beside reading, editing and running tests."""

    #: Run commands of its choice in the sandbox, on a copy of its change.
    run_command: bool = True


class RepositoryConfig(_Strict):
    """The whole file."""

    test: TestConfig = Field(default_factory=TestConfig)
    env: EnvConfig = Field(default_factory=EnvConfig)
    tools: ToolsConfig = Field(default_factory=ToolsConfig)


#: Problems of one file that are named; the others are counted.
MOST_PROBLEMS = 10


def parse(text: str, *, where: str) -> RepositoryConfig:
    """Read a configuration.

    Raises:
        ConfigError: it is longer than 64 KiB, no YAML, or a field is missing, unknown or wrong; the message names each.
    """
    if len(text.encode("utf-8", "replace")) > MAX_BYTES:
        raise ConfigError(f"{where} is longer than {MAX_BYTES} bytes")
    try:
        return RepositoryConfig.model_validate(_loaded(text) or {})
    except yaml.YAMLError as error:
        raise ConfigError(f"{where} is no YAML: {shortened(str(error), 300)}") from error
    except ValidationError as error:
        problems = [f"{'.'.join(map(str, entry['loc']))}: {entry['msg']}" for entry in error.errors()]
        raise ConfigError(f"{where}: {shortened(enumerated(problems, MOST_PROBLEMS, by='; '), 1500)}") from error
    except (RecursionError, MemoryError, ValueError, OverflowError, TypeError) as error:
        raise ConfigError(f"{where} cannot be read: {type(error).__name__}") from error


def _loaded(text: str) -> object:
    """Load YAML without aliases, which multiply.

    Raises:
        yaml.YAMLError: it is none, or has an alias.
    """
    for token in yaml.scan(text, Loader=yaml.CSafeLoader):
        if isinstance(token, yaml.AliasToken):
            raise yaml.YAMLError("aliases (`*name`) are not taken")
    return yaml.load(text, Loader=yaml.CSafeLoader)


def load(own: bytes | None, repository: str, *, operator_dir: Path | None) -> RepositoryConfig | None:
    """Return the configuration of a repository: its own, the operator's, or None where neither is there.

    Args:
        own: Content of base's `.miyabi.yaml`; None where it has none.
        repository: `owner/name`.
        operator_dir: Where the operator's `OWNER/NAME.yaml` files are.

    Raises:
        ConfigError: it is wrong.
    """
    if own is not None:
        return parse(own.decode("utf-8", "replace"), where=FILE_NAME)
    operators = operator_dir / f"{repository}.yaml" if operator_dir else None
    if operators is not None and operators.is_file():
        return parse(operators.read_text(encoding="utf-8"), where=f"the operator's {operators.name}")
    return None
