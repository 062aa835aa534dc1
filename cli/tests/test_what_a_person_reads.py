"""What a person reads of a batch: addresses that can be clicked, bars, notes and cuts that say what they are, causes whole."""

from __future__ import annotations

import asyncio
import fcntl
import io
import os
import pty
import re
import struct
import sys
import termios

import pytest
from rich.console import Console
from scripted_coordinator import BATCH, NAME, ScriptedCoordinator, story
from test_commands import run_against

from miyabi.coordinator.v1 import coordinator_service_pb2 as pb
from miyabi.coordinator.v1 import result_pb2
from miyabi.coordinator.v1.batch_pb2 import IssueRun, Task
from miyabi.coordinator.v1.coordinator_service_pb2_grpc import add_CoordinatorServiceServicer_to_server
from miyabi.coordinator.v1.event_pb2 import BatchEvent, StepChanged, TasksAdded, TaskStateChanged
from miyabi.coordinator.v1.result_pb2 import IssueResult
from miyabi.coordinator.v1.state_pb2 import FailureReason, RunState, TaskState
from miyabi_cli.showing.results import show_results
from miyabi_cli.showing.run_view import show_run
from miyabi_cli.showing.views import TerminalView
from miyabi_cli.terminal import shown
from miyabi_core.testing import running_server
from miyabi_core.text import Untrusted

ADDRESS = "https://github.example.com/an-owner-with-a-long-name/a-repository-with-a-long-name/pull/12345"
CAUSE = "The tests do not prove the change: coverage is 71 %, and 80 % is asked for. Add tests for src/a.py."
COLOUR = re.compile(r"\x1b\[[0-9;]*(?:[349][0-7]|[34]8;)[0-9;]*m")


def console_of(width: int, *, terminal: bool = False, encoding: str = "utf-8") -> tuple[Console, io.BytesIO]:
    """Return a console of a width, and what is written to it."""
    raw = io.BytesIO()
    file = io.TextIOWrapper(raw, encoding=encoding, write_through=True)
    return Console(file=file, width=width, force_terminal=terminal, color_system=None, legacy_windows=False), raw


def result(*, good: bool) -> IssueResult:
    """Return the result of an issue."""
    if good:
        return IssueResult(
            issue_number=7, state=RunState.RUN_STATE_SUCCEEDED, labels=["型:バグ"], pull_request_url=ADDRESS
        )
    return IssueResult(
        issue_number=8, state=RunState.RUN_STATE_FAILED, failure_reason=FailureReason.FAILURE_REASON_TESTS_FAILED,
        failure_message=CAUSE * 5, files=[f"src/f{number}.py" for number in range(30)], review_score=-1, reviewed=True,
    )  # fmt: skip


@pytest.mark.parametrize("width", [40, 60, 80, 119, 120, 200])
def test_an_address_and_a_cause_are_never_broken(width: int) -> None:
    """At any width each stands in one line as it is; the terminal may wrap it, and copies it whole."""
    console, raw = console_of(width)
    show_results(console, [result(good=True), result(good=False)])
    lines = raw.getvalue().decode().splitlines()
    assert [line.partition(" ")[2].strip() for line in lines if ADDRESS in line] == [ADDRESS]
    assert [line.endswith(CAUSE * 5) for line in lines if "tests failed: The" in line] == [True]
    text = "\n".join(lines)
    for words in ("型:バグ", "and 20 more", "#12345", "none"):
        assert words in text


def test_a_review_without_a_score_is_no_review_that_was_not_run() -> None:
    """An incomplete review was run: it has no score, and that is another word."""
    cells = []
    for reviewed in (True, False):
        console, raw = console_of(60)
        show_results(console, [IssueResult(issue_number=7, review_score=-1, reviewed=reviewed)])
        cells.append(next(line for line in raw.getvalue().decode().splitlines() if "score" in line))
    assert cells == ["  score: none", "  score: not run"]


