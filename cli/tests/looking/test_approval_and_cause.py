"""What a person is told of an issue that failed or waits: why, the end of what its tests printed, and what to type."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from typing import Any

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration
from rich.console import Console
from scripted_coordinator import BATCH, NAME, ScriptedCoordinator, story
from test_commands import run_against

from miyabi.coordinator.v1 import coordinator_service_pb2 as pb
from miyabi.coordinator.v1 import result_pb2
from miyabi.coordinator.v1.batch_pb2 import IssueRun
from miyabi.coordinator.v1.coordinator_service_pb2_grpc import add_CoordinatorServiceServicer_to_server
from miyabi.coordinator.v1.event_pb2 import BatchEvent, RunStateChanged
from miyabi.coordinator.v1.state_pb2 import FailureReason, RunState
from miyabi_cli.client import coordinator
from miyabi_cli.commands.local.try_ import approve_waiting
from miyabi_cli.settings import CliSettings
from miyabi_cli.showing.evidence_view import telling
from miyabi_cli.showing.views import BatchView, LogView, TerminalView
from miyabi_core.testing import running_server

REASON = "The change edits conftest.py, which decides how tests are run."
VERDICT = "tests/test_a.py::test_b passes on base and fails on the change."
PASSED, FAILED = result_pb2.TEST_VERDICT_PASSED, result_pb2.TEST_VERDICT_FAILED
VERIFICATION = result_pb2.VerifyResult(
    verdict_reason=VERDICT,
    approval_reasons=[REASON],
    notes=["2 tests were not run"],
    comparisons=[
        result_pb2.TestComparison(
            test="tests/test_a.py::test_b", on_base=PASSED, after=FAILED, broken=True, reason="assert 1 == 2"
        ),
        result_pb2.TestComparison(test="tests/test_a.py::test_c", on_base=FAILED, after=PASSED, reason="was red"),
    ],
    environments=[result_pb2.EnvironmentReport(toolchain="python", runner="pytest", origin="uv.lock", project=".")],
    runs=[
        result_pb2.TestRunReport(name="base", complete=True, total=4, command="pytest", output_tail="all is well"),
        result_pb2.TestRunReport(
            name="change", complete=False, exit_code=-11, problem="The run was ended by signal 11 (SIGSEGV).",
            duration=Duration(seconds=2), command="pytest", output_tail="first line\n\x1b[2Jlast words\n",
        ),
    ],
)  # fmt: skip


def failed_story() -> list[BatchEvent]:
    """Return the events of a batch whose issue waits, is approved, and fails for what its tests show."""
    events = story(state=RunState.RUN_STATE_FAILED)
    for result in (events[2].issue_finished, *events[3].batch_finished.results):
        result.failure_reason = FailureReason.FAILURE_REASON_TESTS_FAILED
        result.failure_message = f"{VERDICT}\nSecond line."
    awaiting = RunStateChanged(to_state=RunState.RUN_STATE_AWAITING_APPROVAL)
    more = [
        BatchEvent(batch=BATCH, sequence=2, issue_number=7, verification_recorded=VERIFICATION),
        BatchEvent(batch=BATCH, sequence=2, issue_number=7, run_state_changed=awaiting),
    ]
    return [*events[:2], *more, *events[2:]]


class DecidingCoordinator(ScriptedCoordinator):
    """Knows one run that waits, and what a person says to it."""

    def __init__(self) -> None:
        super().__init__(story())
        self.decisions: list[pb.ResolveApprovalRequest] = []

    def _run(self, state: RunState.ValueType) -> IssueRun:
        return IssueRun(issue_number=7, title="Broken", state=state, verification=VERIFICATION)

    async def GetIssueRun(self, request: pb.GetIssueRunRequest, context: Any) -> pb.GetIssueRunResponse:  # noqa: N802
        if request.name != f"{BATCH}/runs/7":
            await context.abort(grpc.StatusCode.NOT_FOUND, "no such run")
        return pb.GetIssueRunResponse(run=self._run(RunState.RUN_STATE_AWAITING_APPROVAL))

    async def ResolveApproval(self, request: pb.ResolveApprovalRequest, context: Any) -> pb.ResolveApprovalResponse:  # noqa: N802
        self.decisions.append(request)
        state = RunState.RUN_STATE_RUNNING if request.approved else RunState.RUN_STATE_FAILED
        return pb.ResolveApprovalResponse(run=self._run(state))


def written(make: type[TerminalView | LogView], events: Sequence[BatchEvent], *, stays: bool = True) -> str:
    """Return what a view writes."""
    file = io.StringIO()
    console = Console(file=file, force_terminal=make is TerminalView, width=200, color_system=None)
    view: BatchView
    with make(console, stays=stays) as view:
        for event in events:
            view.show(event)
        view.finish(events[-1].batch_finished.results)
    return file.getvalue()


@pytest.mark.parametrize("make", [TerminalView, LogView])
def test_every_view_says_why_and_what_to_type(make: type[TerminalView | LogView]) -> None:
    """The verdict's reason, the run that tells most with its last lines, what waits and why, and both commands."""
    output = written(make, failed_story())
    for words in (
        VERDICT,
        "change: The run was ended by signal 11",
        "| first line",
        "last words",
        "#7 waits for approval",
        f"because: {REASON}",
        f"miyabi approve {BATCH} 7",
        "tests failed",
        "Second line.",
        f"miyabi show {BATCH} 7",
    ):
        assert words in output, output
    assert "all is well" not in output
    assert "\x1b[2J" not in output


