"""Test data that a change edits: where a verdict may rest on it."""

from __future__ import annotations

from typing import Any

import pytest

from miyabi.coordinator.v1.result_pb2 import FileChange
from miyabi_agents.toolchains.port import OwnTests
from miyabi_agents.toolchains.python.toolchain import PythonToolchain
from miyabi_agents.verification.changes import Sorted
from miyabi_agents.verification.data import edited_data
from services.agents.tests.environments.shop import Files
from services.agents.tests.verification.test_coverage import verified

WALKS = b"from pathlib import Path\n\nFOLDER = Path(__file__).parent / 'functional'\n\n\ndef test_all():\n    pass\n"
BASE = {
    "thing.py": b"X = 1\n",
    "tests/test_functional.py": WALKS,
    "tests/test_other.py": b"def test_other():\n    pass\n",
    "tests/functional/u/unused.py": b"import os\n",
    "tests/functional/u/unused.txt": b"1: unused\n",
}


def support(*paths: str) -> dict[str, FileChange]:
    return {path: FileChange(path=path, content=b"new") for path in paths}


@pytest.mark.parametrize(
    "path", ["tests/functional/u/unused.py", "tests/functional/u/unused.txt", "tests/functional/u/new.py"]
)
def test_data_is_what_no_test_brings_in(path: str) -> None:
    """Files that tests read may carry a verdict; what a test imports may not, nor where tests are edited too."""
    base = Files(dict(BASE))
    assert edited_data(Sorted(support=support(path)), base, (), frozenset({".py"})) == (path,)
    own = OwnTests(added=frozenset({"tests/test_other.py::test_new"}))
    assert edited_data(Sorted(support=support(path), own=own), base, (), frozenset({".py"})) == ()
    assert edited_data(Sorted(), base, (), frozenset({".py"})) == ()


@pytest.mark.parametrize(
    "line", ["from functional.u import unused\n", "from .functional.u.unused import X\n", "    import unused\n"]
)
def test_code_that_tests_bring_in_is_no_data(line: str) -> None:
    """A helper that the change edits fails on base for want of a name, whatever the change does."""
    base = Files({**BASE, "tests/test_other.py": line.encode()})
    paths = support("tests/functional/u/unused.py", "tests/functional/u/unused.txt")
    assert edited_data(Sorted(support=paths), base, (), frozenset({".py"})) == ()


def test_tests_that_go_through_a_folder_are_near_to_its_files() -> None:
    """A test that names the folder is chosen where a file below it is edited."""
    base = Files({**BASE, "pyproject.toml": b"[tool.pytest.ini_options]\n"})
    toolchain = PythonToolchain()
    project = toolchain.recognise(base, None)[0]
    changed = {"thing.py": b"X = 2\n", "tests/functional/u/unused.txt": b""}
    assert list(toolchain.select(project, base, changed).near) == ["tests/test_functional.py"]


#: A test that goes through a folder of cases, each with what is put in and what has to come out.
CASES = """import pathlib, unittest
import toy


class CaseTests(unittest.TestCase):
    def test_every_case(self):
        for file in (pathlib.Path(__file__).parent / "cases").iterdir():
            given, wanted = file.read_text().split()
            self.assertEqual(int(wanted), toy.double(int(given)))
"""
WRONG, RIGHT = "def double(value):\n    return 4\n", "def double(value):\n    return 2 * value\n"
TOY = {
    ".miyabi.yaml": "env: {only: true}\ntest: {format: unittest}\n",
    "toy.py": WRONG,
    "tests/__init__.py": "",
    "tests/test_cases.py": CASES,
    "tests/cases/two.txt": "2 4\n",
}


async def test_a_change_is_proved_by_data_alone(workshop: Any) -> None:
    """A case that fails on base and passes on the change proves it; the reader is shown the data in both forms."""
    result = await verified(workshop, TOY, {"toy.py": RIGHT, "tests/cases/three.txt": "3 6\n"})
    assert result.passed, result
    assert result.failed_before_passed_after == 1
    (form,) = result.expectations
    assert (form.test, form.before, form.after) == ("tests/cases/three.txt", "", "3 6\n")
    assert any("what tests read" in note for report in result.environments for note in (*report.notes, *result.notes))


@pytest.mark.parametrize(
    "edits",
    [
        {"tests/cases/three.txt": "3 6\n"},
        {"toy.py": RIGHT, "tests/cases/again.txt": "2 4\n"},
        {"toy.py": "def double(value):\n    return 6\n", "tests/cases/three.txt": "3 6\n"},
    ],
)
async def test_data_without_its_fix_proves_nothing(workshop: Any, edits: dict[str, str]) -> None:
    """Data alone, data that base passes too, and a change that breaks another case are no pass."""
    result = await verified(workshop, TOY, edits)
    assert not result.passed
