"""What verdicts stand on, by real runs: which tests are tried before money is spent, and which are run again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from miyabi.coordinator.v1.dispatch_service_pb2 import Lease, Outcome
from miyabi.coordinator.v1.result_pb2 import ChangeSet, FileChange
from miyabi_agents.agents.verifier import VerifierAgent
from miyabi_agents.errors import EnvironmentBuildError
from miyabi_agents.ports import TaskContext
from miyabi_agents.verification.ground import try_ground
from services.agents.tests.conftest import make_repository

CONFIG = "env: {only: true}\ntest: {format: unittest, whole_suite: 0}\n"
CODE = "def double(value):\n    return value + value + 1\n"
LOADS = "import unittest\nimport toy\n\n\nclass Tests(unittest.TestCase):\n    def test_two(self):\n        self.assertTrue(toy)\n"
BREAKS = "import a_database_that_nobody_has\n" + LOADS


class Trying:
    """Tries the ground of a file, as planning does."""

    async def run(self, task: Lease, context: TaskContext) -> Outcome:
        await try_ground(context, ["toy.py"])
        return Outcome()


def commit(workshop: Any, files: Mapping[str, str]) -> None:
    """Go on with the workshop's repository by some files."""
    workshop.base_sha = make_repository(workshop.folder / "remote", files)


@pytest.mark.parametrize("farthest", [LOADS, BREAKS])
async def test_one_package_that_cannot_be_loaded_is_not_taken_for_all(workshop: Any, farthest: str) -> None:
    """Where none of the nearest tests can be loaded, farther ones are tried before the repository is given up."""
    near = {f"tests/test_{letter}.py": BREAKS for letter in "abcdefg"}
    commit(workshop, {
        ".miyabi.yaml": CONFIG, "toy.py": CODE, "tests/__init__.py": "", **near, "tests/test_z.py": farthest,
    })  # fmt: skip
    if farthest == LOADS:
        assert await workshop.run(Trying(), with_model=False) == Outcome()
        return
    with pytest.raises(EnvironmentBuildError, match=r"a_database_that_nobody_has"):
        await workshop.run(Trying(), with_model=False)


async def test_what_fails_in_its_old_form_alone_is_run_again(workshop: Any) -> None:
    """A test that fails beside others, in base's form only, and passes by itself is flaky: named, and not broken."""
    proof = "import unittest\nimport toy\n\n\nclass Tests(unittest.TestCase):\n    def test_one(self):\n        self.assertTrue(toy.double(1))\n"
    state = (
        "import unittest\nimport toy\n\n\nclass StateTests(unittest.TestCase):\n"
        "    def test_state(self):\n        self.assertEqual([], getattr(toy, 'CALLS', []))\n"
    )
    commit(workshop, {
        ".miyabi.yaml": CONFIG, "toy.py": CODE, "tests/__init__.py": "", "tests/test_a.py": proof,
        "tests/test_b.py": state,
    })  # fmt: skip
    edits = {
        "toy.py": "CALLS = []\n\n\ndef double(value):\n    CALLS.append(value)\n    return value + value\n",
        "tests/test_a.py": proof + "\n    def test_two(self):\n        self.assertEqual(4, toy.double(2))\n",
        "tests/test_b.py": state.replace("        self.", "        getattr(toy, 'CALLS', []).clear()\n        self."),
    }
    files = [FileChange(path=path, content=text.encode()) for path, text in edits.items()]
    change = ChangeSet(base_sha=workshop.base_sha, files=files)
    outcome = await workshop.run(VerifierAgent(), inputs={"change_set": change}, with_model=False)
    result = outcome.verification
    assert (result.passed, result.flaky, result.broken, result.failed_before_passed_after) == (True, 1, 0, 1), result
    assert "again with old tests" in [report.name for report in result.runs]
