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
    ("path", "text"),
    [
        ("tests/test_other.py", "from functional.u import unused\n"),
        ("tests/test_other.py", "from .functional.u.unused import X\n"),
        ("tests/test_other.py", "    import unused\n"),
        ("tests/test_other.py", "from functional.u import (\n    used,\n    unused,\n)\n"),
        ("tests/test_other.py", "pytest_plugins = ['functional.u.unused']\n"),
        ("tests/test_other.py", "checks = importlib.import_module('functional.u.unused')\n"),
        ("tests/test_other.py", "exec((HERE / 'functional' / 'u' / 'unused.py').read_text())\n"),
        (
            "tests/test_other.py",
            "FOLDER = HERE / 'functional'\nCODE = [runpy.run_path(f) for f in FOLDER.glob('*/*.py')]\n",
        ),
        ("tests/test_other.py", "CASES = [importlib.import_module(f'functional.u.{name}') for name in NAMES]\n"),
        ("tests/conftest.py", "spec = importlib.util.spec_from_file_location('x', HERE / 'functional/u/unused.py')\n"),
        ("tests/web/settings.py", "ROOT_URLCONF = 'tests.functional.u.unused'\n"),
        ("pyproject.toml", "[tool.pytest.ini_options]\nDJANGO_SETTINGS_MODULE = 'tests.functional.u.unused'\n"),
        ("manage.py", "os.environ.setdefault('DJANGO_SETTINGS_MODULE', 'functional.u.unused')\n"),
    ],
)
def test_code_that_tests_bring_in_is_no_data(path: str, text: str) -> None:
    """A helper that the change edits fails on base for want of a name, whatever the change does."""
    base = Files({**BASE, path: text.encode()})
    paths = support("tests/functional/u/unused.py", "tests/functional/u/unused.txt")
    assert edited_data(Sorted(support=paths), base, (), frozenset({".py"})) == ()


@pytest.mark.parametrize(
    ("path", "test", "text"),
    [
        ("test/checks/checks.go", "thing_test.go", 'import (\n\t"testing"\n\n\t"example.com/thing/test/checks"\n)\n'),
        ("test/checks.go", "test/thing_test.go", "package test\n"),
        ("test/fixtures/check.js", "test/thing.test.js", "import {\n  check,\n} from\n  './fixtures/check'\n"),
        ("test/fixtures/check.js", "test/thing.test.js", "const it = jest.requireActual('./fixtures/check.js')\n"),
        (
            "test/fixtures/check.js",
            "test/thing.test.js",
            "const one = join(__dirname, 'fixtures', name)\nrequire(one)\n",
        ),
        ("tests/checks/mod.rs", "tests/thing.rs", "mod checks;\n"),
        ("tests/data/checks.rs", "tests/thing.rs", 'include!("data/checks.rs");\n'),
    ],
)
def test_code_that_other_languages_bring_in_is_no_data(path: str, test: str, text: str) -> None:
    """Blocks of imports, files of one package, modules that are named when they are wanted."""
    base = Files({path: b"old", test: text.encode()})
    suffixes = frozenset({path[path.rindex(".") :]})
    assert edited_data(Sorted(support=support(path)), base, (test,), suffixes) == ()
    quiet = Files({path: b"old", "a/b/test/thing.txt": text.encode()})
    assert edited_data(Sorted(support=support(path)), quiet, (), suffixes) == (path,)


def test_data_that_is_taken_away_proves_nothing() -> None:
    """What an old case says must not be gone with its file; a file that is only moved is still there."""
    base = Files(dict(BASE))
    gone = {"tests/functional/u/unused.txt": FileChange(path="tests/functional/u/unused.txt", deleted=True)}
    new, moved = "tests/functional/u/new.txt", BASE["tests/functional/u/unused.txt"]
    assert edited_data(Sorted(support={**gone, **support(new)}), base, (), frozenset({".py"})) == ()
    kept = {**gone, **support("tests/functional/v.txt"), new: FileChange(path=new, content=moved)}
    assert edited_data(Sorted(support=kept), base, (), frozenset({".py"})) == tuple(sorted(kept))


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
        {"toy.py": "def double(value):\n    return 6\n", "tests/cases/three.txt": "3 6\n", "tests/cases/two.txt": None},
    ],
)
async def test_data_without_its_fix_proves_nothing(workshop: Any, edits: dict[str, str | None]) -> None:
    """Data alone, data that base passes too, and a change that breaks another case, left or taken away, are no pass."""
    result = await verified(workshop, TOY, edits)
    assert not result.passed


#: Tests that leave out what a list names, and run code that they read.
LISTED = """import pathlib, unittest
import toy

HERE = pathlib.Path(__file__).parent


class ListTests(unittest.TestCase):
    def test_triple(self):
        if "triple" in (HERE / "lists/left_out.txt").read_text():
            self.skipTest("left out")
        self.assertEqual(6, toy.triple(2))

    def test_script(self):
        exec((HERE / "scripts" / "check.py").read_text(), {})
"""
TRIPLE = "\n\ndef triple(value):\n    return 3 * value\n"
LIST = {
    **TOY,
    "toy.py": WRONG + TRIPLE,
    "tests/test_lists.py": LISTED,
    "tests/lists/left_out.txt": "",
    "tests/scripts/check.py": "import toy\n",
}


@pytest.mark.parametrize(
    ("edits", "cause"),
    [
        # The right fix with its case; it breaks something else, which data leaves out.
        (
            {
                "toy.py": RIGHT + TRIPLE.replace("3", "4"),
                "tests/cases/three.txt": "3 6\n",
                "tests/lists/left_out.txt": "triple\n",
            },
            "passes on base and not on the change: tests/test_lists.py::ListTests::test_triple",
        ),
        # Mends nothing; a script that a test runs needs a new name.
        (
            {"toy.py": f"{WRONG}{TRIPLE}\n\nNEW = 1\n", "tests/scripts/check.py": "import toy\n\ntoy.NEW\n"},
            "",
        ),
    ],
)
async def test_data_that_decides_what_tests_do_proves_nothing(workshop: Any, edits: dict[str, str], cause: str) -> None:
    """Data may hide a test or run code: neither is a proof of what the change is for."""
    result = await verified(workshop, LIST, edits)
    assert not result.passed
    assert cause in result.verdict_reason


GO = "package toy\n\nfunc Double(n int) int { return %s }\n\nfunc Triple(n int) int { return %s * n }\n"
GOLDEN_TEST = """package toy

import (
	"fmt"
	"os"
	"testing"
)

func TestTriple(t *testing.T) {
	want, _ := os.ReadFile("testdata/triple.golden")
	if got := fmt.Sprintln(Triple(2)); got != string(want) {
		t.Fatal(got)
	}
}
"""
DOUBLE_TEST = """package toy

import "testing"

func TestDouble(t *testing.T) {
	if Double(3) != 6 {
		t.Fatal(Double(3))
	}
}
"""


@pytest.mark.timeout(300)
async def test_expected_output_among_sources_hides_no_break(workshop: Any) -> None:
    """A right fix with its test breaks something else, and writes what comes out of that into a golden file."""
    base = {
        "go.mod": "module example.com/toy\n\ngo 1.20\n",
        "toy.go": GO % ("4", "3"),
        "toy_test.go": GOLDEN_TEST,
        "testdata/triple.golden": "6\n",
    }
    change = {"toy.go": GO % ("2 * n", "4"), "double_test.go": DOUBLE_TEST, "testdata/triple.golden": "8\n"}
    result = await verified(workshop, base, change)
    assert not result.passed
    assert "1 test passes on base and not on the change: TestTriple" in result.verdict_reason
