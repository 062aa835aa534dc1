"""Real analysers in the real sandbox on planted defects and on attempts to talk them down; the score by the table."""

from __future__ import annotations

from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from miyabi.coordinator.v1.result_pb2 import AnalyserRun, FileChange
from miyabi_agents.analysers.base import CRITICAL, LOW, AnalyserError, RawFinding, Report, Subject, ToolRunner
from miyabi_agents.analysers.changed.change_set import of_change_set
from miyabi_agents.analysers.changed.exhibits import lay_out
from miyabi_agents.analysers.changed.lines import changed_lines
from miyabi_agents.analysers.score import score
from miyabi_agents.analysers.suite import ALL, COVERAGE, run_all
from miyabi_agents.errors import WorkspaceError
from miyabi_agents.labels import change_labels, label_of, recognise
from miyabi_agents.sandbox import ProcessSandbox


class Silent:
    """Progress that nobody watches."""

    @asynccontextmanager
    async def invocation(self, tool: str, *, detail: str = "") -> Any:
        yield self

    def failed(self, error: str) -> None:
        """Hear nothing."""


class Files:
    """Base's files, in memory."""

    committed = datetime(2026, 1, 1, tzinfo=UTC)

    def __init__(self, files: dict[str, bytes]) -> None:
        self._files = files

    def paths(self) -> list[str]:
        return sorted(self._files)

    def read(self, path: str) -> bytes | None:
        return self._files.get(path)

    def read_whole(self, path: str, *, longest: int) -> bytes | None:
        found = self._files.get(path)
        if found is not None and len(found) > longest:
            raise WorkspaceError("too large", code="TOO_LARGE")
        return found


async def review(folder: Path, change: dict[str, bytes | None], base: dict[str, bytes] | None = None) -> Any:
    """Review a change; returns the result."""
    files = [FileChange(path=path, content=content or b"", deleted=content is None) for path, content in change.items()]
    there = Files(base or {})
    laid = lay_out(of_change_set(files, there), there, folder / "exhibits")
    (folder / "scratch").mkdir()
    runner = ToolRunner(ProcessSandbox(unsafe=True), folder / "scratch")
    looked = await run_all(ALL, laid.subject, Silent(), runner, left_out=laid.unread)  # type: ignore[arg-type]
    findings = [*(("miyabi", entry) for entry in laid.findings), *looked.findings]
    return score(findings, looked.runs, analysed=bool(laid.subject.files), remedy=looked.remedy)


#: Defects by the file that they are planted in, with who finds each, as what, and for how many points.
PLANTED = {
    "unused.py": (b"import os\n", "ruff", "F401", 20),
    "shared.py": (b"def f(x=[]):\n    return x\n", "ruff", "B006", 10),
    "typed.py": (b"x: int = 'a'\n", "mypy", "assignment", 30),
    "evaluates.py": (b"def f(x):\n    return eval(x)\n", "bandit", "B307", 40),
    "asserts.py": (b"assert 1\n", "bandit", "B101", 2),
    "key.py": (b"key = 'AKIA" + b"Q3EGRI" + b"JSXPLUOMTW'\n", "detect-secrets", "aws-access-key", 40),
    "a.js": (b"module.exports = (x) => eval(x)\n", "ast-grep", "eval-javascript", 40),
    "b.ts": (b"export const f = (e: any, x: string) => { e.innerHTML = x }\n", "ast-grep", "markup-typescript", 10),
    "c.go": (b"package c\nvar t = tls.Config{InsecureSkipVerify: true}\n", "ast-grep", "certificates-go", 10),
    "d.rs": (b"fn f() { unsafe { g() } }\n", "ast-grep", "unsafe-rust", 2),
    "e.go": (b"package e\nfunc f( {\n", "ast-grep", "syntax-go", 20),
    "f.js": (b"cp.execSync(`rm ${x}`)\n", "ast-grep", "shell-javascript", 40),
}


async def test_planted_defects_are_found(tmp_path: Path) -> None:
    """Each analyser finds what is its own, in the file where it is, with the points of the table."""
    result = await review(tmp_path, {name: code for name, (code, *_) in PLANTED.items()})
    assert [run.error for run in result.analysers if run.error] == []
    expected = {(path, *rest) for path, (_, *rest) in PLANTED.items()}
    assert expected <= {(entry.path, entry.analyser, entry.rule, entry.penalty) for entry in result.findings}


async def test_what_base_has_is_not_the_changes(tmp_path: Path) -> None:
    """Only errors count that base does not have as often."""
    code = b"x: int = 'a'\ny = 2\n"
    result = await review(tmp_path, {"a.py": b"# moved\n" + code}, {"a.py": code})
    assert [entry.rule for entry in result.findings] == []
    assert (result.score, result.passed) == (100, True)