@pytest.mark.parametrize(("encoding", "full", "empty"), [("utf-8", "█", "░"), ("ascii", "#", ".")])
@pytest.mark.parametrize(("width", "cells"), [(80, 12), (200, 24)])
def test_a_bar_at_nothing_looks_empty(encoding: str, full: str, empty: str, width: int, cells: int) -> None:
    """The form of its cells tells, not their colour."""
    console, raw = console_of(width, terminal=True, encoding=encoding)
    events = story()
    with TerminalView(console) as view:
        view.show(events[0])
        view._progress.refresh()
        before = raw.getvalue().decode(encoding)
        view.show(events[2])
    assert f"#7 {empty * cells} 0/1" in before
    assert full not in before.replace("#7", "")
    assert f"#7 {full * cells} 1/1" in raw.getvalue().decode(encoding)


def test_a_bar_counts_each_step_once_and_is_full_only_at_the_end() -> None:
    """A step that comes while another ends is not done; planning adds to the steps that are there; a repeat undoes."""
    console, raw = console_of(200, terminal=True)

    def moved(step: str, state: TaskState.ValueType) -> BatchEvent:
        return BatchEvent(
            batch=BATCH, issue_number=7, task_id=step, task_state_changed=TaskStateChanged(to_state=state)
        )

    planned = TasksAdded(tasks=[Task(name=f"{BATCH}/runs/7/tasks/{step}") for step in ("implement", "verify")])
    done, ready, failed = TaskState.TASK_STATE_SUCCEEDED, TaskState.TASK_STATE_READY, TaskState.TASK_STATE_FAILED
    counts = []
    with TerminalView(console) as view:
        for event in (
            story()[0], moved("triage", done), moved("plan", ready),
            BatchEvent(batch=BATCH, issue_number=7, tasks_added=planned), moved("plan", done),
            moved("implement", failed), moved("implement", ready),
        ):  # fmt: skip
            raw.truncate(0)
            view.show(event)
            view._progress.refresh()
            counts.append(re.findall(r"\d/\d", raw.getvalue().decode())[-1])
    assert counts == ["0/1", "1/1", "1/2", "1/4", "2/4", "3/4", "2/4"]


def test_a_row_names_the_task_and_how_it_stands() -> None:
    """A step that is passing names its task by its id alone; a task that ended does not stay as it was."""
    console, raw = console_of(100, terminal=True)
    moved = TaskStateChanged(to_state=TaskState.TASK_STATE_SUCCEEDED)
    shown_rows = []
    with TerminalView(console) as view:
        for event in (
            story()[0],
            BatchEvent(batch=BATCH, issue_number=7, task_id="verify-2", step_changed=StepChanged(step="running tests")),
            BatchEvent(batch=BATCH, issue_number=7, task_id="plan", task_kind=2, task_state_changed=moved),
        ):
            raw.truncate(0)
            view.show(event)
            view._progress.refresh()
            shown_rows.append(raw.getvalue().decode())
    assert ["verify: running tests" in shown_rows[1], "plan succeeded" in shown_rows[2]] == [True, True]
    assert "unspecified" not in "".join(shown_rows)


def test_a_cut_in_a_line_is_marked() -> None:
    """What does not fit ends with a mark."""
    assert shown(Untrusted("x" * 100), most=60).plain == "x" * 59 + "…"
    assert shown(Untrusted("x" * 60), most=60).plain == "x" * 60


REVIEW = result_pb2.ReviewResult(
    incomplete=True, verdict_reason="mypy ended with status 2, so there is no verdict.\nMend its configuration.", files=3,
    left_out=["data.bin is binary."], remarks="Look at\nthe lock.", compared_sha="a" * 40, head_sha="b" * 40,
    analysers=[
        result_pb2.AnalyserRun(analyser="mypy", version="1.18", error="cannot find module 'x'"),
        result_pb2.AnalyserRun(analyser="ruff", completed=True, penalty=3, notes=["By our rules: the repository has none."]),
        result_pb2.AnalyserRun(analyser="bandit", not_applicable=True),
    ],
    findings=[result_pb2.Finding(path=f"a{number}.py", line=number, rule="F401", message="unused") for number in range(60)],
)  # fmt: skip


