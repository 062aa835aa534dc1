"""Real analysers on planted defects, and the score by the table."""

from __future__ import annotations

from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from miyabi.coordinator.v1.result_pb2 import AnalyserRun
from miyabi_agents.analysers.base import CRITICAL, HIGH, LOW, AnalyserError, RawFinding, Subject
from miyabi_agents.analysers.python_tools import ALL
from miyabi_agents.analysers.score import changed_lines, on_changed_lines, score
from miyabi_agents.analysers.suite import run_all
from miyabi_agents.labels import change_labels, label_of, recognise


class Silent:
    """Progress that nobody watches."""

    @asynccontextmanager
    async def invocation(self, tool: str, *, detail: str = "") -> Any:
        yield self

    def failed(self, error: str) -> None:
        """Hear nothing."""


def subject(tmp_path: Path, code: str, base: str = "") -> Subject:
    """Write one file in a change's and a base's checkout."""
    for name, text in (("change", code), ("base", base)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "mod.py").write_text(text)
    return Subject(tmp_path / "change", tmp_path / "base", ("mod.py",))


#: Defects by the file that they are planted in, with who finds each, as what, and for how many points.
PLANTED = {
    "unused.py": ("import os\n", "ruff", "F401", 20),
    "shared.py": ("def f(x=[]):\n    return x\n", "ruff", "B006", 10),
    "typed.py": ("x: int = 'a'\n", "mypy", "assignment", 30),
    "evaluates.py": ("def f(x):\n    return eval(x)\n", "bandit", "B307", 40),
    "asserts.py": ("assert 1\n", "bandit", "B101", 2),
    "key.py": ("key = 'AKIA" + "Q3EGRI" + "JSXPLUOMTW'\n", "detect-secrets", "aws-access-key", 40),
}


async def test_planted_defects_are_found(tmp_path: Path) -> None:
    """Each analyser finds what is its own, in the file where it is, with the points of the table."""
    for folder in ("change", "base"):
        (tmp_path / folder).mkdir()
    for name, (code, *_) in PLANTED.items():
        (tmp_path / "change" / name).write_text(code)
    planted = Subject(tmp_path / "change", tmp_path / "base", tuple(sorted(PLANTED)))
    found, runs = await run_all(ALL, planted, Silent())  # type: ignore[arg-type]
    assert all(run.completed for run in runs), runs
    expected = {(path, *rest) for path, (_, *rest) in PLANTED.items()}
    assert expected <= {(entry.path, name, entry.rule, entry.points) for name, entry in found}


async def test_type_error_of_base_is_not_the_changes(tmp_path: Path) -> None:
    """Only type errors count that base does not have."""
    code = "x: int = 'a'\n"
    found, _ = await run_all(ALL, subject(tmp_path, code, base=f"# moved\n{code}"), Silent())  # type: ignore[arg-type]
    assert [entry for name, entry in found if name == "mypy"] == []


async def test_code_of_the_repository_is_not_run(tmp_path: Path) -> None:
    """A module that shadows the standard library is not imported by an analyser."""
    chosen = subject(tmp_path, "x = 1\n")
    for name in ("json.py", "ast.py", "sitecustomize.py", "mypy.py"):
        (chosen.root / name).write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\n")
    _, runs = await run_all(ALL, chosen, Silent())  # type: ignore[arg-type]
    assert all(run.completed for run in runs), runs
    assert not (tmp_path / "ran").exists()


class Crashing:
    """An analyser that has no verdict."""

    name = "crashing"

    def applies(self, subject: Subject) -> bool:
        return True

    async def version(self) -> str:
        return "1"

    async def analyse(self, subject: Subject) -> list[RawFinding]:
        raise AnalyserError("it ended with 2")


async def test_crash_makes_the_review_incomplete(tmp_path: Path) -> None:
    """A tool without a verdict is never a pass."""
    found, runs = await run_all([Crashing()], subject(tmp_path, "x = 1\n"), Silent())  # type: ignore[arg-type]
    result = score(found, runs)
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


def test_only_changed_lines_count() -> None:
    """Findings on lines that the change did not touch are not its own."""
    diff = "--- a/p\n+++ b/p\n@@ -1,3 +1,4 @@\n one\n+two\n three\n-four\n+five\n"
    lines = changed_lines(diff)
    assert {"p": {2, 4}} == lines
    findings = [RawFinding("r", "p", line, HIGH, 20, "m") for line in (1, 2, 3, 4)]
    assert [entry.line for entry in on_changed_lines(findings, lines)] == [2, 4]


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
