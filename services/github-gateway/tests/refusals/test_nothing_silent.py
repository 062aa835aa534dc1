"""What is left out, cut or not done is said to whoever asked."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import grpc
import pytest
from running_gateway import REPOSITORY, Running, push_branches
from stock_git import done, failed
from test_check_target import WORK, check, kinds

from miyabi.github_gateway.v1 import github_gateway_service_pb2 as pb
from miyabi_core.status import from_rpc_error
from miyabi_github_gateway.errors import IssueNotFoundError
from miyabi_sim.github import Fault

#: Branches of one issue in two batches, and one of another issue that begins alike.
FIRST, SECOND, OTHER = "miyabi/issue-2-aaaaaaaaaa", "miyabi/issue-2-bbbbbbbbbb", "miyabi/issue-20-cccccccccc"


async def searched(gateway: Running, **options: Any) -> tuple[int, list[bool]]:
    """Search; returns how many issues came, and what each answer said of more."""
    request = pb.SearchIssuesRequest(repository=REPOSITORY, **options)
    answers = [answer async for answer in gateway.stub.SearchIssues(request)]
    return sum(len(answer.issues) for answer in answers), [answer.more for answer in answers]


@pytest.mark.parametrize("text", ["", "Body"], ids=["list", "search"])
@pytest.mark.parametrize(("limit", "more"), [(39, True), (40, False), (41, False), (0, False)])
async def test_search_says_that_more_match(running_gateway: Running, text: str, limit: int, more: bool) -> None:
    """Of forty issues a limit of 39 leaves one out, which the answer says; where all came it says nothing."""
    assert await searched(running_gateway, text=text, limit=limit) == (min(limit or 40, 40), [more])


async def test_default_limit_says_that_more_match(running_gateway: Running) -> None:
    """A hundred is the default: the hundred-and-first is not lost without a word."""
    for number in range(61):
        body = {"title": f"More {number}"}
        await running_gateway.gateway.http.rest("POST", f"/repos/{REPOSITORY}/issues", json=body)
    assert await searched(running_gateway) == (100, [True])


async def test_numbers_that_are_not_looked_up_are_counted(running_gateway: Running) -> None:
    """Of 130 missing numbers a hundred are looked up for a transfer; the others are said not to be."""
    answer = await check(running_gateway, *range(1000, 1130), **WORK)
    assert kinds(answer) == []
    found = {sentence.partition(":")[0]: sentence.rpartition(" and ")[2] for sentence in answer.not_known[1:]}
    assert found == {
        "No issue of this number is to be seen": "80 more.",
        "Whether it was transferred was not looked up": "10 more.",
    }


@pytest.mark.parametrize(("count", "said"), [(20, "19,20;"), (25, "20 and 5 more;")])
def test_numbers_that_an_error_does_not_name_are_counted(count: int, said: str) -> None:
    """An error names twenty issues and counts the others."""
    assert said in IssueNotFoundError(REPOSITORY, range(1, count + 1)).message


async def opened(gateway: Running, head: str, **options: Any) -> pb.CreatePullRequestResponse:
    """Open a pull request through the gateway."""
    request = pb.CreatePullRequestRequest(
        repository=REPOSITORY, head_branch=head, base_branch="main", title="T", **options
    )
    return await gateway.stub.CreatePullRequest(request)


async def test_second_pull_request_for_an_issue_is_told(running_gateway: Running) -> None:
    """Another batch's branch for the same issue is named; a repeat is none, and issue 20 is another one."""
    push_branches(running_gateway, FIRST, SECOND, OTHER)
    first = await opened(running_gateway, FIRST)
    assert (first.created, list((await opened(running_gateway, FIRST)).notes)) == (True, [])
    assert list((await opened(running_gateway, OTHER)).notes) == []
    second = await opened(running_gateway, SECOND)
    pull = first.pull_request
    said = f"Issue #2 has another open pull request of ours, #{pull.number} from {FIRST} ({pull.url})."
    assert list(second.notes) == [said]


async def test_second_pull_request_for_an_issue_is_refused_where_only_one_is_wanted(running_gateway: Running) -> None:
    """Nothing is opened; what is there is named, and once it is closed the next call succeeds."""
    push_branches(running_gateway, FIRST, SECOND)
    first = (await opened(running_gateway, FIRST, only_one=True)).pull_request
    number = first.number
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await opened(running_gateway, SECOND, only_one=True)
    error = from_rpc_error(caught.value)
    assert (error.code, error.reason) == (grpc.StatusCode.FAILED_PRECONDITION, "OTHER_PULL_REQUEST_OPEN")
    assert error.metadata == {"repository": REPOSITORY, "issue": "2", "url": first.url}
    assert f"#{number} from {FIRST} ({first.url})" in error.message
    await running_gateway.gateway.http.rest("PATCH", f"/repos/{REPOSITORY}/pulls/{number}", json={"state": "closed"})
    assert (await opened(running_gateway, SECOND, only_one=True)).created is True


async def test_reviewer_whom_github_does_not_take_is_told(running_gateway: Running) -> None:
    """The pull request is there, and its answer says who could not be asked and why."""
    push_branches(running_gateway, FIRST)
    answer = await opened(running_gateway, FIRST, reviewers=["miyabi-bot"])
    assert answer.created is True
    assert "miyabi-bot could not be asked for a review" in answer.notes[0]


