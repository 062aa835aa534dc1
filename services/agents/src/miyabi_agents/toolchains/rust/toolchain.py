"""The toolchain of Rust."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from miyabi_agents.ports import SandboxResult
from miyabi_agents.toolchains.port import (
    BaseFiles,
    Environment,
    Laid,
    LayKind,
    Machine,
    OwnTests,
    Project,
    Recipe,
    RunVerdicts,
    Selection,
    TestRun,
)
from miyabi_agents.toolchains.rust import crates, reports, runs, selection
from miyabi_agents.toolchains.rust import environment as environments
from miyabi_agents.toolchains.rust.source import graft
from miyabi_agents.verification.config import RepositoryConfig
from miyabi_agents.verification.targets import is_beside_tests

#: Files that decide how tests are run.
_HARNESS = re.compile(r"(^|/)(\.cargo/config(\.toml)?|nextest\.toml|build\.rs|\.config/nextest\.toml)$")
#: What numbers several doc tests of one item.
_NUMBERED = re.compile(r" \[#\d{1,9}\]$")


class RustToolchain:
    """Workspaces of cargo; test binaries by libtest's log, doc tests. Targets are packages, as folders."""

    name = "rust"

    def recognise(self, base: BaseFiles, config: RepositoryConfig | None) -> Sequence[Project]:
        """Return the workspaces of a repository, outermost first."""
        return crates.recognise(base, config)

    def recipe(self, project: Project, base: BaseFiles, machine: Machine) -> Recipe:
        """Return how packages are fetched and compiled.

        Raises:
            ToolchainMissingError: cargo or rustc is not there, or older than the packages demand.
        """
        return environments.recipe(project, base, machine)

    def lay(self, project: Project, environment: Environment) -> Sequence[Laid]:
        """Return the lock file, where the build made it: cargo would choose versions anew."""
        lock = crates.join(project.root, crates.LOCK)
        return (Laid(lock, LayKind.COPY),) if lock in environment.generated else ()

    def is_test(self, path: str, base: BaseFiles) -> bool:  # noqa: ARG002
        """Tell whether a file holds tests alone."""
        return selection.is_test(path)

    def is_support(self, path: str, base: BaseFiles) -> bool:
        """Tell whether a file lies in a folder of tests, or is what tests read, without holding any."""
        return is_beside_tests(path) and not self.is_test(path, base)

    def is_harness(self, path: str) -> bool:
        """Tell whether a file decides how tests are run."""
        return bool(_HARNESS.search(path))

    def harness_changed(self, path: str, before: bytes | None, after: bytes | None) -> bool:
        """Tell whether a change touches how tests are run; of `Cargo.toml` only targets, profiles and lints do."""
        if not path.endswith(crates.NAME):
            return self.is_harness(path) and before != after
        old, new = (_sections(content) for content in (before, after))
        return old != new

    def is_manifest(self, path: str) -> bool:
        """Tell whether a file decides what an environment holds."""
        return environments.manifest(path)

    def select(self, project: Project, base: BaseFiles, changed: Mapping[str, bytes | None]) -> Selection:
        """Return the packages for a change."""
        return selection.select(project, base, changed)

    def test_run(self, project: Project, environment: Environment, targets: Sequence[str] | None) -> TestRun:
        """Return the command for some packages; None: the whole workspace."""
        return runs.test_run(project, environment, targets)

    def read(self, project: Project, run: TestRun, result: SandboxResult, *, tree: Path) -> RunVerdicts:  # noqa: ARG002
        """Read the verdicts from libtest's logs."""
        return reports.read(result, tree=tree)

    def group_of(self, test: str) -> str:
        """Return a test's name without the number that several doc tests of one item get."""
        return _NUMBERED.sub("", test)

    def file_of(self, test: str) -> str:
        """Return the folder of a test's package."""
        return selection.crate_of(test)

    def own_tests(self, path: str, before: bytes | None, after: bytes | None) -> OwnTests:
        """Return the tests that a change adds, edits or removes in one file."""
        return selection.own_tests(path, before, after)

    def code_of(self, path: str, content: bytes, group: str) -> str:
        """Return the code of one test."""
        return selection.code_of(path, content, group)

    def repair(self, recipe: Recipe, run: RunVerdicts) -> Recipe | None:  # noqa: ARG002
        """Return nothing: what `Cargo.toml` does not name is not guessed."""
        return None

    def tests_within(self, path: str, source: bytes, tests: bytes) -> bytes | None:
        """Return a source file with the block of tests of its other version; None where either has not exactly one."""
        return graft(source, tests) if path.endswith(".rs") else None


def _sections(content: bytes | None) -> object:
    """Return what of a manifest decides how tests are run."""
    table = crates.parse_table(content)
    return {key: table.get(key) for key in ("test", "lib", "bin", "bench", "profile", "lints", "features")}
