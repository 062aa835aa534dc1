"""Tests that import what lies in a submodule run, and what was not fetched of others is told with the evidence."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

from miyabi.coordinator.v1.dispatch_service_pb2 import TaskInputs
from miyabi.coordinator.v1.result_pb2 import ChangeSet, FileChange
from miyabi_agents.agents.verifier import VerifierAgent
from miyabi_agents.evidence import evidence

CODE = "from vendor.lib.numbers import TEN\n\n\ndef plus_ten(value):\n    return value - TEN\n"
TESTS = (
    "import unittest\nimport toy\n\n\nclass ToyTests(unittest.TestCase):\n"
    "    def test_ten(self):\n        self.assertEqual(toy.TEN, 10)\n"
)
NEW = TESTS + "\n    def test_plus(self):\n        self.assertEqual(toy.plus_ten(1), 11)\n"
FILES = {
    ".miyabi.yaml": "env: {only: true}\ntest: {format: unittest}\n",
    "toy.py": CODE,
    "tests/__init__.py": "",
    "tests/test_toy.py": TESTS,
    ".gitmodules": (
        '[submodule "lib"]\n\tpath = vendor/lib\n\turl = ../lib.git\n'
        '[submodule "theme"]\n\tpath = docs/theme\n\turl = https://theme.test/acme/theme.git\n'
    ),
}
SAID = "submodule docs/theme was not fetched: theme.test is not served"


def git(folder: Path, *arguments: str) -> str:
    """Run git."""
    who = ("-c", "user.name=t", "-c", "user.email=t@example.com")
    done = subprocess.run(["git", *who, *arguments], cwd=folder, check=True, capture_output=True, text=True)
    return done.stdout.strip()


def commit(folder: Path, files: dict[str, str], pins: dict[str, str]) -> str:
    """Commit files and submodules; returns the commit."""
    for path, text in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)
    git(folder, "init", "-q", "-b", "main")
    git(folder, "add", ".")
    for path, pin in pins.items():
        git(folder, "update-index", "--add", "--cacheinfo", f"160000,{pin},{path}")
    git(folder, "commit", "-q", "-m", "state")
    return git(folder, "rev-parse", "HEAD")


async def test_change_is_proved_by_tests_that_import_a_submodule(workshop: Any) -> None:
    """Base's tests and the change's load it; the other one is named in the result and in the pull request's evidence."""
    remote = workshop.folder / "remote/acme"
    (remote / "lib.git").mkdir()
    pin = commit(remote / "lib.git", {"numbers.py": "TEN = 10\n"}, {})
    workshop.base_sha = commit(remote / "toy.git", FILES, {"vendor/lib": pin, "docs/theme": "1" * 40})
    edits = {"toy.py": CODE.replace("value -", "value +"), "tests/test_toy.py": NEW}
    files = [FileChange(path=path, content=text.encode()) for path, text in edits.items()]
    change = ChangeSet(base_sha=workshop.base_sha, files=files)
    outcome = await workshop.run(VerifierAgent(), inputs={"change_set": change}, with_model=False)
    result = outcome.verification
    assert (result.passed, result.failed_before_passed_after) == (True, 1), result
    assert [note for report in result.environments for note in report.notes if "submodule" in note] == [SAID]
    inputs = TaskInputs(repository="acme/toy", issue_number=7, change_set=change, verification=result)
    block = evidence(inputs, simulated_model=False, simulated_github=False)
    assert "docs/theme was not fetched" in block.text.replace("\\", "")
