"""Runs tests of small projects as the verifier would, without the sandbox: real runners, real processes."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from miyabi.coordinator.v1.result_pb2 import TestVerdict
from miyabi_agents.ports import SandboxResult
from miyabi_agents.toolchains.port import Environment, Project, Recipe, RunVerdicts, TestRun
from miyabi_agents.toolchains.python.runners import read, test_run

PASSED, FAILED = TestVerdict.TEST_VERDICT_PASSED, TestVerdict.TEST_VERDICT_FAILED
SKIPPED, BLOCKED = TestVerdict.TEST_VERDICT_SKIPPED, TestVerdict.TEST_VERDICT_BLOCKED

#: The workspace's own interpreter has pytest, its plugins for coverage and for several processes.
WORKSPACE_PYTHON = Path(sys.executable)


class Files:
    """Implements `BaseFiles` with a mapping."""

    def __init__(self, files: Mapping[str, str | bytes]) -> None:
        self._files = {path: text.encode() if isinstance(text, str) else text for path, text in files.items()}

    @property
    def committed(self) -> datetime:
        return datetime(2026, 1, 1, tzinfo=UTC)

    def paths(self) -> Sequence[str]:
        return sorted(self._files)

    def read(self, path: str) -> bytes | None:
        return self._files.get(path)


@dataclass
class Bench:
    """A checkout, an environment, and what runs tests in them."""

    folder: Path
    project: Project = field(default_factory=lambda: Project("python", ".", "pytest", "", {}))
    seconds: float = 50
    #: Plugins are loaded where a test names them: those of this workspace take most of a short run's time.
    variables: dict[str, str] = field(default_factory=lambda: {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"})
    count: int = 0

    @property
    def tree(self) -> Path:
        return self.folder / "tree"

    @property
    def environment(self) -> Environment:
        return Environment(self.folder / "env", self.folder / "env" / "tree", Recipe("python", "", (), (), ()))

    def use(self, python: Path = WORKSPACE_PYTHON) -> None:
        """Make the environment's interpreter another one's."""
        programs = self.folder / "env" / "venv" / "bin"
        programs.mkdir(parents=True, exist_ok=True)
        (self.folder / "env" / "tree").mkdir(exist_ok=True)
        for name in ("python", "pytest"):
            (programs / name).unlink(missing_ok=True)
        (programs / "python").write_text(f'#!/bin/sh\nexec {python} "$@"\n')
        (programs / "pytest").write_text(f'#!/bin/sh\nexec {python} -m pytest "$@"\n')
        for name in ("python", "pytest"):
            (programs / name).chmod(0o755)

    def write(self, files: Mapping[str, str]) -> None:
        for path, text in files.items():
            (self.tree / path).parent.mkdir(parents=True, exist_ok=True)
            (self.tree / path).write_text(text)

    def facts(self, runner: str = "pytest", **facts: object) -> None:
        self.project = replace(self.project, runner=runner, facts=facts)

    def run(self, *targets: str, whole: bool = False) -> RunVerdicts:
        run = test_run(self.project, self.environment, None if whole else targets)
        return read(self.project, run, self.start(run), tree=self.tree)

    def start(self, run: TestRun) -> SandboxResult:
        """Run a command with nothing of this process's environment."""
        self.count += 1
        report, scratch = self.folder / f"report{self.count}", self.folder / f"scratch{self.count}"
        report.mkdir()
        scratch.mkdir()

        def filled(text: str) -> str:
            places = {"{tree}": self.tree, "{env}": self.folder / "env", "{scratch}": scratch, "{seconds}": 60}
            for name, place in places.items():
                text = text.replace(name, str(place))
            return text

        variables = {name: filled(value) for name, value in run.environment.items()}
        own = {"HOME": str(scratch), "TMPDIR": str(scratch), "LANG": "C.UTF-8", "MIYABI_REPORT": str(report)}
        process = subprocess.Popen(
            [filled(part) for part in run.command], cwd=self.tree / run.cwd, env={**own, **variables, **self.variables},
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip
        timed_out = False
        try:
            output, _ = process.communicate(timeout=self.seconds)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, 9)
            output, _ = process.communicate()
            timed_out = True
        self.output = output.decode("utf-8", "replace")
        files = {path.name: path.read_bytes() for path in report.iterdir() if path.is_file()}
        return SandboxResult(process.returncode, self.output, timedelta(seconds=1), timed_out=timed_out, report=files)


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    """A checkout with nothing in it."""
    made = Bench(tmp_path)
    made.tree.mkdir()
    made.use()
    return made


@pytest.fixture
def files() -> type[Files]:
    """Files of a base, without a repository."""
    return Files


@pytest.fixture(scope="session")
def venv(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Make an environment with packages of the index; once for each list of them."""
    uv = Path(__file__).parents[6] / ".tools/uv"
    made: dict[tuple[str, ...], Path] = {}

    def make(*requirements: str) -> Path:
        if requirements not in made:
            folder = tmp_path_factory.mktemp("venv")
            subprocess.run([uv, "venv", "-q", "--python", sys.executable, folder], check=True)
            python = folder / "bin/python"
            subprocess.run([uv, "pip", "install", "-q", "--python", python, *requirements], check=True)
            made[requirements] = python
        return made[requirements]

    return make
