"""Runs of pytest are read from their reports, whatever they print and however they are configured."""

from __future__ import annotations

import pytest

from miyabi.coordinator.v1.result_pb2 import TestVerdict
from miyabi_agents.toolchains.python.runners import file_of, group_of

PASSED, FAILED = TestVerdict.TEST_VERDICT_PASSED, TestVerdict.TEST_VERDICT_FAILED
SKIPPED, BLOCKED = TestVerdict.TEST_VERDICT_SKIPPED, TestVerdict.TEST_VERDICT_BLOCKED

#: One of each outcome.
OUTCOMES = """
import pytest

def test_passes(): pass

def test_fails(): assert 1 == 2

def test_skips(): pytest.skip("not here")

@pytest.mark.xfail(reason="known")
def test_expected(): assert 0

@pytest.mark.xfail
def test_unexpected(): pass

@pytest.mark.xfail(strict=True)
def test_strict(): pass

@pytest.fixture
def broken(): raise RuntimeError("no fixture")

def test_set_up(broken): pass

@pytest.fixture
def untidy():
    yield
    raise RuntimeError("no end")

def test_take_down(untidy): pass
"""
EXPECTED = {
    "tests/test_a.py::test_passes": PASSED,
    "tests/test_a.py::test_fails": FAILED,
    "tests/test_a.py::test_skips": SKIPPED,
    "tests/test_a.py::test_expected": SKIPPED,
    "tests/test_a.py::test_unexpected": PASSED,
    "tests/test_a.py::test_strict": FAILED,
    "tests/test_a.py::test_set_up": FAILED,
    "tests/test_a.py::test_take_down": FAILED,
}


@pytest.mark.parametrize(
    "addopts",
    ["", "-q", "-qq --no-header", "--color=yes -v", "-s", "-o log_cli=true", "-p xdist -n 2", "-p xdist -n 1 --dist loadgroup",
     "-p no:terminal", "-x", "-p no:cacheprovider --strict-config", "--lf --sw", "-p pytest_randomly",
     "--tb=no -rN", "--junitxml=report.xml", "--import-mode=importlib", "--verbosity=-3 --showlocals", "-p no:logging"],
)  # fmt: skip
def test_options(bench, addopts):
    """Each outcome is read alike under every option that suites configure."""
    bench.write({"tests/test_a.py": OUTCOMES, "pytest.ini": f"[pytest]\naddopts = {addopts}\n"})
    found = bench.run("tests/test_a.py")
    assert (found.verdicts, found.problem, found.complete) == (EXPECTED, "", True)
    assert "no fixture" in found.reasons["tests/test_a.py::test_set_up"]
    assert "assert 1 == 2" in found.reasons["tests/test_a.py::test_fails"]


@pytest.mark.parametrize(
    "command",
    [["{python}", "-m", "pytest", "{targets}"], ["sh", "-c", "pytest -q tests"], ["make", "test"], ["pytest", "{targets}"],
     ["sh", "-c", "PYTEST_ADDOPTS=-q pytest tests"], ["{python}", "-c", "import pytest; raise SystemExit(pytest.main(['tests']))"]],
)  # fmt: skip
def test_commands_of_operators(bench, command):
    """An operator's own command is read too, wrapped as it may be."""
    bench.write({"tests/test_a.py": OUTCOMES, "Makefile": "test:\n\tpytest tests\n"})
    bench.facts(config_command=command)
    found = bench.run("tests/test_a.py")
    assert (found.verdicts, found.problem, found.complete) == (EXPECTED, "", True)


def test_two_runs_in_one_command(bench):
    """A command that runs pytest twice has the verdicts of both."""
    bench.write({"a/test_a.py": "def test_a(): pass\n", "b/test_b.py": "def test_b(): assert 0\n"})
    bench.facts(config_command=["sh", "-c", "pytest a && pytest b"])
    found = bench.run()
    assert (found.verdicts, found.complete) == ({"a/test_a.py::test_a": PASSED, "b/test_b.py::test_b": FAILED}, True)


def test_parameters_keep_their_identity(bench):
    """Ids with brackets, colons, spaces, words of verdicts, Unicode and nested classes are whole, and so are groups."""
    bench.write({"tests/my folder/test_a.py": """
import pytest
class TestA:
    class TestB:
        @pytest.mark.parametrize("x", ["a PASSED b", "[1]::x", "é", "", "x y", "a::b FAILED", "]["])
        def test_p(self, x): assert "FAILED" not in x
"""})  # fmt: skip
    found = bench.run("tests/my folder/test_a.py")
    group = "tests/my folder/test_a.py::TestA::TestB::test_p"
    assert found.verdicts[f"{group}[a PASSED b]"] == PASSED
    assert found.verdicts[f"{group}[a::b FAILED]"] == FAILED
    assert len(found.verdicts) == 7
    assert {group_of(name) for name in found.verdicts} == {group}
    assert {file_of(name) for name in found.verdicts} == {"tests/my folder/test_a.py"}


