"""A proven change is measured once more: which of its lines its tests execute, file by file, or why that is not known."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from miyabi.coordinator.v1.dispatch_service_pb2 import Lease
from miyabi.coordinator.v1.result_pb2 import ChangeSet, FileChange, VerifyResult
from miyabi_agents.agents.verifier import VerifierAgent
from miyabi_agents.ports import TaskContext
from miyabi_agents.toolchains.go.measuring import GoMeasure
from miyabi_agents.toolchains.port import Environment, Project, Recipe
from miyabi_agents.toolchains.python.toolchain import PythonToolchain
from miyabi_agents.toolchains.rust.toolchain import RustToolchain
from miyabi_agents.verification.changes import Sorted
from miyabi_agents.verification.config import RepositoryConfig
from miyabi_agents.verification.coverage.measures import UNMEASURED
from miyabi_agents.verification.coverage.measuring import Proven, measure
from miyabi_agents.verification.coverage.port import Wanted
from miyabi_agents.verification.execution import Part, nothing
from miyabi_core.proto_time import now, to_timestamp
from services.agents.tests.test_review import Files

pytestmark = pytest.mark.timeout(300)

CODE = "def double(value):\n    return 2 * value\n"
TESTS = (
    "import unittest\nimport toy\n\n\nclass ToyTests(unittest.TestCase):\n"
    "    def test_double(self):\n        self.assertEqual(toy.double(2), 4)\n"
)
#: Four changed lines that can be executed, of which the test below reaches three.
GROWN = CODE + "\n\ndef sign(value):\n    # The sign.\n    if value < 0:\n        return -1\n    return 1\n"
PROOF = TESTS + "\n    def test_sign(self):\n        self.assertEqual(toy.sign(5), 1)\n"
FILES = {
    ".miyabi.yaml": "env: {only: true}\ntest: {format: unittest}\n",
    "toy.py": CODE,
    "tests/__init__.py": "",
    "tests/test_toy.py": TESTS,
}


def commit(folder: Path, files: dict[str, str]) -> str:
    """Commit files as a remote's only state; returns the commit."""

    def git(*arguments: str) -> str:
        who = ("-c", "user.name=t", "-c", "user.email=t@example.com")
        done = subprocess.run(["git", *who, *arguments], cwd=folder, check=True, capture_output=True, text=True)
        return done.stdout.strip()

    for path, text in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)
    git("init", "-q", "-b", "main")
    git("add", ".")
    git("commit", "-q", "-m", "state")
    return git("rev-parse", "HEAD")


async def verified(workshop: Any, base: dict[str, str], edits: Mapping[str, str | None]) -> VerifyResult:
    """Verify a change of a repository; None deletes a file."""
    workshop.base_sha = commit(workshop.folder / "remote/acme/toy.git", base)
    files = [FileChange(path=path, content=(text or "").encode(), deleted=text is None) for path, text in edits.items()]
    change = ChangeSet(base_sha=workshop.base_sha, files=files)
    outcome = await workshop.run(VerifierAgent(), inputs={"change_set": change}, with_model=False)
    result: VerifyResult = outcome.verification
    return result


async def test_python_lines_that_no_test_reaches_are_named(workshop: Any) -> None:
    """Of four changed lines three are executed; the test's own file does not count, a file never imported does."""
    idle = "def idle():\n    return 0\n"
    result = await verified(workshop, FILES, {"toy.py": GROWN, "tests/test_toy.py": PROOF, "idle.py": idle})
    assert result.passed, result
    found = {file.path: file for file in result.coverage.files}
    assert list(found) == ["idle.py", "toy.py"]
    assert (
        found["toy.py"].executable,
        found["toy.py"].covered,
        list(found["toy.py"].missed),
        found["toy.py"].not_measured,
    ) == (4, 3, [8], ""), result.coverage
    assert (found["idle.py"].executable, found["idle.py"].covered) == (2, 0)
    assert (result.coverage.executable, result.coverage.covered) == (6, 3)


async def test_change_without_a_proof_is_not_measured(workshop: Any) -> None:
    """Where the verdict is no pass there is no measure of it."""
    result = await verified(workshop, FILES, {"toy.py": GROWN})
    assert (result.passed, result.HasField("coverage")) == (False, False)


async def test_tests_that_fail_under_measurement_measure_nothing(workshop: Any) -> None:
    """A run that shows less than the verdict's leaves the verdict as it is and says which test it was."""
    choosy = PROOF.replace("toy.sign(5)", "toy.sign(-5 if 'MIYABI_MEASURED' in os.environ else 5)")
    choosy = choosy.replace("import toy", "import os, toy")
    result = await verified(workshop, FILES, {"toy.py": GROWN, "tests/test_toy.py": choosy})
    assert result.passed, result
    (file,) = result.coverage.files
    assert file.not_measured.startswith("1 tests that pass do not under measurement"), file


