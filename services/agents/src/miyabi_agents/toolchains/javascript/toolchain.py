"""The toolchain of JavaScript and TypeScript."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath

from miyabi_agents.ports import SandboxResult
from miyabi_agents.toolchains.javascript import projects, reports, runs
from miyabi_agents.toolchains.javascript.code import names, selection
from miyabi_agents.toolchains.javascript.install import layout, managers
from miyabi_agents.toolchains.javascript.manifest import NAME, parse
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

#: What numbers a name that comes again.
_NUMBERED = re.compile(r" \[#\d{1,9}\]$")


class JavaScriptToolchain:
    """npm, pnpm and yarn; vitest, jest, mocha, ava, tape, jasmine, node's own runner, and TAP from `npm test`."""

    name = "javascript"

    def __init__(self) -> None:
        #: The files that were asked about last, with their projects: `is_test` is asked once a path.
        self._last: tuple[BaseFiles, Sequence[Project]] | None = None

    def recognise(self, base: BaseFiles, config: RepositoryConfig | None) -> Sequence[Project]:
        """Return the projects of a repository, outermost first."""
        found = projects.recognise(base, config)
        self._last = (base, found)
        return found

    def recipe(self, project: Project, base: BaseFiles, machine: Machine) -> Recipe:
        """Return how packages are installed.

        Raises:
            ToolchainMissingError: node or npm is not there, or the project needs bun.
        """
        return managers.recipe(project, base, machine)

    def lay(self, project: Project, environment: Environment) -> Sequence[Laid]:  # noqa: ARG002
        """Return the entries of `node_modules`, one by one."""
        return layout.lay(environment)

    def is_test(self, path: str, base: BaseFiles) -> bool:
        """Tell whether a file holds tests."""
        return names.is_test(path, self._projects(base))

    def is_support(self, path: str, base: BaseFiles) -> bool:
        """Tell whether a file lies in a folder of tests, or is what tests read, without holding any."""
        return is_beside_tests(path) and not self.is_test(path, base)

    def is_harness(self, path: str) -> bool:
        """Tell whether a file decides how tests are found, run or judged."""
        return names.is_harness(path)

    def harness_changed(self, path: str, before: bytes | None, after: bytes | None) -> bool:
        """Tell whether a change of a file changes how tests are run; of `package.json` only some sections do."""
        if PurePosixPath(path).name != NAME:
            return self.is_harness(path) and before != after
        old, new = parse(before, "."), parse(after, ".")
        if old is None or new is None:
            return before != after
        return any(old.sections.get(key) != new.sections.get(key) for key in names.SECTIONS)

    def is_manifest(self, path: str) -> bool:
        """Tell whether a file decides what an environment holds."""
        return managers.is_input(path)

    def select(self, project: Project, base: BaseFiles, changed: Mapping[str, bytes | None]) -> Selection:
        """Return the tests for a change."""
        return selection.select(project, base, changed, self._projects(base))

    def test_run(self, project: Project, environment: Environment, targets: Sequence[str] | None) -> TestRun:
        """Return the command for some test files; None: the whole suite."""
        return runs.test_run(project, environment, targets)

    def read(self, project: Project, run: TestRun, result: SandboxResult, *, tree: Path) -> RunVerdicts:  # noqa: ARG002
        """Read the verdicts from the events that our reporters wrote."""
        return reports.read(project, result, tree=tree)

    def group_of(self, test: str) -> str:
        """Return a test's name without the number that a repeated name gets."""
        return _NUMBERED.sub("", test)

    def file_of(self, test: str) -> str:
        """Return the file of a test."""
        return test.split(reports.JOINT, 1)[0]

    def own_tests(self, path: str, before: bytes | None, after: bytes | None) -> OwnTests:
        """Return the tests that a change adds, edits or removes in one file."""
        return selection.own_tests(path, before, after)

    def code_of(self, path: str, content: bytes, group: str) -> str:
        """Return the code of one test; empty where its name is made when it runs."""
        return selection.code_of(path, content, group)

    def repair(self, recipe: Recipe, run: RunVerdicts) -> Recipe | None:  # noqa: ARG002
        """Return nothing: what a manifest does not name is not guessed."""
        return None

    def _projects(self, base: BaseFiles) -> Sequence[Project]:
        """Return the projects of some files, as they were recognised last."""
        if self._last is None or self._last[0] is not base:
            self.recognise(base, None)
        return self._last[1] if self._last else ()

    def tests_within(self, path: str, source: bytes, tests: bytes) -> bytes | None:
        """Return None: tests lie in files of their own."""
        del path, source, tests
        return None
