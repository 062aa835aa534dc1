"""The review of a pull request: its own change, one comment, and words that say what was not looked at and why."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from miyabi.coordinator.v1.result_pb2 import ReviewResult
from miyabi.coordinator.v1.state_pb2 import FailureReason, Pipeline
from miyabi_agents.agents.reviewer import ReviewerAgent
from miyabi_agents.errors import AgentError
from miyabi_sim.model.scenarios import Scenario

WHO = ("-c", "user.name=t", "-c", "user.email=t@example.com")


def git(folder: Path, *arguments: str) -> str:
    """Run git."""
    done = subprocess.run(["git", *WHO, *arguments], cwd=folder, check=True, capture_output=True, text=True)
    return done.stdout.strip()


def open_pull(workshop: Any, edit: Callable[[Path], object]) -> None:
    """Make a pull request of a fork, and let base move on after it."""
    remote = workshop.folder / "remote/acme/toy.git"
    git(remote, "checkout", "-q", "-b", "fork")
    edit(remote)
    git(remote, "add", "-A")
    git(remote, "commit", "-q", "--allow-empty", "-m", "change")
    workshop.gateway.pull_request.head_sha = git(remote, "rev-parse", "HEAD")
    git(remote, "update-ref", "refs/pull/7/head", "HEAD")
    git(remote, "checkout", "-q", "main")
    git(remote, "branch", "-q", "-D", "fork")
    (remote / "toy/words.py").write_text("def shout(text):\n    return eval(text)\n")
    git(remote, "commit", "-q", "-a", "-m", "moved on")
    workshop.gateway.pull_request.base_sha = git(remote, "rev-parse", "HEAD")


async def review(workshop: Any, **inputs: Any) -> ReviewResult:
    """Review it."""
    given = {"pipeline": Pipeline.PIPELINE_REVIEW, **inputs}
    return (await workshop.run(ReviewerAgent(), inputs=given, with_model=False)).review


def mixed(path: Path) -> None:
    """Edit with a defect, delete, rename, change a mode, and add what is binary."""
    (path / "toy/numbers.py").write_text("import os\n\n\ndef double(value):\n    return value * 2\n")
    (path / "docs/changes.md").unlink()
    (path / "tests/test_numbers.py").rename(path / "tests/test_double.py")
    (path / "logo.png").write_bytes(b"\x89PNG\0\0")


async def test_the_change_is_the_pull_request_s_own(workshop: Any) -> None:
    """What base got meanwhile is no part of it, what is deleted is, and the comment says all of it, once."""
    open_pull(workshop, mixed)
    result = await review(workshop)
    assert {(entry.path, entry.rule) for entry in result.findings} == {("toy/numbers.py", "F401")}
    assert sorted(result.left_out) == [
        "docs/changes.md: deleted, so that nothing of it is left to look at",
        "logo.png: binary",
        "tests/test_double.py: changed in name or mode only",
    ]
    assert (result.files, result.score, result.passed, result.incomplete) == (4, 80, True, False)
    assert (result.compared_sha, result.head_sha) == (workshop.base_sha, workshop.gateway.pull_request.head_sha)
    assert result.comment_url == "https://example.test/7#review"
    first = dict(workshop.gateway.comments)
    await review(workshop)
    assert first == workshop.gateway.comments
    (text,) = first.values()
    for words in ("**Review:** 80 of 100", "F401", "logo.png", "4 files of"):
        assert words in text


async def test_a_dry_run_writes_no_comment(workshop: Any) -> None:
    """It measures all the same."""
    open_pull(workshop, mixed)
    result = await review(workshop, dry_run=True)
    assert (result.score, result.comment_url, workshop.gateway.comments) == (80, "", {})


async def test_a_locked_conversation_loses_no_review(workshop: Any) -> None:
    """What was measured is kept, and says that nobody was told on the pull request, and why."""
    open_pull(workshop, mixed)
    workshop.gateway.is_locked = True
    result = await review(workshop)
    assert (result.score, result.comment_url) == (80, "")
    assert "the conversation is locked" in result.left_out[0]


#: Changes that hold nothing to read, with what is said of each.
UNREADABLE: dict[str, tuple[Callable[[Path], object], str]] = {
    "deletion": (lambda path: (path / "toy/numbers.py").unlink(), "toy/numbers.py: deleted"),
    "mode": (lambda path: (path / "toy/numbers.py").chmod(0o755), "toy/numbers.py: changed in name or mode only"),
    "binary": (lambda path: (path / "a.png").write_bytes(b"\0"), "a.png: binary"),
}


@pytest.mark.parametrize("name", UNREADABLE)
async def test_what_no_analyser_read_has_no_score(workshop: Any, name: str) -> None:
    """It is said that the change was not analysed, and why; it is neither incomplete nor a hundred points."""
    edit, said = UNREADABLE[name]
    open_pull(workshop, edit)
    result = await review(workshop)
    assert (result.not_analysed, result.incomplete, result.passed, result.files) == (True, False, True, 1)
    assert said in result.left_out[0]
    assert "not analysed, so there is no score" in workshop.gateway.comments["review"]
    assert "of 100" not in workshop.gateway.comments["review"]


async def test_code_that_nobody_reads_is_incomplete_with_cause_and_remedy(workshop: Any) -> None:
    """The reason names the file and what a person can do, and the comment says so too."""
    open_pull(workshop, lambda path: (path / "Main.java").write_text("class Main {}\n"))
    result = await review(workshop)
    cause, remedy = "no analyser has a verdict on Main.java", "Have a person review these files."
    assert (result.incomplete, result.verdict_reason) == (True, f"coverage of the change: {cause}. {remedy}")
    assert "**Review:** incomplete" in workshop.gateway.comments["review"]
    assert remedy in workshop.gateway.comments["review"]


async def test_a_name_of_any_bytes_is_reviewed(workshop: Any) -> None:
    """Defects are found in files whose names no program is shown; readers see them spelled out."""

    def edit(path: Path) -> None:
        for name in ("caf\udce9.py", "-c.py", "雅 び.py"):
            (path / name).write_text("def f(x):\n    return eval(x)\n")

    open_pull(workshop, edit)
    result = await review(workshop)
    found = {entry.path for entry in result.findings if entry.rule == "B307"}
    assert found == {"caf\\udce9.py", "-c.py", "雅 び.py"}
    assert not result.incomplete


async def test_a_pull_request_without_a_change_says_what_to_do(workshop: Any) -> None:
    """An empty commit changes nothing."""
    open_pull(workshop, lambda path: path)
    with pytest.raises(AgentError, match="Push a change to it, or close it") as caught:
        await review(workshop)
    assert caught.value.reason == FailureReason.FAILURE_REASON_NO_CHANGE


@pytest.mark.slow("detect-secrets reads more than a megabyte")
@pytest.mark.timeout(240)
async def test_a_huge_change_is_looked_at_to_its_last_file(workshop: Any) -> None:
    """Of more than a megabyte no line is cut away: the one defect stands at its end."""

    def edit(path: Path) -> None:
        filler = "// word word, another = 3 and more\n" * 1500
        for number in range(22):
            (path / f"m{number:02}.go").write_text(f"package m\n\n{filler}")
        last = "module.exports = (x) => eval(x)\n"
        (path / "z.js").write_text(filler + last)

    open_pull(workshop, edit)
    result = await review(workshop)
    assert [(entry.path, entry.line, entry.rule) for entry in result.findings] == [("z.js", 1501, "eval-javascript")]
    assert (result.files, result.incomplete) == (23, False)


async def test_findings_stand_beside_their_lines_once(workshop: Any) -> None:
    """Each line with findings has one comment on the head that was looked at; a repeat has the same body and none more."""

    def edit(path: Path) -> None:
        (path / "toy/numbers.py").write_text(
            "import os\n\n\ndef double(value):\n    return eval(value)  # noqa: B307\n"
        )
        (path / "ruff.toml").write_text("")

    open_pull(workshop, edit)
    result = await review(workshop)
    sent = workshop.gateway.reviews["review"]
    assert (sent.number, sent.commit_sha) == (7, workshop.gateway.pull_request.head_sha)
    assert [(entry.path, entry.line) for entry in sent.comments] == [("toy/numbers.py", 5), ("toy/numbers.py", 1)]
    assert "`bandit B307` (-40)" in sent.comments[0].body
    assert "`ruff F401` (-20)" in sent.comments[1].body
    assert any(entry.path == "ruff.toml" and not entry.line for entry in result.findings)


async def test_what_a_model_quotes_of_the_change_counts(workshop: Any) -> None:
    """A whole changed line takes points; a line of base, a part of one, another file's or nothing is dropped and counted."""

    def concern(path: str, quote: str, *, serious: bool = True) -> dict[str, Any]:
        return {"path": path, "quote": quote, "words": "it may be wrong", "serious": serious}

    open_pull(
        workshop,
        lambda path: (path / "toy/numbers.py").write_text(
            "def double(value):\n    return value + 2\n\n\nLIMIT = 3\nMOST = 4\n"
        ),
    )
    concerns = [
        concern("toy/numbers.py", "LIMIT = 3"), concern("toy/numbers.py", "  MOST = 4 ", serious=False),
        concern("toy/numbers.py", "return value + 2"), concern("toy/numbers.py", "LIMIT"), concern("toy/numbers.py", ""),
        concern("toy/words.py", "LIMIT = 3"), concern("no/such.py", "LIMIT = 3"),
    ]  # fmt: skip
    said = {"summary": "Two things.", "findings": ["naming"], "concerns": concerns}
    scenario = Scenario(name="r", tool="record_review", turns=[[{"tool": "record_review", "input": said}]])
    inputs = {"pipeline": Pipeline.PIPELINE_REVIEW}
    result = (await workshop.run(ReviewerAgent(), scenario, inputs=inputs)).review
    assert [(entry.analyser, entry.path, entry.line, entry.penalty) for entry in result.findings] == [
        ("model", "toy/numbers.py", 5, 10), ("model", "toy/numbers.py", 6, 2)
    ]  # fmt: skip
    model = next(run for run in result.analysers if run.analyser == "model")
    assert (result.score, list(model.notes)) == (88, ["5 concerns quote no line of the change, and were dropped"])
    assert [entry.line for entry in workshop.gateway.reviews["review"].comments] == [5, 6]


async def test_findings_are_kept_as_sarif(workshop: Any) -> None:
    """Among the texts of the run, once: the findings of each analyser with their places, and how each ended."""
    open_pull(workshop, mixed)
    result = await review(workshop)
    (text,) = [one.text.text for one in workshop.sent if one.text.step == "review.sarif"]
    log = json.loads(text)
    runs = {run["tool"]["driver"]["name"]: run for run in log["runs"]}
    assert (log["version"], log["properties"]["score"]) == ("2.1.0", result.score)
    (one,) = runs["ruff"]["results"]
    place = {"artifactLocation": {"uri": "toy/numbers.py"}, "region": {"startLine": 1}}
    assert (one["ruleId"], one["level"], one["locations"]) == ("F401", "error", [{"physicalLocation": place}])
    assert {run["invocations"][0]["executionSuccessful"] for run in runs.values()} == {True}