NODE = {
    "package.json": '{"name": "toy", "version": "1.0.0", "scripts": {"test": "node --test"}}',
    "double.js": "'use strict';\n\nmodule.exports = { double: (value) => 2 * value };\n",
    "test/double.test.js": (
        "const { test } = require('node:test');\nconst assert = require('node:assert');\n"
        "const { double } = require('../double.js');\ntest('doubles', () => assert.equal(double(2), 4));\n"
    ),
}
#: Eight lines that can be executed, beside characters of two UTF-16 units; neither -1 nor `never` is reached.
SIGN = """'use strict';
/* 😀 Signs. */
function sign(value) {
  if (value < 0) { // 😀
    return -1;
  }
  return 1;
}
function never() {
  return 2;
}
module.exports = { sign };
"""


async def test_javascript_is_measured_by_v8(workshop: Any) -> None:
    """Lines within parts that V8 did not count are missed; TypeScript says that it is transformed."""
    proof = NODE["test/double.test.js"].replace("double", "sign").replace("sign(2), 4", "sign(2), 1")
    edits = {"sign.js": SIGN, "test/sign.test.js": proof, "types.ts": "export const one: number = 1;\n"}
    result = await verified(workshop, NODE, edits)
    assert result.passed, result
    script, types = result.coverage.files
    assert (script.path, script.executable, list(script.missed)) == ("sign.js", 8, [5, 9, 10]), result.coverage
    assert (types.path, types.executable) == ("types.ts", 0)
    assert types.not_measured.startswith("transformed")


GO = {
    "go.mod": "module example.com/toy\n\ngo 1.20\n",
    "double/double.go": "package double\n\nfunc Double(value int) int { return 2 * value }\n",
    "double/double_test.go": (
        'package double\n\nimport "testing"\n\nfunc TestDouble(t *testing.T) {\n'
        '\tif Double(2) != 4 {\n\t\tt.Fatal("not 4")\n\t}\n}\n'
    ),
}
SIGN_GO = """package double

// Sign says "//".
func Sign(value int) int {
	/* not
	code */
	if value < 0 {
		return -1
	}
	return len("/*") - 1
}
"""


@pytest.mark.slow("compiles the standard library into a cache of its own")
async def test_go_is_measured_by_its_own_profile(workshop: Any) -> None:
    """Lines of blocks that were not executed are missed; a file of declarations alone says that it holds none."""
    proof = GO["double/double_test.go"].replace("Double(2) != 4", "Sign(2) != 1").replace("TestDouble", "TestSign")
    edits = {
        "double/sign.go": SIGN_GO,
        "double/sign_test.go": proof,
        "double/kind.go": "package double\n\n// Kind is one.\ntype Kind int\n",
    }
    result = await verified(workshop, GO, edits)
    assert result.passed, result
    kind, sign = result.coverage.files
    assert (sign.path, sign.executable, list(sign.missed)) == ("double/sign.go", 3, [8]), result.coverage
    assert kind.not_measured == "it is not built here, or holds no statement"


def proven(toolchain: Any, path: str, runner: str) -> Proven:
    """Return a project that was proven, whose change is one new file; nothing of it is run."""
    change = ChangeSet(files=[FileChange(path=path, content=b"fn one() -> u8 { 1 }\n", added=True)])
    part = Part(toolchain, Project(toolchain.name, ".", runner, "a test"), RepositoryConfig())
    environment = Environment(Path("/env"), Path("/env/tree"), Recipe(toolchain.name, "a test", (), (), ()))
    return Proven(part, environment, Files({}), change, Sorted(), [path], [], nothing("change"))


def context_of(lease: Lease) -> Any:
    """Return a task's context that holds its lease alone: whoever asks for more fails."""
    return TaskContext(lease, *[None] * 7)  # type: ignore[arg-type]


async def test_rust_says_why_it_is_not_measured() -> None:
    """A file of Rust is named with the reason, and nothing is run for it."""
    result = await measure(context_of(Lease()), [proven(RustToolchain(), "src/lib.rs", "cargo")])
    (file,) = result.files
    assert (file.path, file.not_measured) == ("src/lib.rs", UNMEASURED[".rs"])
    assert (result.executable, result.measure) == (0, "")


async def test_step_without_time_left_is_not_measured() -> None:
    """Less time than a run takes is no time: the file says so, before anything is checked out."""
    lease = Lease(deadline=to_timestamp(now() + timedelta(seconds=40)))
    result = await measure(context_of(lease), [proven(PythonToolchain(), "one.py", "pytest")])
    assert [file.not_measured for file in result.files] == ["it took longer than there was time for"]


def test_profile_of_more_lines_than_there_are_is_refused() -> None:
    """What tests write over Go's profile takes no longer to read than a limit says."""
    wanted = [Wanted("a.go", b"x()\n" * 100_000, frozenset({1}))]
    rows = "".join(f"example.com/toy/a.go:1.1,100000.{column} 1 1\n" for column in range(1, 100))
    project = Project("go", ".", "go", "a test", {"module": "example.com/toy"})
    for profile, words in ((rows, "more than 5,000,000 lines"), ("nonsense\n", "does not write")):
        with pytest.raises(ValueError, match=words):
            GoMeasure().read(project, {"coverage.go.out": f"mode: set\n{profile}".encode()}, wanted)
