"""Issues of Python, JavaScript and Go projects side by side, on one system that nobody prepared for the last three."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from ecosystems.scripted_issues import ISSUES, write
from running_system import System, running_system

from miyabi.coordinator.v1 import coordinator_service_pb2 as pb
from miyabi.coordinator.v1.result_pb2 import IssueResult
from miyabi.coordinator.v1.state_pb2 import Pipeline, RunState
from miyabi_core.ids import new_ulid

pytestmark = [
    pytest.mark.slow,  # installs four environments and runs four projects' own tests
    pytest.mark.timeout(900),
]


async def outcome(system: System, repository: str, number: int) -> IssueResult:
    """Hand over one issue and return what became of it."""
    request = pb.SubmitBatchRequest(
        repository=repository, issue_numbers=[number], pipeline=Pipeline.PIPELINE_FIX, request_id=new_ulid()
    )
    events = [event async for event in system.client.submit(request)]
    (result,) = events[-1].batch_finished.results
    return result


async def test_four_projects_of_three_languages_come_back_proved(tmp_path: Path) -> None:
    """Each issue ends in a draft pull request whose new test was red before and green after, by its project's runner."""
    toy = await asyncio.to_thread(write, tmp_path)
    async with running_system(tmp_path, toy=toy) as system:
        async with asyncio.TaskGroup() as tasks:
            running = {name: tasks.create_task(outcome(system, name, number)) for name, number in ISSUES.items()}
        results = {name: task.result() for name, task in running.items()}
    told = "\n\n".join(f"{name}: {result}" for name, result in results.items())
    succeeded = dict.fromkeys(ISSUES, RunState.RUN_STATE_SUCCEEDED)
    assert {name: result.state for name, result in results.items()} == succeeded, told
    proved = {name: (result.tests_failed_before, result.tests_passed_after) for name, result in results.items()}
    assert dict.fromkeys(ISSUES, (1, 1)) == proved, told
    assert all(result.pull_request_url for result in results.values()), told
