"""`.miyabi.yaml`: what is wrong is said by name, what leads out of the repository is refused, globs take linear time."""

from __future__ import annotations

import contextlib
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from miyabi_agents.errors import ConfigError
from miyabi_agents.verification.changes import Overlaid
from miyabi_agents.verification.config import MAX_BYTES, load, parse
from miyabi_agents.verification.ground import refuse_missing_folder
from miyabi_agents.verification.targets import configured, is_test, matches

REFUSED = {
    "no list": ("test: {command: pytest}", "test.command"),
    "misspelt": ("test: {command: [x], formt: y}", "test.formt"),
    "no YAML": ("[", "YAML"),
    "no time": ("test: {timeout: 0}", "test.timeout"),
    "no such gate": ("test: {gate: maybe}", "test.gate"),
    "root": ("test: {cwd: /}", "test.cwd"),
    "upwards": ("test: {cwd: ../../..}", "test.cwd"),
    "option": ("env: {requirements: ['--target=/x']}", "env.requirements.0"),
    "file": ("env: {requirements: ['-r /etc/passwd']}", "env.requirements.0"),
    "address": ("env: {requirements: ['x @ http://a.example/x.tar.gz']}", "env.requirements.0"),
    "local file": ("env: {requirements: ['x @ file:///x']}", "env.requirements.0"),
    "path": ("env: {requirements: ['./x']}", "env.requirements.0"),
    "no version": ("env: {python: nonsense}", "env.python"),
    "prefer a path": ("env: {prefer: ['/../x']}", "env.prefer"),
    "wildcards": (f"test: {{targets: [{{source: '{'**/' * 12}x', tests: [a]}}]}}", "test.targets.0.source"),
    "glob upwards": ("test: {targets: [{source: '../**', tests: [a]}]}", "test.targets.0.source"),
    "deep": ("[" * 3000, "YAML"),
    "aliases": ("a: &a [x]\nb: *a", "YAML"),
    "object": ("!!python/object:os.system {}", "YAML"),
    "number": (f"test: {{timeout: {'9' * 5000}}}", "read"),
    "date": ("a: 2001-99-99", "read"),
    "large": ("#" * (MAX_BYTES + 1), "longer"),
    "no mapping": ("- 1", ".miyabi.yaml"),
}


class Nothing:
    """Implements `BaseFiles`: an empty commit."""

    committed = datetime(2026, 1, 1, tzinfo=UTC)

    def paths(self):
        return ()

    def read(self, path):
        return None


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_wrong_is_named(name):
    """One error, with the field in it."""
    text, said = REFUSED[name]
    with pytest.raises(ConfigError, match=said.replace(".", r"\.")):
        parse(text, where=".miyabi.yaml")


@pytest.mark.parametrize(
    ("cwd", "there"),
    [
        (".", True), ("./", True), ("back", True), ("./back/", True), ("back/my tests", True), ("gone", False), ("bac", False),
        ("back/test_a.py", False), ("back/gone", False),
    ],
)  # fmt: skip
def test_a_folder_that_base_does_not_have_is_named(cwd, there):
    """Before anything is built; a file is no folder, nor is the beginning of a name."""
    base = Overlaid(Nothing(), {"back/test_a.py": b"", "back/my tests/test_b.py": b""})
    if there:
        refuse_missing_folder(base, parse(f"test: {{cwd: '{cwd}'}}", where="x"))
        return
    with pytest.raises(ConfigError, match=r"test\.cwd: .*no folder"):
        refuse_missing_folder(base, parse(f"test: {{cwd: '{cwd}'}}", where="x"))


@given(st.text(max_size=300))
def test_any_text_is_read_or_refused(text):
    """Nothing but a configuration or a ConfigError comes out."""
    with contextlib.suppress(ConfigError):
        parse(text, where="x")


def test_own_file_wins_over_the_operators(tmp_path):
    """The operator's file is read where the repository has none; neither is needed."""
    (tmp_path / "acme").mkdir()
    (tmp_path / "acme/toy.yaml").write_text("test: {timeout: 7}")
    found = load(b"test: {timeout: 5}", "acme/toy", operator_dir=tmp_path)
    assert found is not None
    assert found.test.timeout == 5
    found = load(None, "acme/toy", operator_dir=tmp_path)
    assert found is not None
    assert found.test.timeout == 7
    assert load(None, "acme/other", operator_dir=tmp_path) is None


@pytest.mark.parametrize(
    ("pattern", "path", "expected"),
    [
        ("src/**", "src/a/b.py", True),
        ("**/x.py", "x.py", True),
        ("**/x.py", "a/b/x.py", True),
        ("src/*.py", "src/a/b.py", False),
        ("a/**/b", "a/b", True),
        ("a?c", "abc", True),
        ("a?c", "a/c", False),
        ("**/**/b", "b", True),
        ("*a*a*a*a*b", "a" * 5000, False),
        ("**/" * 8 + "x", "/".join("a" * 60), False),
    ],
)
def test_globs(pattern, path, *, expected):
    """`**` crosses folders, `*` and `?` do not, and no pattern takes long."""
    assert expected == matches(pattern, path)


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("tests/x.py", True), ("a/test_x.py", True), ("a/x.test.ts", True), ("a/x.spec.ts", True), ("tests.rs", True),
        ("a/x_spec.rb", True), ("testing/x.py", True), ("a/contest.py", False), ("a/testing.py", False),
    ],
)  # fmt: skip
def test_usual_names_of_tests(path, *, expected):
    """Folders and names that any ecosystem uses."""
    assert expected == is_test(path)


def test_configured_neighbourhood():
    """Targets of the rules that fit, each once, for sources only."""
    config = parse(
        "test: {targets: [{source: 'a/**', tests: [t.one, t.two]}, {source: '**', tests: [t.two]}]}", where="x"
    )
    assert configured(["a/b.py", "tests/test_x.py"], config) == ["t.one", "t.two"]
    assert configured(["tests/test_x.py"], config) == []
