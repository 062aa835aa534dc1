"""What a toolchain is: it recognises projects, prepares their environment, selects tests and reads verdicts.

A toolchain never runs anything by itself. It says what is to be run, as values; the environment store and the verifier
run it in the sandbox. It reads base's files only, never the change's, except where a method says otherwise.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import Enum
from pathlib import Path
from typing import Protocol

from miyabi.coordinator.v1.result_pb2 import TestVerdict
from miyabi_agents.ports import SandboxResult
from miyabi_agents.verification.config import RepositoryConfig
from miyabi_core.text import first


class BaseFiles(Protocol):
    """The files of a commit, without a checkout: bytes of strangers, bounded."""

    @property
    def committed(self) -> datetime:
        """When the commit was made; aware."""

    def paths(self) -> Sequence[str]:
        """List regular files, sorted, with forward slashes."""

    def read(self, path: str) -> bytes | None:
        """Return a file's content, at most 1 MiB of it; None where it is not there."""


@dataclass(frozen=True)
class Machine:
    """What the machine that runs tests has; asked once, in the sandbox."""

    #: Programs by name (`node`, `go`, `cargo`, `uv`, `python3.12`), each absolute and resolved.
    programs: Mapping[str, Path] = field(default_factory=dict)
    #: Versions by the same names, as numbers: (3, 12, 1).
    versions: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    #: Folders that a program needs to read beside /usr and /lib, by the same names.
    roots: Mapping[str, Sequence[Path]] = field(default_factory=dict)


@dataclass(frozen=True)
class Project:
    """One project of a repository: what is built and tested together."""

    toolchain: str  #: name of the toolchain, such as `python`
    root: str  #: folder, relative to the repository; `.` for the repository itself
    runner: str  #: how its tests are run: `pytest`, `unittest`, `django`, `vitest`, `go`, `cargo`, …
    origin: str  #: where the environment is described, for a person: `uv.lock`, `pyproject.toml, extra "test"`
    #: What the toolchain noted while it looked; plain values only, so that it can be shown and hashed.
    facts: Mapping[str, str | bool | int | Sequence[str]] = field(default_factory=dict)


#: Fact of an ecosystem's first project: a sentence on the projects that its toolchain did not look at.
UNSEEN = "unseen"


def limited(projects: Sequence[Project], most: int, *, beyond: int = 0) -> list[Project]:
    """Return the first projects; what there is besides is a fact of the first of them, which people are shown.

    Args:
        projects: Outermost first.
        most: How many are told apart.
        beyond: How many more were not even looked at.
    """
    kept, rest = first(projects, most)
    if not kept or not rest + beyond:
        return list(kept)
    words = f"only the first {len(kept):,} projects were looked at; {rest + beyond:,} more were left out"
    return [replace(kept[0], facts={**kept[0].facts, UNSEEN: words}), *kept[1:]]


class Phase(Enum):
    """What a step of a recipe may reach."""

    #: Package indexes, through our proxy; nothing of the repository is run where that can be helped.
    FETCH = "fetch"
    #: No network.
    BUILD = "build"


@dataclass(frozen=True)
class Step:
    """One command of a recipe, run in the sandbox.

    In arguments and values of the environment `{env}` stands for the environment's folder (writable), `{tree}` for
    base's checkout in it (writable: `{env}/tree`), `{cache}` for the ecosystem's download cache (writable, shared),
    `{project}` for the project's folder in the tree.
    """

    name: str  #: for a person: `install the project`
    phase: Phase
    command: Sequence[str]
    environment: Mapping[str, str] = field(default_factory=dict)
    cwd: str = "{project}"
    #: A failure is noted and the recipe goes on.
    optional: bool = False
    #: It runs nothing of the repository or a package (`--only-binary :all:`, `--ignore-scripts`, `go mod download`):
    #: only such a step, and only before any other has run, may write to the cache that all environments share; from the
    #: first FETCH step without this on, `{cache}` is private to the build and removed after it.
    downloads_only: bool = False


