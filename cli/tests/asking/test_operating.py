"""The words that look after batches and agents: what they send, what they print, how they end."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys

import pytest
from scripted_coordinator import BATCH, NAME
from scripted_operations import Operations
from test_commands import miyabi, run_against

from miyabi.coordinator.v1.coordinator_service_pb2_grpc import add_CoordinatorServiceServicer_to_server
from miyabi_core.testing import running_server

ULID = BATCH.removeprefix("batches/")


@pytest.mark.parametrize(
    ("arguments", "state", "next_word"),
    [
        (["pause", "latest", "--reason", "release day"], "paused", "miyabi resume"),
        (["resume", ULID], "running", "miyabi watch"),
        (["retry", BATCH], "running", "miyabi watch"),
        (["cancel", "latest", "--reason", "wrong"], "cancelled", ""),
    ],
)
async def test_a_word_changes_the_batch_and_says_what_follows(arguments: list[str], state: str, next_word: str) -> None:
    """The batch's name stands on a line of its own, with its state; then the word that goes on."""
    servicer = Operations()
    code, output, errors = await run_against(servicer, *arguments)
    first, *rest = output.splitlines()
    assert (code, errors, first) == (0, "", f"{BATCH} a/b {state} 0/1")
    assert rest == ([f"  next: {next_word} {BATCH}"] if next_word else [])
    sent = servicer.requests[-1]
    assert (sent.name, len(sent.request_id)) == (BATCH, 26)
    assert getattr(sent, "reason", "") == (arguments[3] if "--reason" in arguments else "")


@pytest.mark.parametrize("word", ["pause", "resume", "retry", "cancel"])
async def test_a_changed_batch_is_an_object_for_machines(word: str) -> None:
    """One line of JSON, with the proto's names."""
    code, output, _ = await run_against(Operations(), word, BATCH, "--json")
    assert (code, json.loads(output)["name"]) == (0, BATCH)


async def test_retry_takes_issues_in_every_form() -> None:
    """By number, in a list, as a range; what is none is named."""
    servicer = Operations()
    await run_against(servicer, "retry", BATCH, "60", "62,70-72")
    assert list(servicer.requests[-1].issue_numbers) == [60, 62, 70, 71, 72]
    code, _, errors = await run_against(servicer, "retry", BATCH, "sixty")
    assert (code, "ISSUES: 'sixty'" in errors) == (2, True)


@pytest.mark.parametrize("word", ["pause", "resume", "retry", "cancel", "watch", "logs"])
async def test_a_batch_that_is_not_there_is_refused_with_what_to_do(word: str) -> None:
    """Also one whose name is none: how to find the right one is said."""
    code, output, errors = await run_against(Operations(), word, "nonsense")
    assert (code, output) == (2, "")
    assert "`miyabi batches` lists them" in errors


@pytest.mark.parametrize(
    "arguments", [["pause", BATCH], ["agents"], ["drain", "x"], ["logs", BATCH], ["report"], ["perf"]]
)
async def test_a_service_that_is_away_is_exit_code_3(arguments: list[str]) -> None:
    """One error, no traceback, and how to start it."""
    code, output, errors = await miyabi(*arguments, MIYABI_DASHBOARD="127.0.0.1:1")
    assert (code, output, "Traceback" in errors) == (3, "", False)
    assert "miyabi up" in errors


async def test_batches_can_be_narrowed() -> None:
    """By repository and state; a state that there is not is named with those that there are."""
    servicer = Operations()
    code, output, _ = await run_against(servicer, "batches", "--repository", "a/b", "--state", "running", "--json")
    assert (code, json.loads(output)["name"], servicer.requests[-1].state) == (0, BATCH, 1)
    code, output, _ = await run_against(servicer, "batches", "--state", "failed")
    assert (code, output) == (0, "no batch; `miyabi submit OWNER/REPO --issues 60,61` makes one\n")
    code, _, errors = await run_against(servicer, "batches", "--state", "lost")
    assert (code, "paused, succeeded" in errors) == (2, True)


async def test_agents_are_listed_with_what_they_run() -> None:
    """Slots, whether they take more, and each task with the batch that it belongs to, whole."""
    code, output, errors = await run_against(Operations(), "agents")
    assert (code, errors) == (0, "")
    assert "agents/local-1: ready, 1 of 4 slots, version 0.1.0, takes implement" in output
    assert "agents/local-2: draining, 0 of 2 slots" in output
    (line,) = [line for line in output.splitlines() if "implement-1" in line]
    assert all(cell in line for cell in ("#7", "a/b", BATCH))
    _, output, _ = await run_against(Operations(), "agents", "--json")
    first, second = map(json.loads, output.splitlines())
    assert (first["tasks"][0]["task"], first["tasks"][0]["attempt"], second["tasks"]) == ("implement-1", 2, [])


async def test_an_agent_is_drained_by_either_name() -> None:
    """As the list names it, or by its id."""
    servicer = Operations()
    for name in ("agents/local-1", "local-1"):
        code, output, _ = await run_against(servicer, "drain", name)
        assert (code, servicer.requests[-1].name) == (0, "agents/local-1")
        assert output.startswith("agents/local-1 draining, 1 of 4 slots\n")


async def test_watching_prints_again_what_changed() -> None:
    """The third look sees another state: it comes as new lines, and looks that saw the same print nothing."""
    servicer = Operations()
    async with running_server((add_CoordinatorServiceServicer_to_server, servicer, NAME)) as target:
        environment = {**os.environ, "MIYABI_COORDINATOR": target}
        command = [sys.executable, "-m", "miyabi_cli", "agents", "--watch", "--every", "0.2", "--json"]
        lines = await _first_lines(command, environment, number=4)
    assert [line.get("draining", False) for line in lines] == [False, True, True, True]
    assert servicer.looked >= 3


async def _first_lines(command: list[str], environment: dict[str, str], *, number: int) -> list[dict[str, object]]:
    """Run a command until it printed so many lines."""
    process = await asyncio.create_subprocess_exec(*command, env=environment, stdout=subprocess.PIPE)
    assert process.stdout is not None
    try:
        return [json.loads(await process.stdout.readline()) for _ in range(number)]
    finally:
        process.terminate()
        await process.communicate()
