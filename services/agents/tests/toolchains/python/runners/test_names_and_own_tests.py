"""A change's own tests are known by name, however they are nested and parametrised."""

from __future__ import annotations

import pytest

from miyabi_agents.toolchains.port import OwnTests
from miyabi_agents.toolchains.python.runners import code_of, file_of, group_of, own_tests

BEFORE = b"""
import pytest
CASES = [1, 2]

def helper(): return 1

@pytest.mark.parametrize("x", CASES)
def test_cases(x): assert x

@pytest.mark.parametrize("x", [1])
def test_listed(x): pass

class TestA:
    def setup_method(self): self.x = 1
    class TestB:
        async def test_deep(self): assert 1
    def test_same(self): assert helper()

class Base:
    def test_inherited(self): assert self.x == 1

class TestC(Base): x = 1

def test_gone(): pass
"""


@pytest.mark.parametrize(
    ("old", "new", "edited"),
    [
        (b"CASES = [1, 2]", b"CASES = [1, 2, 3]", {"test_cases"}),
        (b'("x", [1])', b'("x", [1, 2])', {"test_listed"}),
        (b"assert 1\n", b"assert 2\n", {"TestA::TestB::test_deep"}),
        (b"self.x == 1", b"self.x == 2", {"Base::test_inherited", "TestC::test_inherited"}),
        (b"return 1", b"return 2", set()),
        (b"self.x = 1", b"self.x = 2", set()),
        (b"assert x", b"assert   x  # said", set()),
    ],
)
def test_edited(old, new, edited):
    """A test is edited where its own code, its decorators or their constants are; helpers and comments mark none."""
    found = own_tests("t/test_a.py", BEFORE, BEFORE.replace(old, new))
    assert found == OwnTests(edited=frozenset(f"t/test_a.py::{name}" for name in edited))


def test_added_and_removed():
    """Tests that come and go are told from edited ones."""
    after = BEFORE.replace(b"def test_gone", b"def test_come")
    expected = OwnTests(added=frozenset({"t.py::test_come"}), removed=frozenset({"t.py::test_gone"}))
    assert own_tests("t.py", BEFORE, after) == expected
    assert len(own_tests("t.py", None, BEFORE).added) == 7
    assert len(own_tests("t.py", BEFORE, None).removed) == 7


@pytest.mark.parametrize(
    "after",
    [
        b"def f(:",
        b"x\0",
        b"(" * 5_000,
        b"-" * 200_000 + b"1",
        b"x = " + b"1+" * 100_000 + b"1",
        b"\xff\xfe",
        b"a" * (2 << 20),
    ],
    ids=["syntax", "nul", "brackets", "signs", "sums", "encoding", "long"],
)
def test_what_cannot_be_parsed(after):
    """A file that no parser takes counts as edited as a whole."""
    assert own_tests("t.py", BEFORE, after).edited in (frozenset({"t.py"}), frozenset())
    if after[:4] != b"x = ":
        assert own_tests("t.py", BEFORE, after) == OwnTests(edited=frozenset({"t.py"}))


def test_files_of_other_kinds():
    """A file that is no Python is one group."""
    assert own_tests("a.rst", b"1", b"2") == OwnTests(edited=frozenset({"a.rst"}))
    assert own_tests("a.rst", None, b"2") == OwnTests(added=frozenset({"a.rst"}))
    assert own_tests("a.rst", b"1", b"1") == OwnTests()


def test_code_of_a_test():
    """The source of one test is shown with its decorators."""
    assert code_of(BEFORE, "t.py::test_listed") == '@pytest.mark.parametrize("x", [1])\ndef test_listed(x): pass'
    assert code_of(BEFORE, "t.py::TestC::test_inherited").strip() == "def test_inherited(self): assert self.x == 1"
    assert code_of(BEFORE, "t.py::test_nothing") == ""
    assert (
        code_of(b"# a\x0cb\rx = 1\r\ndef test_a(): pass\rdef test_b(): pass\n", "t.py::test_a") == "def test_a(): pass"
    )
    long = code_of(b"def test_a():\n" + b"    x = 1\n" * 2_000, "t.py::test_a")
    assert (3_900 < len(long) <= 4_000, long.endswith("left out)")) == (True, True)


@pytest.mark.parametrize(
    ("test", "group", "file"),
    [
        ("a/test_b.py::TestC::test_d[x[1]::y PASSED]", "a/test_b.py::TestC::test_d", "a/test_b.py"),
        ("a [b]/test_b.py::test_d[1]", "a [b]/test_b.py::test_d", "a [b]/test_b.py"),
        ("a.py::test_d[x]#2", "a.py::test_d", "a.py"),
        ("a.py::test_d", "a.py::test_d", "a.py"),
        ("a.py", "a.py", "a.py"),
        ("README.rst::README.rst", "README.rst::README.rst", "README.rst"),
        ("", "", ""),
    ],
)
def test_groups(test, group, file):
    """A test's group is its function, whatever its parameters hold."""
    assert (group_of(test), file_of(test)) == (group, file)
