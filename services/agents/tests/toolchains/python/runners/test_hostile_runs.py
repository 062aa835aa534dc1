"""Tests that lie about themselves are not believed, and a run without its end gives no verdict on what is missing."""

from __future__ import annotations

import pytest

from miyabi.coordinator.v1.result_pb2 import TestVerdict

PASSED, FAILED = TestVerdict.TEST_VERDICT_PASSED, TestVerdict.TEST_VERDICT_FAILED


def test_printed_verdicts_say_nothing(bench):
    """What a test prints that looks like a verdict, or like a line of the report, has no say."""
    bench.write({"tests/test_a.py": """
import sys
def test_lies():
    print("\\ntests/test_a.py::test_lies PASSED")
    sys.__stdout__.write("\\n= 1 passed in 0.01s =\\n")
    assert 0
"""})  # fmt: skip
    found = bench.run("tests/test_a.py")
    assert (found.verdicts, found.complete) == ({"tests/test_a.py::test_lies": FAILED}, True)


@pytest.mark.parametrize(
    "code",
    [
        "open(glob.glob(F + '/*.jsonl')[0], 'a').write('x [\"end\",0,\"passed\",0,\"\"]\\n')",
        "open(glob.glob(F + '/*.jsonl')[0], 'a').write(open(glob.glob(F + '/*.jsonl')[0]).readline())",
        "open(F + '/pytest-1-00.jsonl', 'w').write('0 [\"begin\",\"pytest\",\"\"]\\n')",
        "open(F + '/other.txt', 'w').write('')",
        "os.truncate(glob.glob(F + '/*.jsonl')[0], 0)",
    ],
)
def test_a_report_that_others_write_to(bench, code):
    """A line or a file that the runner did not write makes the whole report worth nothing."""
    bench.write({"tests/test_a.py": f"import glob, os\nF = os.environ['MIYABI_REPORT']\ndef test_a():\n    {code}\n"})
    found = bench.run("tests/test_a.py")
    assert (found.verdicts, found.complete) == ({}, False)
    assert "not to be believed" in found.problem


@pytest.mark.parametrize(
    ("code", "problem"),
    [
        ("os._exit(0)", "the runner ended with status 0 before its end while tests/test_a.py::test_b ran"),
        ("os.kill(os.getpid(), 11)", "ended by signal 11 (segmentation fault) while tests/test_a.py::test_b ran"),
        ("os.kill(os.getpid(), 9)", "ended by signal 9 (killed) while tests/test_a.py::test_b ran"),
        ("import pytest; pytest.exit('enough', 0)", "collected tests did not run"),
        ("raise KeyboardInterrupt", "collected tests did not run"),
        ("[os.unlink(f) for f in glob.glob(os.environ['MIYABI_REPORT'] + '/*')]", "wrote no report"),
        ("import atexit; atexit.register(os._exit, 3)", "pytest ended with status 3, its report says 0"),
        (
            "import _pytest.runner as r; a = r.call_and_report; r.call_and_report = lambda *b, **c: a(*b, **c)",
            "replaced _pytest.runner.call_and_report",
        ),
    ],
)
def test_a_run_that_is_ended_from_inside(bench, code, problem):
    """It is not complete, and the sentence names the cause and the test that was running."""
    bench.write({"tests/test_a.py": f"import glob, os\ndef test_a(): pass\ndef test_b():\n    {code}\ndef test_c(): pass\n",
                 "pytest.ini": "[pytest]\naddopts = -p no:randomly\n"})  # fmt: skip
    found = bench.run("tests/test_a.py")
    assert not found.complete
    assert problem in found.problem


def test_exit_in_a_test_is_a_failure(bench):
    """`sys.exit` ends the test alone."""
    bench.write({"tests/test_a.py": "import sys\ndef test_a(): sys.exit(0)\ndef test_b(): pass\n"})
    found = bench.run("tests/test_a.py")
    assert (sorted(found.verdicts.values()), found.complete) == ([PASSED, FAILED], True)


def test_exit_while_importing(bench):
    """A file that ends the process while it is imported leaves no end."""
    bench.write({"tests/test_a.py": "import os\nprint('tests/test_a.py::test_a PASSED')\nos._exit(0)\n"})
    found = bench.run("tests/test_a.py")
    assert (found.complete, found.problem) == (False, "the runner ended with status 0 before its end")


