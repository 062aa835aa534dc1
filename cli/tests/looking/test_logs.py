"""`miyabi logs`: the event log as lines, narrowed, followed, for machines."""

from __future__ import annotations

import json

import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp
from scripted_coordinator import BATCH, story
from scripted_operations import Operations
from test_commands import run_against
from test_every_view import events_of

from miyabi.common.v1.task_kind_pb2 import TaskKind
from miyabi.coordinator.v1.event_pb2 import BatchEvent, ToolInvocation
from miyabi_cli.showing.event_lines import _WORDS, is_failure, payload_names, words_of

TIME = Timestamp(seconds=1_767_225_600)


def log() -> list[BatchEvent]:
    """Return a log of six events: one of them a call that failed, of another issue."""
    call = ToolInvocation(tool="git.push", duration=Duration(seconds=2), error="refused", detail="main")
    failed = BatchEvent(
        batch=BATCH, sequence=3, time=TIME, issue_number=8, task_id="verify", task_kind=TaskKind.TASK_KIND_VERIFY,
        tool_invocation=call,
    )  # fmt: skip
    first, second, third, fourth = story()
    third.sequence, fourth.sequence = 4, 5
    return [first, second, failed, third, fourth]


async def lines(*arguments: str) -> list[str]:
    """Return what the command prints of that log."""
    code, output, errors = await run_against(Operations(log()), "logs", "latest", *arguments)
    assert (code, errors) == (0, "" if output else "no such event; the newest of the batch is 5\n")
    return output.splitlines()


async def test_each_event_is_a_line() -> None:
    """Sequence, time, issue, task, what happened."""
    printed = await lines()
    assert [line.split()[0] for line in printed] == ["1", "2", "3", "4", "5"]
    assert printed[2] == "    3 2026-01-01 00:00:00.000 #8 verify git.push 2.00 s: main: refused"
    assert "batch accepted: a/b, issues: 1" in printed[0]


@pytest.mark.parametrize(
    ("arguments", "sequences"),
    [
        (["7"], ["2", "4"]),
        (["8"], ["3"]),
        (["--after", "3"], ["4", "5"]),
        (["--tail", "2"], ["4", "5"]),
        (["--tail", "0"], []),
        (["--failures"], ["3"]),
        (["--kind", "verify"], ["3"]),
        (["--event", "batch-accepted", "--event", "issue_finished"], ["1", "4"]),
        (["7", "--event", "tool-invocation"], []),
        (["--after", "99"], []),
    ],
)
async def test_a_log_can_be_narrowed(arguments: list[str], sequences: list[str]) -> None:
    """Filters go together; what is left out is nothing else; where nothing is left, that is said."""
    assert [line.split()[0] for line in await lines(*arguments)] == sequences


async def test_machines_get_whole_events() -> None:
    """With the proto's names."""
    assert [json.loads(line)["sequence"] for line in await lines("--json", "--tail", "2")] == ["4", "5"]


async def test_following_goes_on_and_says_where() -> None:
    """Each event once; at its end it says how to look again, on standard error."""
    code, output, errors = await run_against(Operations(log()), "logs", BATCH, "--follow", "--tail", "1", "--json")
    assert (code, [json.loads(line)["sequence"] for line in output.splitlines()]) == (0, ["5"])
    assert f"miyabi logs {BATCH} --after 5 -f" in errors


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--event", "nothing"], "batch-accepted"),
        (["--kind", "cook"], "implement"),
        (["--steps"], "--follow"),
        (["0"], "ISSUE"),
    ],
)
async def test_a_wrong_filter_is_named(arguments: list[str], said: str) -> None:
    """With what it may be."""
    code, output, errors = await run_against(Operations(log()), "logs", "latest", *arguments)
    assert (code, output) == (2, "")
    assert said in errors


def test_every_event_has_words() -> None:
    """A kind of event that is added has to be told too."""
    assert sorted(_WORDS) == sorted(name.replace("-", "_") for name in payload_names())
    assert all(words_of(event) for event in events_of("x"))


def test_what_went_wrong_is_told_from_what_went_well() -> None:
    """A refusal to approve, a budget that runs out, a review without a pass; never an acceptance."""
    events = {event.WhichOneof("payload"): event for event in events_of("x")}
    bad = {name for name, event in events.items() if is_failure(event)}
    assert bad == {
        "tool_invocation", "verification_recorded", "review_recorded", "approval_resolved", "budget_warning", "unrecognised",
    }  # fmt: skip