async def test_look_for_others_that_failed_is_told(running_gateway: Running) -> None:
    """Where GitHub does not answer it, the pull request is opened all the same and says what is not known."""
    push_branches(running_gateway, FIRST)
    fault = Fault(status=404, operation="OurBranches", count=10, body={"message": "Not Found"})
    running_gateway.github.dials.faults.append(fault)
    answer = await opened(running_gateway, FIRST)
    assert (answer.created, "is not known" in answer.notes[0]) == (True, True)


async def test_too_many_heads_at_once_are_refused_in_words(running_gateway: Running, tmp_path: Path) -> None:
    """A fetch of more pull requests than are brought at once is refused, not answered as if there were none."""
    await done("clone", "--quiet", "--bare", f"{running_gateway.git}/{REPOSITORY}.git", str(tmp_path / "clone"))
    refs = [f"refs/pull/{number}/head" for number in range(1, 31)]
    said = await failed("fetch", "--quiet", "origin", *refs, cwd=tmp_path / "clone")
    assert "at most 20 heads of pull requests at once" in said or "The requested URL returned error: 400" in said


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"archived": True}, "This repository was archived so it is read-only."),
        ({"viewer_permission": "READ"}, "Permission to acme/toy.git denied"),
    ],
    ids=["archived", "no right"],
)
async def test_push_that_github_refuses_is_told_in_its_words(
    running_gateway: Running, tmp_path: Path, changes: dict[str, Any], expected: str
) -> None:
    """Agents' git shows what GitHub says, through the gateway."""
    clone = tmp_path / "clone"
    await done("clone", "--quiet", f"{running_gateway.git}/{REPOSITORY}.git", str(clone))
    running_gateway.github.states.repository(REPOSITORY, **changes)
    await done("commit", "--quiet", "--allow-empty", "-m", "x", cwd=clone)
    said = await failed("push", "origin", f"HEAD:refs/heads/{FIRST}", cwd=clone)
    assert expected in said


async def test_push_that_rules_refuse_is_told_in_githubs_words(running_gateway: Running, tmp_path: Path) -> None:
    """The reason of the ref and the rules that it breaks come through."""
    clone = tmp_path / "clone"
    await done("clone", "--quiet", f"{running_gateway.git}/{REPOSITORY}.git", str(clone))
    running_gateway.github.states.rule(REPOSITORY, "creation")
    await done("commit", "--quiet", "--allow-empty", "-m", "x", cwd=clone)
    said = await failed("push", "origin", f"HEAD:refs/heads/{FIRST}", cwd=clone)
    assert "Cannot create ref due to creations being restricted." in said
    assert "(push declined due to repository rule violations)" in said


async def test_label_too_many_is_refused_in_githubs_words(running_gateway: Running) -> None:
    """An issue has at most a hundred: one more is refused, and the hundred are there, all of them."""
    names = [f"label {number}" for number in range(100)]
    await running_gateway.gateway.http.rest("PUT", f"/repos/{REPOSITORY}/issues/2/labels", json={"labels": names})
    request = pb.SetLabelsRequest(repository=REPOSITORY, number=2, add=[pb.LabelDefinition(name="one more")])
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await running_gateway.stub.SetLabels(request)
    error = from_rpc_error(caught.value)
    assert (error.reason, error.message) == (
        "GITHUB_REFUSED",
        "GitHub refuses: Issues cannot have more than 100 labels",
    )
    request = pb.SetLabelsRequest(repository=REPOSITORY, number=2, remove=["label 0"])
    assert len((await running_gateway.stub.SetLabels(request)).labels) == 99


async def test_comment_on_a_locked_conversation_is_refused_in_githubs_words(running_gateway: Running) -> None:
    """The refusal says what is locked, as GitHub says it."""
    running_gateway.github.states.issue(REPOSITORY, 2, locked=True)
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await running_gateway.stub.UpsertComment(
            pb.UpsertCommentRequest(repository=REPOSITORY, number=2, marker="m", body="b")
        )
    error = from_rpc_error(caught.value)
    assert (error.code, error.reason) == (grpc.StatusCode.PERMISSION_DENIED, "GITHUB_FORBIDDEN")
    assert "Unable to create comment because issue is locked." in error.message


async def test_write_to_a_transferred_issue_is_not_found(running_gateway: Running) -> None:
    """Nothing is written to the issue's new place, which no grant names."""
    states = running_gateway.github.states
    states.fork(REPOSITORY, owner="beta")
    states.repository("beta/toy", has_issues=True)
    moved = states.transfer(REPOSITORY, 2, to="beta/toy")
    calls = (
        running_gateway.stub.UpsertComment(
            pb.UpsertCommentRequest(repository=REPOSITORY, number=2, marker="m", body="b")
        ),
        running_gateway.stub.SetLabels(
            pb.SetLabelsRequest(repository=REPOSITORY, number=2, add=[pb.LabelDefinition(name="x")])
        ),
    )
    for call in calls:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await call
        assert from_rpc_error(caught.value).reason == "ISSUE_NOT_FOUND"
    assert (moved.comments, moved.labels) == ([], [])
