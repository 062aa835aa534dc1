"""Verdicts per test: read from real runners' output, compared base against change."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from miyabi.coordinator.v1.result_pb2 import ChangeSet, FileChange
from miyabi_agents.errors import ConfigError
from miyabi_agents.verification.compare import compare, edited_functions
from miyabi_agents.verification.config import TargetRule
from miyabi_agents.verification.config import TestConfig as Config
from miyabi_agents.verification.config import parse as parse_config
from miyabi_agents.verification.parsers import BLOCKED, FAILED, PASSED, SKIPPED, parse
from miyabi_agents.verification.targets import choose, is_test

TESTS = '''
import socket, sys, unittest

class T(unittest.TestCase):
    def test_good(self):
        print("noise ... ok")
    def test_documented(self):
        """Says something of its own."""
    def test_bad(self): self.fail("no")
    def test_raises(self): raise ValueError
    @unittest.skip("not today")
    def test_skipped(self): pass
    @unittest.expectedFailure
    def test_expected(self): self.fail("known")
    def test_sub(self):
        for n in range(2):
            with self.subTest(n=n): self.assertEqual(0, n)
    def test_socket(self):
        raise_in_socket()

def raise_in_socket():
    try: raise PermissionError(13, "Permission denied")
    except PermissionError as error: raise error  # socket.socket
'''


def test_unittest_output_is_read(tmp_path: Path) -> None:
    """Every kind of ending is recognised in what unittest really prints."""
    (tmp_path / "mod.py").write_text(TESTS)
    done = subprocess.run(
        [sys.executable, "-m", "unittest", "-v", "mod"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    verdicts = {
        name.rpartition(".")[2]: verdict for name, verdict in parse(done.stdout + done.stderr, style="unittest").items()
    }
    assert verdicts == {
        "test_good": PASSED, "test_documented": PASSED, "test_bad": FAILED, "test_raises": FAILED, "test_skipped": SKIPPED,
        "test_expected": PASSED, "test_sub": FAILED, "test_socket": BLOCKED,
    }  # fmt: skip


def test_pytest_output_is_read(tmp_path: Path) -> None:
    """The same of pytest."""
    (tmp_path / "test_mod.py").write_text(
        "import pytest\ndef test_good(): pass\ndef test_bad(): assert 0\n@pytest.mark.skip\ndef test_skipped(): pass\n"
        "@pytest.mark.parametrize('n', [1, 2])\ndef test_many(n): assert n == 1\n"
    )
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-v", "-p", "no:cacheprovider", "test_mod.py"],
        cwd=tmp_path, capture_output=True, text=True, check=False,
        env={"PATH": os.environ["PATH"], "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},  # our plugins are not the repository's
    )  # fmt: skip
    verdicts = {name.rpartition("::")[2]: verdict for name, verdict in parse(done.stdout, style="pytest").items()}
    expected = {
        "test_good": PASSED,
        "test_bad": FAILED,
        "test_skipped": SKIPPED,
        "test_many[1]": PASSED,
        "test_many[2]": FAILED,
    }
    assert expected == verdicts


NONE: set[str] = set()


def test_new_test_that_turns_green_is_the_proof() -> None:
    """Red on base and green on the change counts; what was green stays."""
    result = compare(
        {"m.T.new": FAILED, "m.T.old": PASSED},
        {"m.T.new": PASSED, "m.T.old": PASSED},
        added={"T.new"},
        edited=NONE,
        declared=NONE,
    )
    assert (
        result.passed,
        result.failed_before_passed_after,
        result.failed_before,
        result.passed_after,
        result.broken,
    ) == (True, 1, 1, 1, 0)


def test_new_test_that_is_green_on_base_proves_nothing() -> None:
    """A test that passes either way is no evidence."""
    assert not compare({"m.T.new": PASSED}, {"m.T.new": PASSED}, added={"T.new"}, edited=NONE, declared=NONE).passed


def test_broken_test_fails_the_change() -> None:
    """One test that was green and is red outweighs any proof."""
    result = compare(
        {"m.T.new": FAILED, "m.T.old": PASSED},
        {"m.T.new": PASSED, "m.T.old": FAILED},
        added={"T.new"},
        edited=NONE,
        declared=NONE,
    )
    assert (result.passed, result.broken) == (False, 1)
    assert result.comparisons[0].test == "m.T.old"


def test_red_on_base_is_listed_and_not_counted() -> None:
    """What was red before is not the change's fault."""
    result = compare(
        {"m.T.new": FAILED, "m.T.old": FAILED},
        {"m.T.new": PASSED, "m.T.old": FAILED},
        added={"T.new"},
        edited=NONE,
        declared=NONE,
    )
    assert (result.passed, result.red_on_base, result.broken) == (True, 1, 0)


def test_edited_test_is_judged_by_its_new_form_and_named() -> None:
    """An edited expectation that is red on base and green on the change is a proof, and is marked."""
    result = compare({"m.T.old": FAILED}, {"m.T.old": PASSED}, added=NONE, edited={"T.old"}, declared=NONE)
    assert (result.passed, result.failed_before_passed_after) == (True, 1)
    assert result.comparisons[0].changed_expectation


def test_blocked_test_is_no_verdict() -> None:
    """What the sandbox forbids is not a failure of the change."""
    result = compare(
        {"m.T.new": FAILED, "m.T.net": PASSED},
        {"m.T.new": PASSED, "m.T.net": BLOCKED},
        added={"T.new"},
        edited=NONE,
        declared=NONE,
    )
    assert (result.passed, result.blocked, result.broken) == (True, 1, 0)


def test_edited_functions_are_found_by_their_code() -> None:
    """Moving a test or its comments changes nothing; changing its body does."""
    before = "class T:\n    def test_a(self): x(1)\n    def test_b(self): x(2)\n"
    after = "\n# moved\nclass T:\n    def test_b(self): x(2)\n    def test_a(self): x(3)\n    def test_c(self): pass\n"
    assert ({"T.test_c"}, {"T.test_a"}) == edited_functions(before, after)


def test_targets_are_the_changes_own_tests_and_the_neighbourhood() -> None:
    """Never the whole suite; a module within another target is not run twice."""
    config = Config(
        command=["x"], format="django", targets=[TargetRule(source="django/urls/**", tests=["urls", "resolve"])]
    )
    files = [
        FileChange(path="django/urls/a/b.py"),
        FileChange(path="tests/urls/tests.py"),
        FileChange(path="tests/other/test_x.py"),
    ]
    assert choose(ChangeSet(files=files), config) == ["other.test_x", "resolve", "urls"]


@pytest.mark.parametrize(
    ("path", "expected"), [("tests/x.py", True), ("a/test_x.py", True), ("a/x.test.ts", True), ("a/contest.py", False)]
)
def test_tests_are_told_by_their_names(path: str, *, expected: bool) -> None:
    """Folders and names say what is a test."""
    assert expected == is_test(path)


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ("test: {}", "test.command"),
        ("test: {command: [x], formt: y}", "test.formt"),
        ("[", "YAML"),
        ("test: {command: [x], timeout: 0}", "test.timeout"),
    ],
)
def test_bad_configuration_names_its_field(text: str, field: str) -> None:
    """What is wrong in `.miyabi.yaml` is said by name."""
    with pytest.raises(ConfigError, match=field):
        parse_config(text, where=".miyabi.yaml")