def test_a_trial_names_no_command_on_a_system_that_is_gone() -> None:
    """Why it failed is said; that it could be looked at again is not."""
    output = written(LogView, failed_story(), stays=False)
    assert (VERDICT in output, "miyabi show" in output, "miyabi approve" in output) == (True, False, False)


def test_the_run_that_tells_most_is_the_one_that_broke() -> None:
    """A run without an end comes first, then the change's, then any; none is none."""
    base, change, broken = (result_pb2.TestRunReport(name=name, complete=True) for name in ("base", "change", "again"))
    broken.complete = False
    chosen = [telling(runs) for runs in ([base, change, broken], [base, change], [base], [])]
    assert chosen == [broken, change, base, None]


async def test_show_tells_all_that_was_measured() -> None:
    """Verdict, environment, notes, runs with their commands and the end of their output, and what to type."""
    code, output, errors = await run_against(DecidingCoordinator(), "show", BATCH, "7")
    assert (code, errors) == (0, "")
    for words in (
        "awaiting approval", VERDICT, REASON, "python, pytest, from uv.lock", "2 tests were not run", "$ pytest",
        "tests/test_a.py::test_b: passed before, failed after, broken", "assert 1 == 2", "exit status -11", "last words", "all is well", f"miyabi approve {BATCH} 7",
    ):  # fmt: skip
        assert words in output, output
    assert "was red" not in output


async def test_show_as_json_is_the_run() -> None:
    """One object, in the interface's own names."""
    _, output, _ = await run_against(DecidingCoordinator(), "show", "latest", "7", "--json")
    assert json.loads(output)["verification"]["verdict_reason"] == VERDICT


@pytest.mark.parametrize(("flags", "approved", "word"), [([], True, "running"), (["--decline"], False, "failed")])
async def test_a_persons_word_reaches_the_coordinator(flags: list[str], approved: bool, word: str) -> None:
    """Approved or declined, with the comment; the reasons that were decided on are named once more."""
    servicer = DecidingCoordinator()
    code, output, errors = await run_against(servicer, "approve", BATCH, "7", "--comment", "seen", *flags)
    assert (code, errors, word in output, REASON in output) == (0, "", True, True)
    (decision,) = servicer.decisions
    assert (decision.name, decision.approved, decision.comment) == (f"{BATCH}/runs/7", approved, "seen")
    assert decision.request_id


async def test_a_trial_approves_by_itself() -> None:
    """Its pull request is a simulated one: what waits goes on, and everything else is left alone."""
    servicer = DecidingCoordinator()
    async with (
        running_server((add_CoordinatorServiceServicer_to_server, servicer, NAME)) as target,
        coordinator(CliSettings(), target=target) as client,
    ):
        for event in failed_story():
            await approve_waiting(client, event)
    (decision,) = servicer.decisions
    assert (decision.name, decision.approved) == (f"{BATCH}/runs/1", True)
