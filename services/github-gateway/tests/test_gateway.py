"""The gateway's RPCs against a simulated GitHub."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import grpc
import pytest
from running_gateway import REPOSITORY, Running
from stock_git import commit, done

from miyabi.github_gateway.v1 import github_gateway_service_pb2 as pb
from miyabi_core.errors import FailedPreconditionError, NotFoundError, ResourceExhaustedError, UnavailableError
from miyabi_core.status import from_rpc_error
from miyabi_sim.github import Fault

FIELDS = [pb.ISSUE_FIELD_BODY, pb.ISSUE_FIELD_LABELS, pb.ISSUE_FIELD_COMMENTS]


async def issues(gateway: Running, *numbers: int, **more: Any) -> dict[int, pb.IssueEntry]:
    """Read issues."""
    request = pb.BatchGetIssuesRequest(repository=REPOSITORY, numbers=numbers, fields=FIELDS, **more)
    return {entry.number: entry async for answer in gateway.stub.BatchGetIssues(request) for entry in answer.entries}


async def test_25_issues_are_one_request(running_gateway: Running) -> None:
    """Up to 25 issues travel in one query."""
    found = await issues(running_gateway, *range(1, 26))
    assert found[7].issue.body == "Body 7"
    assert list(found[1].issue.labels) == ["old"]
    assert running_gateway.reads() == ["BatchGetIssues"]


async def test_40_issues_are_two_requests(running_gateway: Running) -> None:
    """Beyond 25 the next query begins."""
    assert len(await issues(running_gateway, *range(1, 41))) == 40
    assert running_gateway.reads() == ["BatchGetIssues"] * 2


async def test_reads_of_several_callers_travel_together(running_gateway: Running) -> None:
    """Callers that ask at the same time share a query."""
    await asyncio.gather(*(issues(running_gateway, number) for number in range(1, 11)))
    assert len(running_gateway.reads()) < 10


async def test_what_was_just_read_is_not_read_again(running_gateway: Running) -> None:
    """A second read comes from the cache and says how old it is; `fresh` goes to GitHub."""
    await issues(running_gateway, 1)
    again = await issues(running_gateway, 1)
    assert len(running_gateway.reads()) == 1
    assert again[1].freshness.HasField("age")
    await issues(running_gateway, 1, fresh=True)
    assert len(running_gateway.reads()) == 2


async def test_missing_issue_is_its_own_entry(running_gateway: Running) -> None:
    """One missing number does not spoil the others."""
    found = await issues(running_gateway, 1, 999)
    assert (found[1].missing, found[999].missing) == (False, True)


async def test_unknown_repository_is_not_found(running_gateway: Running) -> None:
    """A repository that is not to be seen is NOT_FOUND with its name."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await running_gateway.stub.GetRepository(pb.GetRepositoryRequest(repository="acme/nothing"))
    error = from_rpc_error(caught.value)
    assert (NotFoundError, "REPOSITORY_NOT_FOUND", "acme/nothing") == (
        type(error),
        error.reason,
        error.metadata["repository"],
    )


async def test_repository_says_its_head_and_that_it_is_simulated(running_gateway: Running) -> None:
    """The head of the default branch comes with the repository."""
    answer = await running_gateway.stub.GetRepository(pb.GetRepositoryRequest(repository=REPOSITORY))
    assert (answer.repository.branch, len(answer.repository.head_sha), answer.simulated) == ("main", 40, True)


async def test_labels_are_set_and_a_repeat_changes_nothing(running_gateway: Running) -> None:
    """Old labels go, new ones come, and the same call again sends no write."""
    request = pb.SetLabelsRequest(
        repository=REPOSITORY,
        number=1,
        add=[pb.LabelDefinition(name="type:bug", color="ff0000")],
        remove=["old", "absent"],
    )
    first = await running_gateway.stub.SetLabels(request)
    assert (list(first.labels), first.changed) == (["type:bug"], True)
    writes = sum(entry.is_write for entry in running_gateway.github.requests)
    second = await running_gateway.stub.SetLabels(request)
    assert (list(second.labels), second.changed) == (["type:bug"], False)
    assert writes == sum(entry.is_write for entry in running_gateway.github.requests)