@dataclass(frozen=True)
class Recipe:
    """How an environment is built: the same recipe and inputs give the same environment."""

    toolchain: str
    origin: str  #: as in Project; with what was chosen on the way
    #: Paths of base whose content the environment depends on, manifests and lock files (sources of extensions too).
    inputs: Sequence[str]
    #: What else it depends on: interpreter with version, date, platform.
    keys: Sequence[str]
    steps: Sequence[Step]
    #: Folders outside that its programs need to read.
    readable: Sequence[Path] = ()
    #: What runs the tests, for a person: `CPython 3.12.1`, `node 20.20.2`.
    runtime: str = ""
    #: For a person: what was left out and why, a date that was chosen, an interpreter that stands in for another.
    notes: Sequence[str] = ()
    #: Tried in order where a build fails in a way that another recipe may mend (packages as of the commit's day, …).
    fallbacks: Sequence[Recipe] = ()


@dataclass(frozen=True)
class Environment:
    """An environment that was built."""

    path: Path  #: its folder; absolute
    tree: Path  #: base's checkout that it was built from, with what the build generated
    recipe: Recipe
    notes: Sequence[str] = ()
    #: Files and folders that the build generated in the tree, relative to it, topmost only (`src/x/_version.py`,
    #: `node_modules`): what a checkout of the same project lacks.
    generated: Sequence[str] = ()
    seconds: float = 0.0  #: what building took; 0 where it was there


class LayKind(Enum):
    """How something generated gets into a checkout."""

    COPY = "copy"
    #: A symbolic link to the environment's, which is readable and not writable.
    LINK = "link"


@dataclass(frozen=True)
class Laid:
    """One generated path that a checkout gets before tests are run there."""

    path: str  #: relative to the checkout, and to the environment's tree
    kind: LayKind


@dataclass(frozen=True)
class TestRun:
    """One run of tests, ready for the sandbox.

    `{tree}` in arguments and values stands for the checkout, `{env}` for the environment's folder, `{scratch}` for a
    private writable folder of the run; `{seconds}`, in values only, for how long one test may take. Reports are
    written to the folder that the variable `MIYABI_REPORT` names.
    """

    command: Sequence[str]
    cwd: str = "."  #: relative to the checkout
    environment: Mapping[str, str] = field(default_factory=dict)
    #: Commands that come first, in the checkout, without a network: builds that tests need. One that fails ends it.
    before: Sequence[Sequence[str]] = ()
    readable: Sequence[Path] = ()
    #: Folders of the environment that the run needs a writable copy of (a build cache), by the name of the copy below
    #: `{scratch}`.
    copies: Mapping[str, Path] = field(default_factory=dict)
    #: For a person, as one would type it in the project's folder: `pytest tests/test_a.py`.
    shown: str = ""


@dataclass(frozen=True)
class RunVerdicts:
    """What a run of tests showed.

    A test's name is the same in every checkout: no absolute path, no time, no address; parameters stay. For Python
    `tests/test_a.py::TestB::test_c[1-x]`, for JavaScript `test/a.test.ts > group > title`, for Go `pkg/path.TestA/sub`,
    for Rust `crate::module::test` with the test target before it.
    """

    verdicts: Mapping[str, TestVerdict.ValueType] = field(default_factory=dict)
    #: The run came to its end, and exit status, counts and verdicts agree; only then absence means anything.
    complete: bool = False
    #: Why it is not complete, for a person: one sentence with the cause (`the runner was ended by signal 11`).
    problem: str = ""
    #: Files (packages, targets) that could not be imported or compiled, with the first lines of the reason.
    unbuilt: Mapping[str, str] = field(default_factory=dict)
    #: The first lines of what a test said that failed or is blocked, by name.
    reasons: Mapping[str, str] = field(default_factory=dict)
    #: A condition of the runner that is not a test and failed the run, such as a coverage gate; empty where none did.
    gate: str = ""
    seconds: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class OwnTests:
    """What a change does to the tests of one file, by the names that `Toolchain.group_of` gives."""

    added: frozenset[str] = frozenset()
    edited: frozenset[str] = frozenset()
    removed: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Selection:
    """Which test files (packages, targets) are run for a change, as the toolchain names them, sorted."""

    own: Sequence[str] = ()  #: those that the change adds or edits
    near: Sequence[str] = ()  #: those that depend on what it touches
    note: str = ""  #: for a person: how `near` was found, or why it is empty


