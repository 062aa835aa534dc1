"""What a person reads of issues that are the same as others, or that wait for others with the same files."""

from __future__ import annotations

import io

import pytest
from rich.console import Console
from scripted_coordinator import BATCH, ScriptedCoordinator, story
from test_commands import run_against

from miyabi.coordinator.v1.batch_pb2 import IssueRun, SharedFiles
from miyabi.coordinator.v1.event_pb2 import BatchEvent, RunOrdered
from miyabi.coordinator.v1.state_pb2 import FailureReason, RunState
from miyabi_cli.showing.evidence_view import Attention
from miyabi_cli.showing.run_view import show_run

REASON = FailureReason.FAILURE_REASON_DUPLICATE


def printed(show):
    """Return what is printed on a console that is wide enough."""
    console = Console(file=io.StringIO(), width=200)
    show(console)
    return console.file.getvalue()


def test_a_watcher_reads_which_issues_are_duplicates_and_which_wait():
    """Beside any view it is said which issue stands behind which, and who waits for whom and why."""
    accepted = BatchEvent(batch=BATCH)
    accepted.batch_accepted.issues.add(number=7)
    accepted.batch_accepted.issues.add(number=9, duplicate_of=7)
    message = "Waits for #7: both touch src/cart.py."
    waits = BatchEvent(batch=BATCH, issue_number=8, run_ordered=RunOrdered(message=message))

    def show(console):
        for event in (accepted, waits):
            Attention(console).note(event)

    assert printed(show).splitlines() == ["#9 asks for the same as #7, which is worked on", f"#8 {message}"]


@pytest.mark.parametrize(
    ("run", "line"),
    [
        (IssueRun(duplicate_of=7), "duplicate: asks for the same as #7, which is worked on"),
        (
            IssueRun(shares=[SharedFiles(issue_number=7, files=["a.py", "b.py"])]),
            "waits: for #7: both touch a.py, b.py",
        ),
        (IssueRun(base_branch="miyabi/issue-7", base_sha="f" * 40), "starts from: miyabi/issue-7 ffffffffffff"),
    ],
    ids=["duplicate", "waits", "goes on"],
)
def test_a_run_says_what_it_has_to_do_with_others(run, line):
    """`miyabi show` says it of one issue."""
    run.state = RunState.RUN_STATE_RUNNING
    assert line in [entry.strip() for entry in printed(lambda console: show_run(console, run)).splitlines()]


@pytest.mark.parametrize(("reason", "code"), [(REASON, 0), (FailureReason.FAILURE_REASON_PREREQUISITE, 1)])
async def test_a_duplicate_is_no_failure_of_a_batch(reason, code):
    """The exit code is that of the issues that are worked on; another skipped issue still is a failure."""
    events = story(state=RunState.RUN_STATE_SKIPPED)
    for result in (events[2].issue_finished, *events[3].batch_finished.results):
        result.failure_reason = reason
    found, _, errors = await run_against(ScriptedCoordinator(events), "submit", "a/b", "--issues", "7")
    assert found == code, errors


@pytest.mark.parametrize(("options", "off"), [((), False), (("--no-grouping",), True)], ids=["default", "off"])
async def test_grouping_is_on_unless_it_is_switched_off(options, off):
    """The request says it only where it was asked for."""
    servicer = ScriptedCoordinator(story())
    await run_against(servicer, "submit", "a/b", "--issues", "7", *options)
    assert [request.no_grouping for request in servicer.submitted] == [off]