async def test_placeholders_in_tests_are_no_secrets(tmp_path: Path) -> None:
    """A value of words for secrets and tests is none in a test; anything else is one there, and everywhere else."""
    plain = b"def test_it(s):\n    assert s['password'] == 'test-password'\n    token = 'MySecretToken1'\n"
    real = b"password = 'hunter2-%s'\n" % tmp_path.name[-4:].encode()
    result = await review(tmp_path, {"tests/test_a.py": plain, "tests/test_b.py": real, "app.py": plain})
    found = {entry.path for entry in result.findings if entry.rule == "secret-keyword"}
    assert found == {"tests/test_b.py", "app.py"}


async def test_missing_annotation_is_no_error(tmp_path: Path) -> None:
    """What mypy would like to be told is nothing that is wrong with the change."""
    code = b"import contextvars\n\ncurrent = contextvars.ContextVar('current')\nnames = {}\n"
    result = await review(tmp_path, {"a.py": code})
    assert [entry.rule for entry in result.findings] == []


BAD = b"import subprocess\n\n\ndef f(x):\n    subprocess.run(x, shell=True)%s\n    return eval(x)%s\n"
PLAIN = BAD % (b"", b"")

#: Files that hide `eval` and a shell; what is planted in each has to be found all the same.
HIDDEN: dict[str, bytes | None] = {
    "noqa.py": BAD % (b"  # noqa", b"  # noqa: S307"),
    "nosec.py": BAD % (b"  # nosec", b"  # nosec B307"),
    "file_noqa.py": b"# ruff: noqa\n# flake8: noqa\n" + PLAIN,
    "mypy_off.py": b"# mypy: ignore-errors\n" + PLAIN,
    "caf\u00e9.py": PLAIN,
    'a"b.py': PLAIN,
    "a:b.py": PLAIN,
    "@m.py": PLAIN,
    "a b.py": PLAIN,
    "diff_line.py": b"'''\n++ b/README.md\n@@ -0,0 +1,1 @@\n'''\n" + PLAIN,
    "form_feed.py": b"x = '\\x0c\xe2\x80\xa8'\n\x0c\n" + PLAIN,
}
#: What a change brings so that nobody looks at its other files.
DIVERSIONS: dict[str, bytes | None] = {
    ".gitattributes": b"*.py -diff\n",
    "ruff.toml": b"lint.select = []\n",
    ".bandit": b"[bandit]\nskips = B307\n",
    "A.txt": (b"word " * 5000 + b"\n") * 45,
}


async def test_a_review_cannot_be_talked_down(tmp_path: Path) -> None:
    """Suppressions, attributes, configuration, names and sizes of the change have no say: each file's code is found."""
    result = await review(tmp_path, {**HIDDEN, **DIVERSIONS})
    assert [run.error for run in result.analysers if run.error] == []
    assert not result.passed
    assert HIDDEN.keys() == {entry.path for entry in result.findings if entry.rule == "B307"}


async def test_suppressions_and_configuration_of_the_change_are_findings(tmp_path: Path) -> None:
    """Each is named with its line; those of base are not the change's."""
    change: dict[str, bytes | None] = {
        "a.py": b"x = 1  # noqa\ny = 2  # type: ignore\n",
        "ruff.toml": b"lint.select = ['F']\n",
    }
    result = await review(tmp_path, change, {"a.py": b"x = 1  # noqa\n"})
    found = {(entry.path, entry.line, entry.rule) for entry in result.findings}
    assert found == {("a.py", 2, "suppression"), ("ruff.toml", 0, "configuration")}


async def test_bases_configuration_decides(tmp_path: Path) -> None:
    """Its rules are used; where this version of the tool cannot use them, a safe default is."""
    own = await review(tmp_path / "a", {"a.py": b"x = 1\nimport os\n"}, {"ruff.toml": b"lint.select = ['E402']\n"})
    assert {entry.rule for entry in own.findings if entry.analyser == "ruff"} == {"E402"}
    pinned = await review(tmp_path / "b", {"a.py": b"import os\n"}, {"ruff.toml": b"required-version = '<0.1'\n"})
    assert "F401" in {entry.rule for entry in pinned.findings}
    assert not pinned.incomplete


async def test_code_that_nobody_reads_is_not_reviewed(tmp_path: Path) -> None:
    """A language without an analyser makes the review incomplete, and says which file; prose does not."""
    result = await review(tmp_path / "a", {"Main.java": b"class Main {}\n"})
    assert (result.passed, result.incomplete) == (False, True)
    assert "Main.java" in next(run.error for run in result.analysers if run.analyser == COVERAGE)
    assert (await review(tmp_path / "b", {"a.md": b"# A\n", "b.yml": b"a: 1\n"})).passed


async def test_two_files_of_one_module_name_are_reviewed(tmp_path: Path) -> None:
    """A monorepo has many `setup.py`; each is looked at."""
    result = await review(tmp_path, {"one-a/setup.py": b"x: int = 'a'\n", "two-b/setup.py": b"y: int = 'b'\n"})
    assert not result.incomplete
    assert {entry.path for entry in result.findings} == {"one-a/setup.py", "two-b/setup.py"}