def test_names_are_the_same_in_each_checkout(bench):
    """Paths, addresses, times of today and random ids are replaced; what was alike then is numbered."""
    bench.write({"tests/test_a.py": """
import datetime, os, tempfile, time, uuid
import pytest
A, B = object(), object()
VALUES = [os.getcwd() + "/data", tempfile.mkdtemp() + "/x", repr(A), repr(B), str(datetime.datetime.now()),
          str(time.time()), str(uuid.uuid4()), "2020-01-01 10:00:00", "0xdeadbeef", "10:00:00.5 01-31-2020",
          format(datetime.datetime.now(), "%H:%M:%S.%f %Y-%m-%d"), format(datetime.datetime.now(), "%m-%d-%Y %H:%M:%S.%f")]
@pytest.mark.parametrize("x", VALUES)
def test_a(x): pass
"""})  # fmt: skip
    first, second = bench.run("tests/test_a.py"), bench.run("tests/test_a.py")
    assert first.verdicts.keys() == second.verdicts.keys()
    names = [name.partition("[")[2] for name in first.verdicts]
    assert "<tree>/data]" in names
    assert "<object object at <address>>]" in names
    assert "<object object at <address>>]#2" in names
    assert "2020-01-01 10:00:00]" in names
    assert "0xdeadbeef]" in names
    assert "10:00:00.5 01-31-2020]" in names
    assert len(names) == 12


def test_names_start_at_the_checkout(bench):
    """A run in a folder below, with a configuration of its own, names tests from the checkout's root."""
    bench.write({"sub/pytest.ini": "[pytest]\n", "sub/tests/test_a.py": "def test_a(): pass\n"})
    bench.facts(cwd="sub")
    found = bench.run("sub/tests/test_a.py")
    assert found.verdicts == {"sub/tests/test_a.py::test_a": PASSED}


def test_what_cannot_be_imported(bench):
    """A file that cannot be imported is named with its message, the others run; one that skips itself is skipped."""
    bench.write({
        "tests/test_a.py": "def test_a(): pass\n",
        "tests/test_e.py": "import nothing_there\n",
        "tests/test_s.py": "def f(:\n",
        "tests/test_k.py": "import pytest\npytest.importorskip('nothing_there')\n",
    })  # fmt: skip
    found = bench.run("tests")
    assert found.verdicts == {"tests/test_a.py::test_a": PASSED, "tests/test_k.py": SKIPPED}
    assert found.unbuilt.keys() == {"tests/test_e.py", "tests/test_s.py"}
    assert "No module named 'nothing_there'" in found.unbuilt["tests/test_e.py"]
    assert found.complete


def test_what_cannot_be_imported_in_workers(bench):
    """Files that workers cannot import are named as well."""
    bench.write({"tests/test_a.py": "def test_a(): pass\n", "tests/test_e.py": "import nothing_there\n",
                 "pytest.ini": "[pytest]\naddopts = -p xdist -n 2\n"})  # fmt: skip
    found = bench.run("tests")
    assert (found.verdicts, list(found.unbuilt)) == ({"tests/test_a.py::test_a": PASSED}, ["tests/test_e.py"])
    assert found.complete


def test_nothing_collected(bench):
    """A run that finds no test is complete, with nothing."""
    bench.write({"tests/test_a.py": "x = 1\n"})
    found = bench.run("tests/test_a.py")
    assert (found.verdicts, found.complete) == ({}, True)


def test_a_target_that_is_not_there(bench):
    """A file that this side does not have is absent; the others run."""
    bench.write({"tests/test_a.py": "def test_a(): pass\n"})
    found = bench.run("tests/test_a.py", "tests/test_new.py")
    assert (found.verdicts, found.unbuilt, found.complete) == ({"tests/test_a.py::test_a": PASSED}, {}, True)
    assert bench.run("tests/test_new.py").complete


def test_deselected_tests_are_absent(bench):
    """What the configuration deselects has no verdict."""
    bench.write({"tests/test_a.py": "def test_a(): pass\ndef test_b(): pass\n",
                 "pytest.ini": "[pytest]\naddopts = -k test_b\n"})  # fmt: skip
    assert bench.run("tests/test_a.py").verdicts == {"tests/test_a.py::test_b": PASSED}


