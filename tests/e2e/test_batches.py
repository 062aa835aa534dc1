"""A batch from submission to draft pull requests, through every process."""

from __future__ import annotations

import asyncio
import subprocess
from pathlib import Path

import pytest
from running_system import System
from toy_repository import REPOSITORY

from miyabi.common.v1.problem_pb2 import ProblemKind
from miyabi.coordinator.v1 import coordinator_service_pb2 as pb
from miyabi.coordinator.v1.event_pb2 import BatchEvent
from miyabi.coordinator.v1.state_pb2 import Pipeline, RunState
from miyabi_agents.workspace.checkouts import MAX_IDLE
from miyabi_cli.errors import CliError
from miyabi_core.ids import new_ulid

#: Tests share one system: an issue may have a pull request of another test.
AGAIN = [ProblemKind.PROBLEM_KIND_PULL_REQUEST_OPEN, ProblemKind.PROBLEM_KIND_ISSUE_IN_BATCH]


def request(*issues: int, **more: object) -> pb.SubmitBatchRequest:
    """Return a request for the toy repository."""
    return pb.SubmitBatchRequest(
        repository=REPOSITORY, issue_numbers=issues, concurrency=2, request_id=new_ulid(), overrule=AGAIN, **more
    )  # type: ignore[arg-type]


async def events_of(system: System, submitted: pb.SubmitBatchRequest) -> list[BatchEvent]:
    """Submit and return every event to the end."""
    return [event async for event in system.client.submit(submitted)]


def explain(events: list[BatchEvent]) -> str:
    """Return the failures in a batch's story, for the message of a failed assertion."""
    return "\n".join(str(result) for result in events[-1].batch_finished.results)


async def refs(system: System) -> str:
    """Return the refs of the toy repository on the simulated GitHub, as stock git lists them."""
    url = f"http://127.0.0.1:{system.stack.options.ports.github}/{REPOSITORY}.git"
    token = system.stack.upstreams.github_token
    command = ["git", "-c", f"http.extraHeader=Authorization: Bearer {token}", "ls-remote", url]
    done = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, check=True)
    return done.stdout


async def test_fix_ends_in_draft_pull_requests(system: System) -> None:
    """Each issue comes back with a proof, a score, labels and a draft pull request whose branch is there."""
    events = await events_of(system, request(1, 2))
    finished = events[-1].batch_finished
    assert [result.state for result in finished.results] == [RunState.RUN_STATE_SUCCEEDED] * 2, explain(events)
    for result in finished.results:
        assert (result.tests_failed_before, result.tests_passed_after) == (1, 1)
        assert result.review_score >= 80
        assert result.pull_request_url
        assert any("bug" in label for label in result.labels)
    recorded = [event.pull_request_recorded for event in events if event.HasField("pull_request_recorded")]
    assert len(recorded) == 2
    listed = await refs(system)
    for pull_request in recorded:
        assert f"{pull_request.head_sha}\trefs/heads/{pull_request.head_branch}" in listed.splitlines()


async def test_events_are_gapless_and_in_order(system: System) -> None:
    """The committed events of a batch are 1, 2, 3 … and a later watcher sees the same."""
    events = await events_of(system, request(1, pipeline=Pipeline.PIPELINE_TRIAGE))
    sequences = [event.sequence for event in events if event.sequence]
    assert list(range(1, len(sequences) + 1)) == sequences
    again = [event async for event in system.client.watch(events[0].batch, after=2)]
    assert sequences[2:] == [event.sequence for event in again if event.sequence]


async def test_dry_run_writes_nothing(system: System) -> None:
    """A dry run says what it would do and what it cost; the simulator saw only reads, and no ref moved."""
    before, seen = await refs(system), len(await system.github_requests())
    events = await events_of(system, request(3, dry_run=True))
    result = events[-1].batch_finished.results[0]
    assert result.state == RunState.RUN_STATE_SUCCEEDED, explain(events)
    assert (result.tests_failed_before, result.tests_passed_after) == (1, 1)
    assert result.cost_usd_micros > 0
    recorded = [event.pull_request_recorded for event in events if event.HasField("pull_request_recorded")]
    assert [entry.dry_run for entry in recorded] == [True]
    writes = [entry for entry in (await system.github_requests())[seen:] if entry["is_write"]]
    assert writes == []
    assert before == await refs(system)


async def test_same_request_id_reattaches(system: System) -> None:
    """A repeat of a request finds the batch that it made; another body under the same id is refused."""
    first = request(1, pipeline=Pipeline.PIPELINE_TRIAGE)
    events = await events_of(system, first)
    repeated = await events_of(system, first)
    assert events[0].batch == repeated[0].batch
    other = request(2, pipeline=Pipeline.PIPELINE_TRIAGE)
    other.request_id = first.request_id
    with pytest.raises(CliError, match="REQUEST_ID_REUSED"):
        await events_of(system, other)


@pytest.mark.parametrize(
    ("bad", "expected"),
    [
        (pb.SubmitBatchRequest(repository="acme/nothing", issue_numbers=[1]), "REPOSITORY_NOT_FOUND"),
        (pb.SubmitBatchRequest(repository=REPOSITORY, issue_numbers=[1, 999]), "999"),
        (pb.SubmitBatchRequest(repository=REPOSITORY, issue_numbers=[0]), "issue_numbers[0]"),
        (pb.SubmitBatchRequest(repository=REPOSITORY), "issue_numbers"),
        (pb.SubmitBatchRequest(repository=REPOSITORY, issue_numbers=range(1, 10_002)), "issue_numbers"),
        (pb.SubmitBatchRequest(repository=REPOSITORY, issue_numbers=[1], concurrency=-1), "concurrency"),
        (pb.SubmitBatchRequest(repository=REPOSITORY, issue_numbers=[1], request_id="x"), "request_id"),
        (
            pb.SubmitBatchRequest(repository=REPOSITORY, issue_numbers=[1], query={"labels": ["bug"]}),  # type: ignore[arg-type]
            "issue_numbers",
        ),
    ],
)
async def test_bad_input_is_refused_before_anything_is_written(
    system: System, bad: pb.SubmitBatchRequest, expected: str
) -> None:
    """Each bad request is one clear error, and no batch exists afterwards that did not before."""
    before = await system.client.call(system.stub.ListBatches(pb.ListBatchesRequest(page_size=500)))
    with pytest.raises(CliError) as caught:
        await events_of(system, bad)
    assert expected in str(caught.value)
    after = await system.client.call(system.stub.ListBatches(pb.ListBatchesRequest(page_size=500)))
    assert len(before.batches) == len(after.batches)


async def test_nothing_outside_the_data_folder_changes(system: System) -> None:
    """The agents keep a few checkouts inside the data folder for the next run, and nothing else of a run."""
    left = list((system.stack.options.data_dir / "agents").glob("*/worktrees/*"))
    assert (len(left) <= MAX_IDLE, [path.name for path in left if path.suffix]) == (True, [])
    assert Path.home() != system.stack.options.data_dir