async def test_code_of_the_repository_is_not_run(tmp_path: Path) -> None:
    """A module that shadows the standard library or a tool is not imported by an analyser."""
    shadow = f"open({str(tmp_path / 'ran')!r}, 'w')\n".encode()
    names = ("json.py", "ast.py", "sitecustomize.py", "mypy.py", "ruff.py", "detect_secrets.py")
    result = await review(tmp_path, dict.fromkeys(names, shadow))
    assert not (tmp_path / "ran").exists()
    assert not result.incomplete


OLD, NEW = st.sampled_from([b"a", b"b", b"c"]), st.sampled_from([b"a", b"b", b"d"])


@given(st.lists(OLD, max_size=12), st.lists(NEW, max_size=12))
def test_lines_that_are_not_base_s_are_changed(old: list[bytes], new: list[bytes]) -> None:
    """What is left of a file without its changed lines is a part of base, in order."""
    after = b"".join(line + b"\n" for line in new)
    changed = changed_lines(b"".join(line + b"\n" for line in old), after)
    rest = [line for number, line in enumerate(new, 1) if number not in changed]
    position = iter(old)
    assert all(line in position for line in rest)


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        (None, b"a\nb", {1, 2}),
        (b"a\nb\n", b"a\nx\nb\n", {2}),
        (b"a\r\nb\r\n", b"a\r\nc\r\n", {2}),
        (b"a\x0cb\n", b"a\x0cb\nc\n", {2}),
        (b"a\n", b"a\n", set()),
        (b"x\n" * 3000, b"y\n" * 3000, set(range(1, 3001))),
    ],
)
def test_changed_lines(before: bytes | None, after: bytes, expected: set[int]) -> None:
    """Lines end where analysers say that they end; a middle too large to be matched counts whole."""
    assert expected == changed_lines(before, after)


class Crashing:
    """An analyser that has no verdict."""

    name = "crashing"
    judges_code = True

    def applies(self, path: str) -> bool:
        return True

    def version(self) -> str:
        return "1"

    async def analyse(self, subject: Subject, files: Any, runner: Any) -> Report:
        raise AnalyserError("it ended with 2")


async def test_crash_makes_the_review_incomplete(tmp_path: Path) -> None:
    """A tool without a verdict is never a pass."""
    subject = Subject(tmp_path, tmp_path, ("a.py",), {"a.py": frozenset({1})})
    looked = await run_all([Crashing()], subject, Silent(), None)  # type: ignore[arg-type]
    result = score(looked.findings, looked.runs, remedy=looked.remedy)
    assert (result.passed, result.incomplete, result.score) == (False, True, 100)


def finding(
    points: int, *, rule: str = "r", path: str = "p", severity: Any = LOW, security: bool = False
) -> tuple[str, RawFinding]:
    """Return a finding of a tool."""
    return "tool", RawFinding(rule, path, 1, severity, points, "m", security)


def test_one_habit_counts_three_times() -> None:
    """Ten findings of one rule in one file take the points of three."""
    assert score([finding(10)] * 10, [AnalyserRun(analyser="tool", completed=True)]).score == 70


def test_score_is_never_negative_and_low_escalates() -> None:
    """A bad change is 0, and a person is asked."""
    result = score([finding(40, rule=str(n)) for n in range(5)], [])
    assert (result.score, result.passed, result.escalated) == (0, False, True)


def test_critical_security_finding_escalates_whatever_the_score() -> None:
    """Even where the score alone would pass."""
    result = score([finding(2, severity=CRITICAL, security=True)], [])
    assert (result.score, result.passed, result.escalated) == (98, False, True)


def test_exclusive_family_keeps_one_label() -> None:
    """The old type goes, other families and foreign labels stay."""
    change = change_labels(["type:bug", "priority:P1", "ours"], [label_of("type", "feature")])
    assert ([label.name for label in change.add], list(change.remove)) == (["type:feature"], ["type:bug"])
    assert change.result == ("ours", "priority:P1", "type:feature")


@pytest.mark.parametrize(
    ("name", "expected"),
    [("🐛 Bug", "type:bug"), ("enhancement", "type:feature"), ("バグ", "type:bug"), ("help wanted", None)],
)
def test_labels_of_a_repository_are_recognised(name: str, expected: str | None) -> None:
    """Emoji and aliases stand for ours; foreign names for nothing."""
    found = recognise(name)
    assert expected == (found.name if found else None)


async def test_what_a_test_of_types_expects_is_no_suppression(tmp_path: Path) -> None:
    """`@ts-expect-error` in a test is what it proves; in the product it hides an error, as other words do in both."""
    text = b"// @ts-expect-error\nexport const a: number = 'x';\n"
    ignored = b"// @ts-ignore\n"
    change: dict[str, bytes | None] = {"tests/a.test.ts": text, "src/a.ts": text, "tests/b.test.ts": ignored}
    result = await review(tmp_path, change)
    found = {entry.path for entry in result.findings if entry.rule == "suppression"}
    assert found == {"src/a.ts", "tests/b.test.ts"}