def text_of(run: IssueRun) -> str:
    """Return what `miyabi show` prints of a run."""
    console, raw = console_of(100)
    show_run(console, run)
    return raw.getvalue().decode()


def test_a_review_without_a_verdict_says_cause_and_remedy() -> None:
    """Each analyser's end, what none of them looked at, all that was said, and how many findings are not listed."""
    text = text_of(IssueRun(issue_number=7, review=REVIEW))
    for words in (
        "review: incomplete, so there is no verdict", "mypy ended with status 2", "Mend its configuration.",
        "mypy 1.18: no verdict: cannot find module 'x'", "ruff: -3 points", "By our rules", "bandit: nothing to look at",
        "left out: data.bin is binary.", "a0.py:0", "and 10 findings more", "Look at\n      the lock.", "bbbbbbbbbbbb with aaaaaaaaaaaa",
    ):  # fmt: skip
        assert words in text, text
    assert " of 100" not in text


@pytest.mark.parametrize(
    ("review", "words"),
    [
        (
            result_pb2.ReviewResult(not_analysed=True, passed=True),
            "no analyser had anything to read, so there is no score",
        ),
        (result_pb2.ReviewResult(score=40, escalated=True), "40 of 100, not passed; a person has to look"),
        (result_pb2.ReviewResult(score=96, passed=True), "96 of 100, passed"),
    ],
)
def test_how_a_review_ended(review: result_pb2.ReviewResult, words: str) -> None:
    """A score that means nothing is not shown."""
    assert f"review: {words}\n" in text_of(IssueRun(issue_number=7, review=review))


def test_show_names_each_gap_of_what_was_measured() -> None:
    """Blocked tests with why, a gate, missing layers, tests that are not listed, outputs whose begin is gone, steps that failed."""
    blocked = result_pb2.TestVerdict.TEST_VERDICT_BLOCKED
    verification = result_pb2.VerifyResult(
        verdict_reason=f"{CAUSE}\nThe remedy.", blocked=1, comparisons_left_out=3, missing_sandbox_layers=["landlock"],
        comparisons=[result_pb2.TestComparison(test="t::a", after=blocked, reason="\n".join(["needs a socket"] * 20))],
        runs=[result_pb2.TestRunReport(name="change", problem="The coverage gate failed.", output_tail="end", output_cut=True)],
        expectations=[result_pb2.ExpectationForms(test="t::old")],
    )  # fmt: skip
    triage = result_pb2.TriageResult(labels=["a"], notes=["Models do not see comments 2 to 90 of 120."])
    change = result_pb2.ChangeSet(
        files=[result_pb2.FileChange(path=f"f{number}.py", added=True) for number in range(60)]
    )
    text = text_of(
        IssueRun(
            issue_number=7, verification=verification, triage=triage, change_set=change,
            tasks=[Task(name="batches/x/runs/7/tasks/verify-2", failure_message="no room on the disk", failure_reason=1)],
        )
    )  # fmt: skip
    for words in (
        CAUSE, "The remedy.", "blocked after", "needs a socket", "… 8 lines more", "3 tests more are not listed",
        "missing on that machine: landlock", "The coverage gate failed.", "the begin of the output was not kept", "t::old (not declared",
        "Models do not see comments 2 to 90 of 120.", "files: 60", "and 10 files more", "verify-2", "no room on the disk",
    ):  # fmt: skip
        assert words in text, text


class ReviewingCoordinator(ScriptedCoordinator):
    """Knows one run with a review that came to no verdict."""

    async def GetIssueRun(self, request: pb.GetIssueRunRequest, context: object) -> pb.GetIssueRunResponse:  # noqa: N802
        del context
        return pb.GetIssueRunResponse(run=IssueRun(name=request.name, issue_number=7, review=REVIEW))


async def test_the_command_shows_a_review() -> None:
    """Over gRPC, as a person would ask."""
    code, output, errors = await run_against(ReviewingCoordinator(story()), "show", BATCH, "7")
    assert (code, errors, "Mend its configuration." in output) == (0, "", True)


