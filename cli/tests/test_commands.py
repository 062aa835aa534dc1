"""The command against a coordinator that plays a script: what it prints and how it ends."""

from __future__ import annotations

import asyncio
import json
import os
import sys

import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp
from scripted_coordinator import BATCH, NAME, ScriptedCoordinator, story

from miyabi.common.v1.freshness_pb2 import StaleCause, StaleData
from miyabi.coordinator.v1.coordinator_service_pb2_grpc import add_CoordinatorServiceServicer_to_server
from miyabi.coordinator.v1.state_pb2 import RunState
from miyabi_core.testing import running_server


async def miyabi(*arguments: str, target: str = "127.0.0.1:1", **variables: str) -> tuple[int, str, str]:
    """Run the real command in a process of its own; returns exit code, output and errors."""
    environment = {**os.environ, "MIYABI_COORDINATOR": target, "COLUMNS": "200", "NO_COLOR": "1", **variables}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "miyabi_cli", *arguments,
        stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE, env=environment,
    )  # fmt: skip
    output, errors = await process.communicate()
    assert process.returncode is not None
    return process.returncode, output.decode(), errors.decode()


async def run_against(servicer: ScriptedCoordinator, *arguments: str) -> tuple[int, str, str]:
    """Run the command against *servicer*."""
    async with running_server((add_CoordinatorServiceServicer_to_server, servicer, NAME)) as target:
        return await miyabi(*arguments, target=target)


async def test_submit_prints_a_table_and_ends_well() -> None:
    """A batch whose issues all succeed ends with the table and exit code 0."""
    code, output, errors = await run_against(ScriptedCoordinator(story()), "submit", "a/b", "--issues", "7")
    assert code == 0, errors
    for cell in (
        "#7",
        "type:bug",
        "a.py",
        "1 fail / 1 pass",
        "96",
        "http://127.0.0.1/pull/8",
        "$0.0125",
        "4.0",
        "succeeded",
    ):
        assert cell in output
    assert "simulated" in output


STALE = StaleData(
    fetch_time=Timestamp(seconds=1_767_225_600), age=Duration(seconds=720), cause=StaleCause.STALE_CAUSE_RATE_LIMITED
)


async def test_old_data_of_github_are_said_to_be_old() -> None:
    """Where GitHub's limit made a batch start with old data, the log, the table and the JSON say so, with the age."""
    code, output, errors = await run_against(ScriptedCoordinator(story(stale=STALE)), "submit", "a/b", "--issues", "7")
    assert (code, errors) == (0, "")
    words = "GitHub data was 12 min old: GitHub's limit was reached"
    assert [words in line for line in output.splitlines() if "#7 GitHub" in line] == [True, True]
    assert output.count("12 min old") == 2
    _, output, _ = await run_against(
        ScriptedCoordinator(story(stale=STALE)), "submit", "a/b", "--issues", "7", "--json"
    )
    told = json.loads(output.splitlines()[-1])["stale_data"]
    assert told == {"fetched": "2026-01-01T00:00:00Z", "age_seconds": 720.0, "cause": "rate_limited"}


async def test_failed_issue_is_exit_code_1() -> None:
    """One issue that did not succeed is what scripts can test for."""
    failed = ScriptedCoordinator(story(state=RunState.RUN_STATE_FAILED))
    code, _, _ = await run_against(failed, "submit", "a/b", "--issues", "7")
    assert code == 1


async def test_json_is_one_object_a_line() -> None:
    """Events come first, then one line an issue with the documented keys."""
    code, output, _ = await run_against(ScriptedCoordinator(story()), "submit", "a/b", "--issues", "7", "--json")
    lines = [json.loads(line) for line in output.splitlines()]
    assert code == 0
    assert [line["sequence"] for line in lines[:4]] == ["1", "2", "3", "4"]
    assert lines[4] == {
        "issue": 7,
        "labels": ["type:bug"],
        "files": ["a.py"],
        "tests": {"failed_before": 1, "passed_after": 1},
        "review_score": 96,
        "pull_request": "http://127.0.0.1/pull/8",
        "cost_usd": 0.0125,
        "seconds": 4.0,
        "status": "succeeded",
    }


async def test_broken_stream_goes_on_where_it_broke() -> None:
    """When the coordinator goes away in the middle, the rest is watched: every event once, in order."""
    broken = ScriptedCoordinator(story(), break_after=2)
    code, output, _ = await run_against(broken, "submit", "a/b", "--issues", "7", "--json")
    sequences = [json.loads(line).get("sequence") for line in output.splitlines()]
    assert (code, sequences, broken.watched_after) == (0, ["1", "2", "3", "4", None], [2])


async def test_watch_starts_after_what_was_seen() -> None:
    """`--after` leaves out what the person has seen."""
    code, output, _ = await run_against(ScriptedCoordinator(story()), "watch", BATCH, "--after", "2", "--json")
    assert (code, [json.loads(line)["sequence"] for line in output.splitlines()[:2]]) == (0, ["3", "4"])


async def test_watch_of_what_is_over_tells_what_became_of_it() -> None:
    """A batch that ended before the event that is asked for is shown by its results."""
    code, output, _ = await run_against(ScriptedCoordinator(story()), "watch", BATCH, "--after", "40", "--json")
    assert (code, [json.loads(line)["issue"] for line in output.splitlines()]) == (0, [7])


