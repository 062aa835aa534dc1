"""Python's toolchain: what recognises and prepares, joined with what runs and reads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from miyabi_agents.ports import SandboxResult
from miyabi_agents.toolchains.port import (
    BaseFiles,
    Environment,
    OwnTests,
    Project,
    Recipe,
    RunVerdicts,
    Selection,
    TestRun,
)
from miyabi_agents.toolchains.python import runners
from miyabi_agents.toolchains.python.environments import PythonEnvironments
from miyabi_agents.toolchains.python.recipes.repair import missing_in, repair


class PythonToolchain(PythonEnvironments):
    """Python: pytest, unittest and Django's runner, in environments that uv installs into."""

    name = "python"

    def is_test(self, path: str, base: BaseFiles) -> bool:
        """Tell whether a file holds tests, by the runner's rules of names and the project's configuration."""
        return runners.is_test(path, base)

    def is_harness(self, path: str) -> bool:
        """Tell whether a file decides how tests are found, run or judged."""
        return runners.is_harness(path)

    def select(self, project: Project, base: BaseFiles, changed: Mapping[str, bytes | None]) -> Selection:
        """Return the files of tests for a change."""
        return runners.select(project, base, changed)

    def test_run(self, project: Project, environment: Environment, targets: Sequence[str] | None) -> TestRun:
        """Return the command for some files of tests; None: the whole suite."""
        return runners.test_run(project, environment, targets)

    def read(self, project: Project, run: TestRun, result: SandboxResult, *, tree: Path) -> RunVerdicts:
        """Read the verdicts from the report of a run."""
        return runners.read(project, run, result, tree=tree)

    def group_of(self, test: str) -> str:
        """Return the function that a test's parameters are taken away from."""
        return runners.group_of(test)

    def file_of(self, test: str) -> str:
        """Return the file that a test lies in."""
        return runners.file_of(test)

    def own_tests(self, path: str, before: bytes | None, after: bytes | None) -> OwnTests:
        """Return the tests that a change adds, edits or removes in one file."""
        return runners.own_tests(path, before, after)

    def is_support(self, path: str, base: BaseFiles) -> bool:
        """Tell whether a file lies beside tests without holding any."""
        return runners.is_support(path, base)

    def code_of(self, path: str, content: bytes, group: str) -> str:
        """Return the code of one test."""
        del path
        return runners.code_of(content, group)

    def harness_changed(self, path: str, before: bytes | None, after: bytes | None) -> bool:
        """Tell whether the change of a harness file touches how tests are found, run or judged."""
        return runners.harness_changed(path, before, after)

    def repair(self, recipe: Recipe, run: RunVerdicts) -> Recipe | None:
        """Return a recipe that adds what a run on base could not import."""
        missing = missing_in(run.unbuilt.values())
        return repair(recipe, missing) if missing else None

    def tests_within(self, path: str, source: bytes, tests: bytes) -> bytes | None:
        """Return None: tests lie in files of their own."""
        del path, source, tests
        return None
