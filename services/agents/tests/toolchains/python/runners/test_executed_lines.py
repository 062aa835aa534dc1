"""The tracer that notes executed lines, in interpreters of its own: pytest with workers, forks, and tracers of others."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from miyabi_agents.toolchains.port import Project
from miyabi_agents.toolchains.python.measuring import NOT_COMPILED, OTHER_TRACER, PythonMeasure
from miyabi_agents.toolchains.python.runners.commands import REPORT_FOLDER
from miyabi_agents.verification.coverage.port import Lines, Wanted

pytestmark = pytest.mark.timeout(120)

CODE = '''"""Signs."""


def sign(value):
    """The sign."""
    if value < 0:
        return -1
    # Not below.
    return [
        1
        for _ in range(1)
    ][0]
'''
PROJECT = Project("python", ".", "pytest", "a test")


def measured(folder: Path, code: str, *command: str) -> Mapping[str, Lines]:
    """Run a command of Python in a checkout that holds `signs.py`; returns what was noted."""
    report = folder / "report"
    report.mkdir()
    (folder / "signs.py").write_text(code)
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith(("PYTEST", "COV"))},
        "PYTHONPATH": f"{REPORT_FOLDER}:{folder}",
        "MIYABI_TREE": str(folder),
        "MIYABI_REPORT": str(report),
        "MIYABI_MEASURED": "signs.py",
        # Plugins that no test here needs take most of the time of a pytest that is measured.
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
    }
    subprocess.run([sys.executable, *command], cwd=folder, env=environment, check=True, timeout=60)
    files = {path.name: path.read_bytes() for path in report.iterdir()}
    return PythonMeasure().read(PROJECT, files, [Wanted("signs.py", code.encode(), frozenset(range(1, 13)))])


def test_workers_of_pytest_are_measured(tmp_path: Path) -> None:
    """What the workers of xdist execute counts; comments, docstrings of functions and blank lines are no code."""
    (tmp_path / "test_signs.py").write_text("import signs\n\n\ndef test_it():\n    assert signs.sign(1) == 1\n")
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    found = measured(
        tmp_path, CODE, "-m", "pytest", "-q", "-p", "xdist", "-n", "2", "-p", "no:cacheprovider", "test_signs.py"
    )
    assert found["signs.py"].executable == frozenset({1, 4, 6, 7, 9, 10, 11, 12})
    assert found["signs.py"].executable - found["signs.py"].covered == frozenset({7})


def test_process_that_ends_at_once_is_measured(tmp_path: Path) -> None:
    """Lines that a child executed before `os._exit` are noted: nothing is left for the end of a process."""
    child = "import os, signs\nif os.fork() == 0:\n    signs.sign(-1)\n    os._exit(0)\nos.wait()\n"
    found = measured(tmp_path, CODE, "-c", child)
    assert found["signs.py"].covered == frozenset({1, 4, 6, 7})


def test_threads_are_measured(tmp_path: Path) -> None:
    """A thread is traced, and starting one is no tracer of the tests' own."""
    script = "import threading, signs\none = threading.Thread(target=signs.sign, args=(-1,))\none.start()\none.join()\n"
    assert measured(tmp_path, CODE, "-c", script)["signs.py"].covered == frozenset({1, 4, 6, 7})


def test_tracer_of_the_tests_own_is_no_coverage_of_nothing(tmp_path: Path) -> None:
    """Tests that set a tracer take ours away, before Python 3.12: the file says so and counts for nothing."""
    found = measured(tmp_path, CODE, "-c", "import sys, signs\nsys.settrace(None)\nsigns.sign(1)\n")
    apart = sys.version_info >= (3, 12)
    assert found["signs.py"].problem == ("" if apart else OTHER_TRACER)
    assert found["signs.py"].covered == (frozenset({1, 4, 6, 9, 10, 11, 12}) if apart else frozenset())


def test_code_of_another_python_is_not_measured(tmp_path: Path) -> None:
    """A file that the interpreter cannot compile has no line that could be executed, which is said."""
    assert measured(tmp_path, "print 'x'\n", "-c", "pass")["signs.py"] == Lines(problem=NOT_COMPILED)


def test_what_no_tracer_writes_is_refused() -> None:
    """Code under test can write into the report: what has another form is no measure."""
    wanted = [Wanted("signs.py", b"", frozenset({1}))]
    for content in (b"0 x y\n", b"1 1\n", b"-1 1\n", b"0 1 1\n", b"\xff\n"):
        with pytest.raises(ValueError, match="form"):
            PythonMeasure().read(PROJECT, {"coverage.code": b"0 1\n", "coverage.hits": content}, wanted)