async def test_comment_is_written_once(running_gateway: Running) -> None:
    """The second call edits the comment that the first made."""
    for body, created in (("one", True), ("two", False), ("two", False)):
        request = pb.UpsertCommentRequest(repository=REPOSITORY, number=2, marker="plan", body=body)
        assert created == (await running_gateway.stub.UpsertComment(request)).created
    found = await issues(running_gateway, 2, fresh=True)
    assert [comment.body for comment in found[2].issue.comments] == ["<!-- miyabi:plan -->\ntwo"]


async def test_comment_survives_a_lost_answer(running_gateway: Running) -> None:
    """GitHub did the write and the answer was lost: the repeat makes no second comment."""
    fault = Fault(kind="status", status=502, operation="comments.create", after_handling=True)
    running_gateway.github.dials.faults.append(fault)
    request = pb.UpsertCommentRequest(repository=REPOSITORY, number=3, marker="plan", body="one")
    await running_gateway.stub.UpsertComment(request)
    found = await issues(running_gateway, 3, fresh=True)
    assert len(found[3].issue.comments) == 1


async def test_branch_is_pushed_and_its_pull_request_opened_once(running_gateway: Running, tmp_path: Path) -> None:
    """The draft of a pushed branch is opened once and then updated."""
    await done("clone", "--quiet", f"{running_gateway.git}/{REPOSITORY}.git", str(tmp_path / "clone"))
    await commit(tmp_path / "clone", "change")
    await done("push", "--quiet", "origin", "HEAD:refs/heads/miyabi/issue-1", cwd=tmp_path / "clone")
    for title, created in (("One", True), ("Two", False)):
        request = pb.CreatePullRequestRequest(
            repository=REPOSITORY, head_branch="miyabi/issue-1", base_branch="main", title=title, body="Closes #1",
            labels=[pb.LabelDefinition(name="quality:good")],
        )  # fmt: skip
        answer = await running_gateway.stub.CreatePullRequest(request)
        assert (created, True, title) == (answer.created, answer.pull_request.draft, answer.pull_request.title)
    assert list(answer.pull_request.labels) == ["quality:good"]
    base = await running_gateway.stub.GetRepository(pb.GetRepositoryRequest(repository=REPOSITORY))
    assert base.repository.head_sha == answer.pull_request.base_sha


async def test_unknown_head_is_refused_with_its_reason(running_gateway: Running) -> None:
    """A pull request without a pushed branch is FAILED_PRECONDITION with GitHub's words."""
    request = pb.CreatePullRequestRequest(
        repository=REPOSITORY, head_branch="miyabi/none", base_branch="main", title="x"
    )
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await running_gateway.stub.CreatePullRequest(request)
    error = from_rpc_error(caught.value)
    assert (FailedPreconditionError, "GITHUB_REFUSED") == (type(error), error.reason)


async def test_server_errors_are_repeated(running_gateway: Running) -> None:
    """Two bad gateways in a row do not reach the caller."""
    running_gateway.github.dials.faults.append(Fault(kind="status", status=502, operation="BatchGetIssues", count=2))
    assert not (await issues(running_gateway, 1))[1].missing


async def test_trouble_that_stays_is_unavailable(running_gateway: Running) -> None:
    """When every repeat fails the caller learns that GitHub is not available."""
    running_gateway.github.dials.faults.append(Fault(kind="status", status=503, operation="GetRepository", count=20))
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await running_gateway.stub.GetRepository(pb.GetRepositoryRequest(repository=REPOSITORY), timeout=20)
    assert isinstance(from_rpc_error(caught.value), UnavailableError | ResourceExhaustedError)


async def test_token_is_not_in_any_answer(running_gateway: Running) -> None:
    """No header or body of the proxy carries the credential."""
    seen = await done("ls-remote", f"{running_gateway.git}/{REPOSITORY}.git")
    assert running_gateway.token not in seen
    assert "refs/heads/main" in seen


async def test_search_leaves_pull_requests_out_and_counts_to_the_limit(running_gateway: Running) -> None:
    """The list is of issues, oldest first, to the limit."""
    request = pb.SearchIssuesRequest(repository=REPOSITORY, limit=7)
    found = [issue.number async for answer in running_gateway.stub.SearchIssues(request) for issue in answer.issues]
    assert list(range(1, 8)) == found
