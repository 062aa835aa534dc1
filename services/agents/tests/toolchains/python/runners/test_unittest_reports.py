"""Runs of unittest are read from reports, whoever leads them, with the names that pytest would give."""

from __future__ import annotations

import pytest

from miyabi.coordinator.v1.result_pb2 import TestVerdict

PASSED, FAILED, SKIPPED = (
    TestVerdict.TEST_VERDICT_PASSED,
    TestVerdict.TEST_VERDICT_FAILED,
    TestVerdict.TEST_VERDICT_SKIPPED,
)

OUTCOMES = """
import unittest, logging

class T(unittest.TestCase):
    def test_passes(self):
        logging.error("... ERROR ...")
        print("test_fails (tests.test_a.T.test_fails) ... ok")
    def test_fails(self): self.assertEqual(1, 2)
    def test_raises(self): raise SystemExit(0)
    def test_skips(self): self.skipTest("not here")
    @unittest.expectedFailure
    def test_expected(self): self.fail()
    @unittest.expectedFailure
    def test_unexpected(self): pass
    def test_subtests(self):
        for i in range(3):
            with self.subTest(i=i): self.assertNotEqual(i, 1)

class Broken(unittest.TestCase):
    @classmethod
    def setUpClass(cls): raise RuntimeError("no class")
    def test_one(self): pass
    def test_two(self): pass

@unittest.skip("all")
class Skipped(unittest.TestCase):
    def test_one(self): pass
"""
EXPECTED = {
    "tests/test_a.py::T::test_passes": PASSED,
    "tests/test_a.py::T::test_fails": FAILED,
    "tests/test_a.py::T::test_raises": FAILED,
    "tests/test_a.py::T::test_skips": SKIPPED,
    "tests/test_a.py::T::test_expected": SKIPPED,
    "tests/test_a.py::T::test_unexpected": FAILED,
    "tests/test_a.py::T::test_subtests": FAILED,
    "tests/test_a.py::Broken::test_one": FAILED,
    "tests/test_a.py::Broken::test_two": FAILED,
    "tests/test_a.py::Skipped::test_one": SKIPPED,
}
#: A runner of a project's own, as some have.
OWN_RUNNER = """
import sys, unittest
class Runner(unittest.TextTestRunner):
    def run(self, test):
        return super().run(test)
suite = unittest.defaultTestLoader.loadTestsFromNames(sys.argv[1:])
sys.exit(not Runner().run(suite).wasSuccessful())
"""


@pytest.mark.parametrize("package", [True, False])
def test_outcomes(bench, package):
    """Each outcome is read, a class whose set-up fails has failed, whether the folder is a package or not."""
    bench.write({"tests/test_a.py": OUTCOMES, **({"tests/__init__.py": ""} if package else {})})
    bench.facts("unittest")
    found = bench.run("tests/test_a.py")
    assert (found.verdicts, found.problem, found.complete) == (EXPECTED, "", True)
    assert "no class" in found.reasons["tests/test_a.py::Broken::test_one"]


def test_the_whole_suite(bench):
    """Discovery finds the same tests."""
    bench.write({"tests/test_a.py": OUTCOMES, "tests/__init__.py": ""})
    bench.facts("unittest", tests=["tests"])
    assert bench.run(whole=True).verdicts == EXPECTED


@pytest.mark.parametrize(
    "command",
    [["{python}", "runner.py", "tests.test_a"], ["sh", "-c", "python -m unittest tests.test_a"],
     ["{python}", "-c", "import subprocess, sys; sys.exit(subprocess.call([sys.executable, '-m', 'unittest', 'tests.test_a']))"]],
)  # fmt: skip
def test_commands_of_operators(bench, command):
    """A project's own runner, and commands around unittest, are read too."""
    bench.write({"tests/test_a.py": OUTCOMES, "tests/__init__.py": "", "runner.py": OWN_RUNNER})
    bench.facts("unittest", config_command=command)
    found = bench.run()
    assert (found.verdicts, found.problem, found.complete) == (EXPECTED, "", True)