def test_a_run_that_does_not_end(bench):
    """A run that its time ends says so, with the test; tests that catch everything end the run by themselves."""
    bench.write(
        {
            "tests/test_a.py": "def test_a():\n    while True:\n        try:\n            while True: pass\n        except BaseException: pass\n"
        }
    )
    bench.seconds = 10
    found = bench.run("tests/test_a.py")
    assert found.problem == "the run did not end within its time while tests/test_a.py::test_a ran"


def test_a_test_that_catches_everything(bench):
    """A test that cannot be ended ends the run, which names it."""
    bench.write(
        {
            "tests/test_a.py": "def test_a():\n    while True:\n        try:\n            while True: sum(range(9))\n        except BaseException: pass\n"
        }
    )
    bench.variables["MIYABI_TEST_SECONDS"] = "0.2"
    assert bench.run("tests/test_a.py").problem == "tests/test_a.py::test_a cannot be ended: it goes on after its time"


def test_the_key_is_not_found(bench):
    """Neither the environment, nor what the system shows of it, nor the process's children have the key."""
    bench.write({"tests/test_a.py": """
import os, subprocess
def test_environment(): assert not [n for n in os.environ if n.endswith("_KEY")]
def test_system(): assert b"MIYABI_REPORT_KEY=xxxx" in open("/proc/self/environ", "rb").read()
def test_child(): assert b"REPORT_KEY" not in subprocess.run(["env"], stdout=subprocess.PIPE).stdout
def test_descriptors():
    listed = subprocess.run(["ls", "-l", "/proc/self/fd"], stdout=subprocess.PIPE, close_fds=False).stdout
    assert b".jsonl" not in listed
"""})  # fmt: skip
    found = bench.run("tests/test_a.py")
    assert set(found.verdicts.values()) == {PASSED}, found.reasons


def test_forks_do_not_write(bench):
    """A process that a test forks and lets run on writes nothing to the report."""
    bench.write({"tests/test_a.py": """
import os
def test_a():
    child = os.fork()
    if child: os.waitpid(child, 0)
def test_b(): pass
"""})  # fmt: skip
    found = bench.run("tests/test_a.py")
    assert (set(found.verdicts.values()), found.complete) == ({PASSED}, True), found.problem


@pytest.mark.parametrize(
    "name", ["pytest.py", "sitecustomize.py", "usercustomize.py", "unittest.py", "json.py", "pluggy.py"]
)
def test_files_that_stand_in_for_the_runner(bench, name):
    """A file at the root is not imported instead of the runner or the standard library."""
    lie = "print('tests/test_a.py::test_a PASSED')\nimport os\nos._exit(0)\n"
    bench.write({"tests/test_a.py": "import unittest, json\ndef test_a(): assert 0\n", name: lie})
    found = bench.run("tests/test_a.py")
    assert (found.verdicts, found.complete) == ({"tests/test_a.py::test_a": FAILED}, True), bench.output


def test_a_project_that_is_called_as_a_runner(bench):
    """A project that has such a name on base is imported from the checkout."""
    for place in (bench.tree, bench.environment.tree):
        (place / "src/coverage").mkdir(parents=True)
        (place / "src/coverage/__init__.py").write_text("HERE = 1\n")
    bench.write({"tests/test_a.py": "import coverage\ndef test_a(): assert coverage.HERE == 1\n",
                 "pytest.ini": "[pytest]\n"})  # fmt: skip
    bench.facts(roots=["src"])
    found = bench.run("tests/test_a.py")
    assert found.verdicts == {"tests/test_a.py::test_a": PASSED}


def test_a_package_from_elsewhere(bench):
    """Where the tested package is not the checkout's, the run is worth nothing and says which file it was."""
    (bench.environment.tree / "thing").mkdir()
    (bench.environment.tree / "thing/__init__.py").write_text("")
    bench.write(
        {
            "tests/test_a.py": f"import sys\nsys.path.insert(0, {str(bench.environment.tree)!r})\nimport thing\ndef test_a(): pass\n"
        }
    )
    found = bench.run("tests/test_a.py")
    assert not found.complete
    assert found.problem.startswith("the tests import thing from ")
    assert found.problem.endswith("env/tree/thing/__init__.py, not from the change")


def test_no_runner(bench):
    """A runner that is not there is said with its own last words."""
    bench.write({"tests/test_a.py": "def test_a(): pass\n"})
    bench.facts(config_command=["{python}", "-m", "nothing_there"])
    assert "wrote no report; its last words: " in bench.run("tests/test_a.py").problem
    assert "No module named nothing_there" in bench.run("tests/test_a.py").problem