async def on_a_terminal(*arguments: str, target: str, columns: int, **variables: str) -> str:
    """Run the real command on a terminal of its own; returns what it writes there."""
    ours, its = pty.openpty()
    fcntl.ioctl(its, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    kept = {name: value for name, value in os.environ.items() if name not in {"COLUMNS", "NO_COLOR", "CI"}}
    environment = {**kept, "MIYABI_COORDINATOR": target, "TERM": "xterm-256color", **variables}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "miyabi_cli", *arguments, stdin=its, stdout=its, stderr=its, env=environment
    )
    os.close(its)
    written = await asyncio.to_thread(_read_all, ours)
    await process.wait()
    return written


def _read_all(terminal: int) -> str:
    """Read a terminal until nobody writes to it any more."""
    pieces = []
    with open(terminal, "rb", buffering=0) as file:
        try:
            while piece := file.read(4096):
                pieces.append(piece)
        except OSError:
            pass  # Linux ends a terminal without writers so
    return b"".join(pieces).decode()


async def test_no_colour_where_none_is_wanted() -> None:
    """On a real terminal of 60 columns `NO_COLOR` is obeyed; without it there is colour; the address stands in one line."""
    events = story()
    for entry in (events[2].issue_finished, *events[3].batch_finished.results):
        entry.pull_request_url = ADDRESS
    servicer = ScriptedCoordinator(events)
    async with running_server((add_CoordinatorServiceServicer_to_server, servicer, NAME)) as target:
        both = await asyncio.gather(
            on_a_terminal("submit", "a/b", "--issues", "7", target=target, columns=60, NO_COLOR="1"),
            on_a_terminal("submit", "a/b", "--issues", "7", target=target, columns=60),
        )
    assert [COLOUR.search(text) is None for text in both] == [True, False]
    assert [f"  {ADDRESS}\r\n" in text for text in both] == [True, True]


def test_show_says_what_is_to_be_known_of_a_pull_request() -> None:
    """Below its address stand the notes, as they are."""
    pull = result_pb2.PullRequestResult(url="https://example.test/9", notes=["Issue #7 has another one [bold], #3."])
    text = text_of(IssueRun(issue_number=7, pull_request=pull))
    assert "pull request: https://example.test/9\n" in text
    assert "note: Issue #7 has another one [bold], #3.\n" in text


def test_show_names_changed_lines_that_no_test_executes() -> None:
    """The sum with what measured it, each file with lines or the reason; nothing where nothing was measured."""
    files = [
        result_pb2.FileCoverage(path="a.py", executable=40, covered=5, missed=range(1, 36)),
        result_pb2.FileCoverage(path="b.ts", not_measured="transformed"),
    ]
    sums = result_pb2.ChangeCoverage(files=files, executable=40, covered=5, measure="a tracer", files_left_out=2)
    text = text_of(IssueRun(issue_number=7, verification=result_pb2.VerifyResult(passed=True, coverage=sums)))
    for words in (
        "changed lines executed by tests: 5 of 40, by a tracer", "a.py: 5 of 40, not 1, 2,", "and 15 more",
        "b.ts: not measured: transformed", "and 2 files more",
    ):  # fmt: skip
        assert words in text, text
    assert "executed by tests" not in text_of(IssueRun(issue_number=7, verification=result_pb2.VerifyResult()))


def test_a_run_says_who_works_on_it_now() -> None:
    """The step, its attempt, the agent and since when; steps that wait or have ended say nothing."""
    name = f"{BATCH}/runs/7/tasks/"
    leased = Task(name=f"{name}implement-2", state=TaskState.TASK_STATE_LEASED, attempt=2, agent="local-1")
    leased.start_time.FromJsonString("2026-01-02T03:04:05.678Z")
    run = IssueRun(tasks=[Task(name=f"{name}plan", state=TaskState.TASK_STATE_SUCCEEDED, agent="local-1"), leased])
    assert [line for line in text_of(run).splitlines() if "local-1" in line] == [
        "  now: implement-2, attempt 2, by local-1 since 2026-01-02 03:04:05 UTC"
    ]