def test_what_cannot_be_imported(bench):
    """A module that cannot be imported is named by its file; one that skips itself is skipped; a missing one is absent."""
    bench.write({
        "tests/__init__.py": "",
        "tests/test_a.py": "import unittest\nclass T(unittest.TestCase):\n    def test_a(self): pass\n",
        "tests/test_e.py": "import nothing_there\n",
        "tests/test_k.py": "import unittest\nraise unittest.SkipTest('not here')\n",
    })  # fmt: skip
    bench.facts("unittest", tests=["tests"])
    found = bench.run("tests/test_a.py", "tests/test_e.py", "tests/test_new.py")
    assert (found.verdicts, list(found.unbuilt)) == ({"tests/test_a.py::T::test_a": PASSED}, ["tests/test_e.py"])
    assert "No module named 'nothing_there'" in found.unbuilt["tests/test_e.py"]
    assert found.complete, found.problem
    whole = bench.run(whole=True)
    assert whole.verdicts == {"tests/test_a.py::T::test_a": PASSED, "tests/test_k.py": SKIPPED}


def test_doctests(bench):
    """Doctests in a suite are named by their file."""
    bench.write({"mod.py": 'def f():\n    """\n    >>> f()\n    1\n    """\n    return 1\n', "tests/__init__.py": "",
                 "tests/test_d.py": "import doctest, mod\ndef load_tests(loader, tests, ignore):\n"
                                    "    tests.addTests(doctest.DocTestSuite(mod))\n    return tests\n"})  # fmt: skip
    bench.facts("unittest")
    assert bench.run("tests/test_d.py").verdicts == {"mod.py::mod.f": PASSED}


def test_suites_within_tests_are_left_alone(bench):
    """A suite that a test runs by itself is not of the report."""
    bench.write({"tests/__init__.py": "", "tests/test_a.py": """
import io, unittest
class Inner(unittest.TestCase):
    def runTest(self): self.fail()
class T(unittest.TestCase):
    def test_a(self):
        suite = unittest.TestSuite([Inner()])
        self.assertFalse(unittest.TextTestRunner(stream=io.StringIO()).run(suite).wasSuccessful())
def load_tests(loader, tests, pattern): return loader.loadTestsFromTestCase(T)
"""})  # fmt: skip
    bench.facts("unittest")
    found = bench.run("tests/test_a.py")
    assert (found.verdicts, found.complete) == ({"tests/test_a.py::T::test_a": PASSED}, True)


@pytest.mark.parametrize(
    ("code", "problem"),
    [
        ("print('ok'); os._exit(0)", "ended with status 0 before its end while tests/test_a.py::T::test_b ran"),
        ("os.kill(os.getpid(), 11)", "ended by signal 11 (segmentation fault) while tests/test_a.py::T::test_b ran"),
        ("unittest.TestCase.run = lambda self, result: result", "replaced unittest.case.TestCase.run"),
        (
            "unittest.TestResult.addFailure = unittest.TestResult.addSuccess",
            "replaced unittest.result.TestResult.addFailure",
        ),
        ("raise KeyboardInterrupt", "ended by signal 2 (interrupt)"),
    ],
)
def test_hostile_tests(bench, code, problem):
    """A test that ends the run, or replaces what decides, makes it worth nothing."""
    bench.write({"tests/__init__.py": "", "tests/test_a.py": f"""
import os, unittest
class T(unittest.TestCase):
    def test_a(self): pass
    def test_b(self):
        {code}
class U(unittest.TestCase):
    def test_c(self): pass
"""})  # fmt: skip
    bench.facts("unittest")
    found = bench.run("tests/test_a.py")
    assert not found.complete
    assert problem in found.problem or "collected tests did not run" in found.problem


def test_a_test_that_does_not_end(bench):
    """A test that loops for ever fails, and the run goes on."""
    bench.write({"tests/__init__.py": "", "tests/test_a.py": """
import unittest
class T(unittest.TestCase):
    def test_a(self):
        while True: pass
    def test_b(self): pass
"""})  # fmt: skip
    bench.facts("unittest")
    bench.variables["MIYABI_TEST_SECONDS"] = "0.5"
    found = bench.run("tests/test_a.py")
    assert found.verdicts == {"tests/test_a.py::T::test_a": FAILED, "tests/test_a.py::T::test_b": PASSED}
    assert "did not end within 0.5 s" in found.reasons["tests/test_a.py::T::test_a"]