class Toolchain(Protocol):
    """One ecosystem."""

    name: str

    def recognise(self, base: BaseFiles, config: RepositoryConfig | None) -> Sequence[Project]:
        """Return the projects of a repository, outermost first; empty where there is none of this ecosystem.

        Reads manifests and names of files; runs nothing, follows no link, parses within bounds. *config* is the
        `.miyabi.yaml` of base or the operator's file, which wins over what is recognised.
        """

    def recipe(self, project: Project, base: BaseFiles, machine: Machine) -> Recipe:
        """Return how the project's environment is built.

        Raises:
            ToolchainMissingError: no program of this machine fits; names what is missing and how to get it.
            EnvironmentBuildError: a requirement is refused, by name.
        """

    def lay(self, project: Project, environment: Environment) -> Sequence[Laid]:
        """Return what of the environment's generated files a checkout gets before tests are run there."""

    def is_test(self, path: str, base: BaseFiles) -> bool:
        """Tell whether a file holds tests, by the runner's own rules of names and by the project's configuration."""

    def is_support(self, path: str, base: BaseFiles) -> bool:
        """Tell whether a file lies beside tests without holding any: data, helpers, expected output; no product."""

    def is_harness(self, path: str) -> bool:
        """Tell whether a file decides how tests are found, run or judged (`conftest.py`, `vitest.config.ts`)."""

    def is_manifest(self, path: str) -> bool:
        """Tell whether a file decides what an environment holds; a change that edits one gets its own."""

    def select(self, project: Project, base: BaseFiles, changed: Mapping[str, bytes | None]) -> Selection:
        """Return the tests for a change.

        Args:
            project: The project that the changed files belong to.
            base: The files before.
            changed: New content by path; None where a file is deleted. Data of strangers.
        """

    def test_run(self, project: Project, environment: Environment, targets: Sequence[str] | None) -> TestRun:
        """Return the command for some targets, as `select` names them; None: the whole suite."""

    def read(self, project: Project, run: TestRun, result: SandboxResult, *, tree: Path) -> RunVerdicts:
        """Read the verdicts from the report of a run; never from what tests print, where the runner can do otherwise.

        Linear in the size of what it reads. *tree* is the checkout, so that its path can be taken out of names.
        """

    def group_of(self, test: str) -> str:
        """Return what a test's parameters are taken away from: the function, or the test itself."""

    def file_of(self, test: str) -> str:
        """Return the target that a test belongs to: a path for Python and JavaScript, a package for Go."""

    def own_tests(self, path: str, before: bytes | None, after: bytes | None) -> OwnTests:
        """Return the groups of tests that a change adds, edits or removes in one test file.

        Where the ecosystem's code cannot be parsed, every test of an edited file may count as edited: return the path
        itself in `edited`.
        """

    def code_of(self, path: str, content: bytes, group: str) -> str:
        """Return the code of one test, at most 4,000 characters; empty where it cannot be told."""

    def harness_changed(self, path: str, before: bytes | None, after: bytes | None) -> bool:
        """Tell whether the change of a harness file touches how tests are found, run or judged.

        A manifest may hold both (`pyproject.toml`, `package.json`): only the part that concerns tests counts.
        """

    def repair(self, recipe: Recipe, run: RunVerdicts) -> Recipe | None:
        """Return a recipe that adds what a run on base could not import; None where nothing can be added."""

    def tests_within(self, path: str, source: bytes, tests: bytes) -> bytes | None:
        """Return *source* with the tests that *tests* holds, two versions of one file of code that holds its own tests.

        None where the ecosystem's tests lie in files of their own, or the two cannot be told apart.
        """
