"""One pull request an issue: a second one is opened only where the batch's request accepts that."""

from __future__ import annotations

from typing import Any

import grpc
import pytest
from buf.validate import validate_pb2

from miyabi.common.v1.problem_pb2 import ProblemKind
from miyabi.coordinator.v1.result_pb2 import ChangeSet, FileChange, PullRequestResult
from miyabi.coordinator.v1.state_pb2 import FailureReason
from miyabi.github_gateway.v1 import github_gateway_service_pb2 as pb
from miyabi_agents.agents.pull_request import MAX_BODY, MAX_NOTE, MAX_NOTES, PullRequestAgent
from miyabi_agents.errors import GitHubError

OPEN, CLOSED = ProblemKind.PROBLEM_KIND_PULL_REQUEST_OPEN, ProblemKind.PROBLEM_KIND_ISSUE_CLOSED
OTHER = "Issue #7 has another open pull request of ours, #3 from miyabi/issue-7-other (https://example.test/3)."


class Opening:
    """Opens pull requests as the gateway does: beside another one of ours only where that is accepted."""

    def __init__(self, *notes: str) -> None:
        self.notes = notes or (OTHER,)
        self.asked: list[pb.CreatePullRequestRequest] = []

    async def create(self, request: pb.CreatePullRequestRequest, context: Any) -> pb.CreatePullRequestResponse:
        """Open it, or refuse."""
        self.asked.append(request)
        if request.only_one:
            await context.abort(grpc.StatusCode.FAILED_PRECONDITION, OTHER)
        pull = pb.PullRequest(number=9, url="https://example.test/9")
        return pb.CreatePullRequestResponse(pull_request=pull, created=True, notes=self.notes)


def inputs(workshop: Any, **more: Any) -> dict[str, Any]:
    """Return a lease's inputs with a change."""
    file = FileChange(path="toy/numbers.py", content=b"def double(value):\n    return value * 2\n")
    return {"change_set": ChangeSet(base_sha=workshop.base_sha, summary="Doubles.", files=[file]), **more}


@pytest.fixture
def opening(workshop: Any) -> Opening:
    """Let the workshop's gateway open pull requests."""
    workshop.gateway.opening = Opening()
    return workshop.gateway.opening


@pytest.mark.parametrize("overruled", [[], [CLOSED]])
async def test_second_pull_request_ends_the_task_with_where_the_first_is(
    workshop: Any, opening: Opening, overruled: list[int]
) -> None:
    """The refusal is the task's failure, in words that have the other one's address, and no repeat mends it."""
    with pytest.raises(GitHubError) as caught:
        await workshop.run(PullRequestAgent(), inputs=inputs(workshop, overruled=overruled))
    assert (str(caught.value), caught.value.retryable) == (OTHER, False)
    assert caught.value.reason == FailureReason.FAILURE_REASON_GITHUB
    assert [request.only_one for request in opening.asked] == [True]


async def test_second_pull_request_is_opened_where_that_is_accepted(workshop: Any, opening: Opening) -> None:
    """The batch's request named it: it is opened, and the result says which other one there is."""
    outcome = await workshop.run(PullRequestAgent(), inputs=inputs(workshop, overruled=[CLOSED, OPEN]))
    assert [request.only_one for request in opening.asked] == [False]
    assert (outcome.pull_request.number, list(outcome.pull_request.notes)) == (9, [OTHER])


async def test_notes_of_any_number_and_length_are_kept_within_bounds(workshop: Any) -> None:
    """More than the result holds is cut, and that is said."""
    workshop.gateway.opening = Opening(*(f"{number} {'x' * 2000}" for number in range(150)))
    outcome = await workshop.run(PullRequestAgent(), inputs=inputs(workshop, overruled=[OPEN]))
    notes = outcome.pull_request.notes
    assert (len(notes), max(map(len, notes)) <= MAX_NOTE) == (MAX_NOTES, True)
    assert "51 more" in notes[-1]


async def test_dry_run_asks_for_nothing(workshop: Any, opening: Opening) -> None:
    """Nothing is opened, so that nothing is in the way of it."""
    outcome = await workshop.run(PullRequestAgent(), inputs=inputs(workshop, dry_run=True))
    assert (opening.asked, outcome.pull_request.dry_run) == ([], True)


@pytest.mark.parametrize(
    ("message", "field", "expected"),
    [
        (pb.CreatePullRequestRequest, "body", MAX_BODY),
        (PullRequestResult, "notes", MAX_NOTES),
    ],
)
def test_limits_are_those_of_the_interface(message: Any, field: str, expected: int) -> None:
    """What is made as long as it may be is not refused by the gateway or the coordinator."""
    rules = message.DESCRIPTOR.fields_by_name[field].GetOptions().Extensions[validate_pb2.field]
    assert (rules.string.max_len or rules.repeated.max_items) == expected
