"""The toolchain of Go."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath

from miyabi_agents.ports import SandboxResult
from miyabi_agents.toolchains.go import environment as environments
from miyabi_agents.toolchains.go import modules, reports, runs, selection
from miyabi_agents.toolchains.port import (
    BaseFiles,
    Environment,
    Laid,
    Machine,
    OwnTests,
    Project,
    Recipe,
    RunVerdicts,
    Selection,
    TestRun,
)
from miyabi_agents.verification.config import RepositoryConfig
from miyabi_agents.verification.targets import is_beside_tests

#: A test's name: the package's folder where it is not the repository itself, the function, the subtest.
_NAME = re.compile(r"(?:(?P<folder>.+?)\.)?(?P<function>(?:Test|Fuzz|Example|Benchmark)[^./]*)(?:/.*)?", re.DOTALL)
#: Files that hold what runs before and after all tests of a package, by the names that people give them.
_HARNESS = re.compile(r"(^|/)(main_test|testmain_test|test_main_test|setup_test|suite_test)\.go$")


class GoToolchain:
    """Modules, workspaces and vendored dependencies; `go test -json`. Targets are packages, as folders."""

    name = "go"

    def recognise(self, base: BaseFiles, config: RepositoryConfig | None) -> Sequence[Project]:
        """Return the modules of a repository, outermost first."""
        return modules.recognise(base, config)

    def recipe(self, project: Project, base: BaseFiles, machine: Machine) -> Recipe:
        """Return how modules are fetched and packages compiled.

        Raises:
            ToolchainMissingError: Go is not there, or older than the module demands.
        """
        return environments.recipe(project, base, machine)

    def lay(self, project: Project, environment: Environment) -> Sequence[Laid]:  # noqa: ARG002
        """Return nothing: modules and the build cache lie outside of the checkout."""
        return ()

    def is_test(self, path: str, base: BaseFiles) -> bool:  # noqa: ARG002
        """Tell whether a file holds tests."""
        return selection.is_test(path)

    def is_support(self, path: str, base: BaseFiles) -> bool:
        """Tell whether a file lies in a folder of tests, or is what tests read, without holding any."""
        return is_beside_tests(path) and not self.is_test(path, base)

    def is_harness(self, path: str) -> bool:
        """Tell whether a file holds what runs around all tests of a package."""
        return bool(_HARNESS.search(path))

    def harness_changed(self, path: str, before: bytes | None, after: bytes | None) -> bool:
        """Tell whether a change touches `TestMain`, which decides what is run and with which status it ends."""
        return path.endswith("_test.go") and _main_of(before) != _main_of(after)

    def is_manifest(self, path: str) -> bool:
        """Tell whether a file decides what an environment holds."""
        return environments.manifest(path)

    def select(self, project: Project, base: BaseFiles, changed: Mapping[str, bytes | None]) -> Selection:
        """Return the packages for a change."""
        return selection.select(project, base, changed)

    def test_run(self, project: Project, environment: Environment, targets: Sequence[str] | None) -> TestRun:
        """Return the command for some packages; None: all of the module."""
        return runs.test_run(project, environment, targets)

    def read(self, project: Project, run: TestRun, result: SandboxResult, *, tree: Path) -> RunVerdicts:  # noqa: ARG002
        """Read the verdicts from the events of `go test`."""
        return reports.read(project, result, tree=tree)

    def group_of(self, test: str) -> str:
        """Return the function of a subtest."""
        found = _NAME.fullmatch(test)
        return test[: found.end("function")] if found else test

    def file_of(self, test: str) -> str:
        """Return the folder of a test's package."""
        found = _NAME.fullmatch(test)
        return (found["folder"] or ".") if found else str(PurePosixPath(test).parent)

    def own_tests(self, path: str, before: bytes | None, after: bytes | None) -> OwnTests:
        """Return the test functions that a change adds, edits or removes in one file."""
        return selection.own_tests(path, before, after)

    def code_of(self, path: str, content: bytes, group: str) -> str:
        """Return the code of one test function."""
        return selection.code_of(path, content, group)

    def repair(self, recipe: Recipe, run: RunVerdicts) -> Recipe | None:  # noqa: ARG002
        """Return nothing: what `go.mod` does not name is not guessed."""
        return None

    def tests_within(self, path: str, source: bytes, tests: bytes) -> bytes | None:
        """Return None: tests lie in files of their own."""
        del path, source, tests
        return None


def _main_of(content: bytes | None) -> bytes:
    """Return the code of `TestMain`, to the brace that begins a line as gofmt writes it; empty where there is none."""
    _, found, rest = (content or b"").partition(b"func TestMain(")
    return found + rest.partition(b"\n}")[0] if found else b""