def test_subtests(bench):
    """A test fails where one of its subtests does."""
    bench.write({"tests/test_a.py": """
import unittest
class T(unittest.TestCase):
    def test_bad(self):
        for i in range(3):
            with self.subTest(i=i): self.assertNotEqual(i, 1)
    def test_good(self):
        with self.subTest(i=1): pass

def test_fixture(subtests):
    with subtests.test("one"): pass
    with subtests.test("two"): assert 0
"""})  # fmt: skip
    found = bench.run("tests/test_a.py")
    assert found.verdicts == {
        "tests/test_a.py::T::test_bad": FAILED,
        "tests/test_a.py::T::test_good": PASSED,
        "tests/test_a.py::test_fixture": FAILED,
    }


def test_doctests(bench):
    """Doctests of modules are named by their file."""
    bench.write({"pkg/__init__.py": "", "pkg/m.py": 'def f():\n    """\n    >>> f()\n    1\n    """\n    return 1\n',
                 "pytest.ini": "[pytest]\naddopts = --doctest-modules\n"})  # fmt: skip
    assert bench.run("pkg/m.py").verdicts == {"pkg/m.py::pkg.m.f": PASSED}


@pytest.mark.parametrize("workers", ["", "-p xdist -n 1"])
def test_a_test_that_does_not_end(bench, workers):
    """A test that loops for ever fails with the time it had, and the run goes on."""
    bench.write({"tests/test_a.py": """
import time
def test_loops():
    while True: pass
def test_sleeps():
    try: time.sleep(1000)
    except Exception: time.sleep(1000)
def test_after(): pass
""", "pytest.ini": f"[pytest]\naddopts = {workers}\n"})  # fmt: skip
    bench.variables["MIYABI_TEST_SECONDS"] = "0.5"
    found = bench.run("tests/test_a.py")
    assert found.verdicts == {
        "tests/test_a.py::test_loops": FAILED, "tests/test_a.py::test_sleeps": FAILED, "tests/test_a.py::test_after": PASSED,
    }  # fmt: skip
    assert "did not end within 0.5 s" in found.reasons["tests/test_a.py::test_loops"]
    assert found.complete


def test_a_slow_test_of_a_class_with_its_own_alarm(bench):
    """A test that uses the alarm itself is left alone."""
    bench.write({"tests/test_a.py": """
import signal, time
def test_a():
    seen = []
    signal.signal(signal.SIGALRM, lambda *_: seen.append(1))
    signal.setitimer(signal.ITIMER_REAL, 0.05)
    time.sleep(0.2)
    assert seen
def test_b(): assert signal.getitimer(signal.ITIMER_REAL)[0] < 61
"""})  # fmt: skip
    assert set(bench.run("tests/test_a.py").verdicts.values()) == {PASSED}


def test_a_gate_of_coverage_on_the_whole_suite(bench):
    """A share of covered lines that is not reached is a gate; for some files alone nobody asks."""
    bench.write({
        "mod.py": "def f():\n    return 1\ndef g():\n    x = 1\n    return x\n",
        "tests/test_a.py": "import mod\ndef test_a(): assert mod.f() == 1\n",
        "pytest.ini": "[pytest]\naddopts = -p pytest_cov --cov=mod --cov-fail-under=99\n",
    })  # fmt: skip
    whole, some = bench.run(whole=True), bench.run("tests/test_a.py")
    assert "of the lines are covered, the project asks for 99 %" in whole.gate
    assert (whole.complete, some.complete, some.gate) == (True, True, "")
    assert whole.verdicts == some.verdicts == {"tests/test_a.py::test_a": PASSED}


def test_another_gate(bench):
    """A plugin of the project that fails the run is a gate too."""
    bench.write({"tests/test_a.py": "def test_a(): pass\n",
                 "conftest.py": "def pytest_sessionfinish(session): session.exitstatus = 1\n"})  # fmt: skip
    found = bench.run("tests/test_a.py")
    assert (found.gate, found.complete) == ("the runner ended with status 1 though no test failed", True)


def test_runs_within_runs_are_left_alone(bench):
    """Runs of pytest in a subprocess or in this process, and of unittest inside a test, report nothing of their own."""
    bench.write({"tests/test_a.py": """
import subprocess, sys, unittest
pytest_plugins = ["pytester"]
def test_process(tmp_path):
    (tmp_path / "test_x.py").write_text("def test_x(): assert 0")
    assert subprocess.run([sys.executable, "-m", "pytest", str(tmp_path)]).returncode == 1
def test_pytester(pytester):
    pytester.makepyfile("def test_y(): assert 0")
    pytester.runpytest_inprocess().assert_outcomes(failed=1)
    pytester.runpytest_subprocess().assert_outcomes(failed=1)
def test_unittest():
    class T(unittest.TestCase):
        def test_z(self): self.fail()
    result = unittest.TextTestRunner().run(unittest.defaultTestLoader.loadTestsFromTestCase(T))
    assert len(result.failures) == 1
"""})  # fmt: skip
    found = bench.run("tests/test_a.py")
    assert (set(found.verdicts.values()), len(found.verdicts), found.complete) == ({PASSED}, 3, True), bench.output


