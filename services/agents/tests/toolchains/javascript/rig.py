"""Small projects that tests make, taken through recipe, run and verdicts with this machine's own programs."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from textwrap import dedent

from miyabi.coordinator.v1.result_pb2 import TestVerdict
from miyabi_agents.environments.generated import generated_since, snapshot
from miyabi_agents.environments.programs import find_programs
from miyabi_agents.ports import SandboxResult
from miyabi_agents.settings import PackageSettings
from miyabi_agents.toolchains.port import Environment, Machine, Project, RunVerdicts, Toolchain
from miyabi_agents.verification.laying import copy_tree, lay
from services.agents.tests.environments.shop import Files

#: Variables of this machine that package clients need here, beside those of a step.
KEPT = ("LANG", "SSL_CERT_FILE", "SSL_CERT_DIR", "NODE_EXTRA_CA_CERTS", "GOPROXY", "npm_config_registry")
#: Downloads, which environments share here as they do in production; package clients let several processes write it.
DOWNLOADS = Path(__file__).parents[5] / "build/test-downloads"
PASSED, FAILED = TestVerdict.TEST_VERDICT_PASSED, TestVerdict.TEST_VERDICT_FAILED
SKIPPED = TestVerdict.TEST_VERDICT_SKIPPED


def files(content: Mapping[str, str], *, committed: datetime | None = None) -> Files:
    """Return a commit that holds some texts."""
    return Files({path: dedent(text).encode() for path, text in content.items()}, committed or datetime.now(UTC))


@cache
def machine() -> Machine:
    """Return what this machine has, with its versions; it is asked once."""
    found = {program.name: program for program in find_programs(PackageSettings(), home=Path.home())}
    versions = {}
    for name in ("node", "go", "cargo", "rustc"):
        if name in found:
            said = subprocess.run(
                [found[name].path, *found[name].ask], capture_output=True, text=True, check=True
            ).stdout
            versions[name] = tuple(int(part) for part in re.search(r"(\d+)\.(\d+)(?:\.(\d+))?", said).groups("0"))
    return Machine(
        {name: program.path for name, program in found.items()},
        versions,
        {name: program.roots for name, program in found.items()},
    )


class Rig:
    """One repository with one toolchain in a folder of its own; steps are run as they are, without a sandbox."""

    def __init__(self, toolchain: Toolchain, folder: Path, content: Mapping[str, str]) -> None:
        self.toolchain, self.folder = toolchain, folder
        self.base = files(content)
        self.project: Project = toolchain.recognise(self.base, None)[0]
        self.output = ""

    def prepare(self) -> Environment:
        """Build the environment as the recipe says; the first of its fallbacks that works."""
        recipe = self.toolchain.recipe(self.project, self.base, machine())
        env = self.folder / "env"
        for tried in (recipe, *recipe.fallbacks):
            shutil.rmtree(env, ignore_errors=True)
            self._lay(env / "tree", {})
            before = snapshot(env / "tree")
            if all(self._step(step, env) for step in tried.steps):
                break
        else:
            raise AssertionError(self.output[-3000:])
        self.environment = Environment(env, env / "tree", tried, generated=generated_since(env / "tree", before))
        return self.environment

    def _lay(self, tree: Path, changes: Mapping[str, str | None]) -> None:
        for path, content in {**self.base.content, **changes}.items():
            if content is not None:
                (tree / path).parent.mkdir(parents=True, exist_ok=True)
                (tree / path).write_bytes(dedent(content).encode() if isinstance(content, str) else content)

    def _step(self, step, env: Path) -> bool:
        values = {
            "env": str(env),
            "tree": str(env / "tree"),
            "cache": str(DOWNLOADS),
            "project": str(env / "tree" / self.project.root),
        }
        status, output = self._start(step.command, step.cwd, step.environment, values)
        self.output += f"{step.name}: {status}\n{output}\n"
        return status == 0 or step.optional

    def _start(
        self,
        command: Sequence[str],
        cwd: str,
        environment: Mapping[str, str],
        values: Mapping[str, str],
        timeout: float = 300,
    ):
        def fill(text: str) -> str:
            return re.sub(r"\{(\w+)\}", lambda found: values.get(found[1], found[0]), text)

        home = self.folder / "home"
        home.mkdir(exist_ok=True)
        own = {name: os.environ[name] for name in KEPT if name in os.environ}
        own |= {"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": str(home), "TMPDIR": str(home)}
        own |= {name: fill(value) for name, value in environment.items()}
        ended = subprocess.run(
            [fill(part) for part in command],
            cwd=fill(cwd),
            env=own,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=timeout,
            check=False,
        )
        return ended.returncode, ended.stdout.decode("utf-8", "replace")

    def run(self, targets: Sequence[str] | None = None, *, days_old: int = 0, **changes: str | None) -> RunVerdicts:
        """Run tests in a fresh checkout, whose files are some days old, with some of them changed."""
        number = len(list(self.folder.glob("checkout-*")))
        tree, scratch, report = (self.folder / f"{name}-{number}" for name in ("checkout", "scratch", "report"))
        for folder in (tree, scratch, report):
            folder.mkdir()
        self._lay(tree, changes)
        then = time.time() - days_old * 86400
        for file in tree.rglob("*"):
            os.utime(file, (then, then))
        lay(self.toolchain.lay(self.project, self.environment), source=self.environment.tree, target=tree)
        run = self.toolchain.test_run(self.project, self.environment, targets)
        for name, source in run.copies.items():
            copy_tree(source, scratch / name)
        values = {"env": str(self.environment.path), "tree": str(tree), "scratch": str(scratch)}
        environment = {**run.environment, "MIYABI_REPORT": str(report)}
        for command in run.before:
            status, self.output = self._start(command, str(tree / run.cwd), environment, values)
            assert status == 0, self.output
        status, self.output = self._start(run.command, str(tree / run.cwd), environment, values)
        found = {file.name: file.read_bytes() for file in report.iterdir()}
        result = SandboxResult(status, self.output, timedelta(seconds=1), report=found)
        return self.toolchain.read(self.project, run, result, tree=tree)