async def test_stream_that_ends_before_its_batch_is_an_error() -> None:
    """A stream without an event is no end of a batch that goes on."""
    code, _, errors = await run_against(ScriptedCoordinator(story()[:3]), "watch", BATCH, "--after", "40", "--json")
    assert (code, "ended before the batch did" in errors) == (3, True)


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        (["submit"], "OWNER/REPO: which repository?"),
        (["submit", "nonsense", "--issues", "7"], "OWNER/REPO: 'nonsense' is no repository"),
        (["submit", "a/$", "--issues", "7"], "repository"),
        (["submit", "a/b", "--issues", "0"], "--issues: '0' is neither a number from 1"),
        (["submit", "a/b", "--issues", "7", "--label", "bug"], "--issues: not together with --query or --label"),
        (["submit", "a/b", "--issues", "seven"], "--issues"),
        (["submit", "a/b"], "--issues: which issues?"),
        (["submit", "a/b", "--issues", "7", "--concurrency", "-1"], "concurrency"),
        (["submit", "a/b", "--issues", "1-10001"], "--issues"),
        (["submit", "a/b", "--issues", "7", "--request-id", "x"], "request_id"),
        (["submit", "a/b", "--issues", "7", "--pipeline", "magic"], "--pipeline"),
        (["watch", "nonsense"], "BATCH"),
    ],
)
async def test_bad_argument_is_one_line_with_the_field(arguments: list[str], field: str) -> None:
    """What is wrong is named, nothing is sent, and the exit code says that it was refused."""
    servicer = ScriptedCoordinator(story())
    code, output, errors = await run_against(servicer, *arguments)
    assert (code, output, servicer.submitted) == (2, "", [])
    assert errors.count(field) == 1
    assert "Traceback" not in errors


@pytest.mark.parametrize("arguments", [["batches"], ["watch", "01ARZ3NDEKTSV4RRFFQ69G5FAV"]])
async def test_a_coordinator_that_is_not_there_is_said_within_seconds(arguments: list[str]) -> None:
    """In words of ours, with the address, also by what waits for one that goes away later."""
    code, output, errors = await asyncio.wait_for(miyabi(*arguments), 20)
    assert (code, output) == (3, "")
    first, hint = errors.splitlines()
    assert first == "error: nobody answers at 127.0.0.1:1: Connection refused [UNAVAILABLE]"
    assert "`miyabi up` starts it" in hint


async def test_unreachable_coordinator_is_exit_code_3() -> None:
    """A coordinator that is not there is one line with what to do."""
    code, _, errors = await miyabi("batches")
    assert code == 3
    assert "miyabi up" in errors
    assert "Traceback" not in errors


async def test_batches_lists_them() -> None:
    """The list names the batch, its repository and that it is simulated."""
    code, output, _ = await run_against(ScriptedCoordinator(story()), "batches")
    assert code == 0
    assert BATCH in output
    assert "simulated" in output


async def test_latest_stands_for_the_newest_batch() -> None:
    """Nobody has to copy an id to look again."""
    code, output, errors = await run_against(ScriptedCoordinator(story()), "watch", "latest", "--json")
    assert code == 0, errors
    assert len(output.splitlines()) == 5


async def test_budgets_go_with_the_batch() -> None:
    """Each limit of the command line is one of the request, in millionths of a dollar and in tokens."""
    servicer = ScriptedCoordinator(story())
    limits = ["--budget-usd", "5", "--budget-tokens", "90000", "--issue-budget-usd", "0.5", "--task-budget-usd", "0.07"]
    await run_against(servicer, "submit", "a/b", "--issues", "7", *limits)
    (request,) = servicer.submitted
    assert (request.budget.usd_micros, request.budget.tokens) == (5_000_000, 90_000)
    assert (request.issue_budget.usd_micros, request.task_budget.usd_micros) == (500_000, 70_000)
    await run_against(servicer, "submit", "a/b", "--issues", "7")
    assert not any(servicer.submitted[1].HasField(name) for name in ("budget", "issue_budget", "task_budget"))


@pytest.mark.parametrize(
    "arguments", [["token", "alice", "--role", "viewer", "--out", "/dev/null/x"], ["up", "--any-ports"]]
)
async def test_a_place_that_cannot_be_written_is_one_line(arguments: list[str]) -> None:
    """Whatever word meets it: the place and the cause, and no traceback."""
    code, output, errors = await miyabi(*arguments, MIYABI_DATA_DIR="/dev/null/x", GITHUB_TOKEN="x")
    assert (code, output, errors) == (2, "", "error: /dev/null/x: Not a directory\n")


@pytest.mark.parametrize("target", ["", "http://localhost:50051"])
async def test_what_is_no_address_of_a_service_is_said_before_it_is_called(target: str) -> None:
    """The web's form of an address is what people paste, and an empty variable is soon set."""
    code, output, errors = await miyabi("batches", target=target)
    assert (code, output) == (2, "")
    assert errors.splitlines()[0] == f"error: {target!r} is no host:port of a service"
    assert "MIYABI_COORDINATOR" in errors