def test_what_the_sandbox_refuses(bench):
    """A refused call is blocked, also inside the libraries of others; an exception that is only raised is a failure."""
    bench.write({
        "tests/conftest.py": """
import errno, os, socket
import pytest
class Refused(socket.socket):
    def connect(self, address): raise PermissionError(errno.EPERM, "not the kernel")
""",
        "tests/test_a.py": """
import errno, os, socket, urllib.request
import pytest
def test_kernel(): os.mknod("/dev/null/x")
def test_file(): open("/proc/1/mem/x", "w")
def test_raised(): raise PermissionError(errno.EPERM, "socket.bind")  # sock.bind()
def test_asserted(): assert "PermissionError: [Errno 1]" == "socket.bind"
def test_in_tree(tmp_path):
    (tmp_path / "a").write_text("")
    raise PermissionError(errno.EACCES, "no", str(tmp_path / "a"))
def test_caused():
    try: os.setpriority(os.PRIO_PROCESS, 1 << 30, 0)
    except OSError as error: raise RuntimeError("wrapped") from error
""",
    })  # fmt: skip
    found = bench.run("tests/test_a.py")
    assert found.verdicts["tests/test_a.py::test_raised"] == FAILED
    assert found.verdicts["tests/test_a.py::test_asserted"] == FAILED
    assert found.verdicts["tests/test_a.py::test_in_tree"] == FAILED


def test_a_refused_socket_is_blocked(bench):
    """A connection that the kernel refuses makes the test blocked, with what was refused."""
    # A process may take the right to sockets from itself (seccomp), as the sandbox does to what it runs.
    bench.write({"tests/conftest.py": REFUSE, "tests/test_a.py": """
import socket, urllib.request
def test_own(): socket.socket()
def test_library(): urllib.request.urlopen("http://127.0.0.1:9/")
def test_server():
    import socketserver
    socketserver.TCPServer(("127.0.0.1", 0), None)
def test_other(): assert 0
"""})  # fmt: skip
    found = bench.run("tests/test_a.py")
    names = ("own", "library", "server", "other")
    assert [found.verdicts[f"tests/test_a.py::test_{name}"] for name in names] == [BLOCKED, BLOCKED, BLOCKED, FAILED]
    assert found.reasons["tests/test_a.py::test_own"].startswith("blocked by the sandbox: socket")


#: Refuses `socket` (41 on x86_64, 198 on arm64) with EPERM from here on (seccomp(2)).
REFUSE = """
import ctypes, platform, struct
libc = ctypes.CDLL(None, use_errno=True)
call = 41 if platform.machine() == "x86_64" else 198
code = b"".join(struct.pack("HBBI", *one) for one in
                [(0x20, 0, 0, 0), (0x15, 0, 1, call), (0x06, 0, 0, 0x00050001), (0x06, 0, 0, 0x7FFF0000)])
text = ctypes.create_string_buffer(code)
program = struct.pack("HxxxxxxP", 4, ctypes.addressof(text))
assert libc.prctl(38, 1, 0, 0, 0) == 0
assert libc.prctl(22, 2, program, 0, 0) == 0
"""


@pytest.mark.parametrize(
    ("requirements", "addopts"),
    [
        (("pytest==6.2.5", "pytest-xdist==2.5.0"), ""),
        (("pytest==6.2.5", "pytest-xdist==2.5.0"), "-n 2"),
        (("pytest==7.4.4", "pytest-sugar", "pytest-rerunfailures"), "--reruns 1"),
        (("pytest==8.3.5", "pytest-timeout", "pytest-randomly"), "--timeout 30"),
    ],
)
def test_older_versions(bench, venv, requirements, addopts):
    """Each outcome is read under older versions, and beside plugins that change what is shown or run again."""
    bench.use(venv(*requirements))
    bench.variables.clear()
    bench.write({"tests/test_a.py": OUTCOMES, "tests/test_e.py": "import nothing_there\n",
                 "pytest.ini": f"[pytest]\naddopts = {addopts}\n"})  # fmt: skip
    found = bench.run("tests/test_a.py", "tests/test_e.py")
    assert (found.verdicts, found.problem, found.complete) == (EXPECTED, "", True), bench.output
    assert list(found.unbuilt) == ["tests/test_e.py"]
