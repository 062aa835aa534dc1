"""A review is written once with its inline comments, whatever is lost on the way; a line beside the diff costs no review."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import pytest
import pytest_asyncio
from running_gateway import REPOSITORY, Running, gateway_before, simulated
from stock_git import commit, done

from miyabi.github_gateway.v1 import github_gateway_service_pb2 as pb
from miyabi_core.status import from_rpc_error
from miyabi_sim.github import Fault
from miyabi_sim.github.kept.models import PullRequest

HEAD = "miyabi/issue-1"
#: What the change of `stock_git.commit` adds.
CHANGED = "added.txt"


@dataclass
class Opened:
    """Two gateways on one state store, before one GitHub with one pull request."""

    replicas: list[Running]
    number: int
    head_sha: str

    @property
    def pull(self) -> PullRequest:
        """The pull request as GitHub keeps it."""
        found = self.replicas[0].github.store.repository("acme", "toy").pull(self.number)
        assert found is not None
        return found

    async def post(self, body: str = "text", *, replica: int = 0, **more: Any) -> pb.PostReviewResponse:
        """Post the review."""
        fields = {"repository": REPOSITORY, "number": self.number, "marker": "review", "commit_sha": self.head_sha}
        return await self.replicas[replica].stub.PostReview(pb.PostReviewRequest(body=body, **{**fields, **more}))


@pytest_asyncio.fixture
async def opened(tmp_path: Path, redis_url: str) -> AsyncIterator[Opened]:
    """Open a pull request that adds a file of three lines."""
    async with simulated(tmp_path) as (github, token), AsyncExitStack() as stack:
        both = [await stack.enter_async_context(gateway_before(github, token, redis_url)) for _ in range(2)]
        folder = tmp_path / "clone"
        await done("clone", "--quiet", f"{both[0].git}/{REPOSITORY}.git", str(folder))
        (folder / CHANGED).write_text("one\ntwo\nthree\n")
        await commit(folder, "change")
        await done("push", "--quiet", "origin", f"HEAD:refs/heads/{HEAD}", cwd=folder)
        wanted = pb.CreatePullRequestRequest(repository=REPOSITORY, head_branch=HEAD, base_branch="main", title="One")
        made = (await both[0].stub.CreatePullRequest(wanted)).pull_request
        yield Opened(both, made.number, made.head_sha)


def on(line: int, path: str = CHANGED) -> pb.ReviewComment:
    """Return an inline comment."""
    return pb.ReviewComment(path=path, line=line, body=f"line {line}")


async def test_a_review_is_written_once_and_then_edited(opened: Opened) -> None:
    """Its inline comments stand on their lines once; a repeat edits the body, on any replica, and sends nothing where it says so."""
    first = await opened.post("one", comments=[on(2), on(3)])
    again = await opened.post("two", replica=1, comments=[on(2), on(3)])
    seen = len(opened.replicas[0].github.requests)
    same = await opened.post("two", comments=[on(2), on(3)])
    (review,) = opened.pull.reviews
    assert (first.created, again.created, same.created) == (True, False, False)
    assert first.url == again.url == same.url
    assert (review.state, review.body, review.commit_id) == (
        "COMMENTED",
        "<!-- miyabi:review -->\ntwo",
        opened.head_sha,
    )
    assert [(one.path, one.line, one.body) for one in review.comments] == [
        (CHANGED, 2, "line 2"), (CHANGED, 3, "line 3")
    ]  # fmt: skip
    assert [entry.operation for entry in opened.replicas[0].github.requests[seen:]] == ["reviews.get"]


@pytest.mark.parametrize(
    ("comments", "changes", "said"),
    [
        ([on(99)], {}, "Line could not be resolved"),
        ([on(1), on(1, "no/such.py")], {}, "Path could not be resolved"),
        ([on(1)], {"commit_sha": "0" * 40}, "The commit is not part of the pull request"),
    ],
)
async def test_what_is_beside_the_diff_costs_the_comments_only(
    opened: Opened, comments: list[pb.ReviewComment], changes: dict[str, Any], said: str
) -> None:
    """GitHub refuses all of it with 422: the review is made of its body, and the answer says what it is without, and why."""
    answer = await opened.post("text", comments=comments, **changes)
    (review,) = opened.pull.reviews
    assert (answer.created, review.comments) == (True, [])
    assert [f"`{one.path}:{one.line}`: line {one.line}" in review.body for one in comments] == [True] * len(comments)
    edited = await opened.post("other text", comments=comments, replica=1, **changes)
    assert (edited.created, review.body) == (False, opened.pull.reviews[0].body)
    assert "other text" in review.body
    assert f"`{comments[0].path}:{comments[0].line}`" in review.body
    assert f"{len(comments)} inline comments were not written" in answer.notes[0]
    assert said in answer.notes[0]


@pytest.mark.parametrize("kind", ["drop", "status", "malformed"])
async def test_a_lost_answer_makes_no_second_review(opened: Opened, kind: str) -> None:
    """GitHub has made it and the answer is lost: it is found again."""
    fault = Fault(operation="reviews.create", kind=kind, after_handling=True)
    opened.replicas[0].github.dials.faults.append(fault)
    await opened.post(comments=[on(1)])
    await opened.post(comments=[on(1)], replica=1)
    assert (fault.count, [len(review.comments) for review in opened.pull.reviews]) == (0, [1])


async def test_two_replicas_at_once_make_one(opened: Opened) -> None:
    """Who comes second finds the first one's."""
    answers = await asyncio.gather(*(opened.post(replica=index % 2, comments=[on(1)]) for index in range(6)))
    assert sorted(answer.created for answer in answers) == [False] * 5 + [True]
    assert len(opened.pull.reviews) == 1


async def test_it_is_paid_as_content_is(opened: Opened) -> None:
    """A new review counts towards the limit on creating content, once; an edit of it does not."""

    async def created() -> int:
        limits = (await opened.replicas[0].stub.GetRateLimits(pb.GetRateLimitsRequest())).limits
        return next(one.used for one in limits if one.resource == "content-hour")

    before = await created()
    await opened.post("one")
    after = await created()
    await opened.post("two")
    assert (after - before, await created() - before) == (1, 1)


async def test_a_person_s_review_with_our_marker_is_left_alone(opened: Opened) -> None:
    """Whoever copies the hidden line does not become us."""
    await opened.post("one")
    opened.pull.reviews[0].author = "someone"
    await opened.post("two")
    assert [(one.author, one.body.split("\n")[1]) for one in opened.pull.reviews] == [
        ("someone", "one"), ("miyabi-bot", "two")
    ]  # fmt: skip


async def test_no_pull_request_is_one_clear_refusal(opened: Opened) -> None:
    """An issue's number, and one that nothing has."""
    for number in (2, 999):
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await opened.post(number=number)
        assert from_rpc_error(caught.value).reason == "PULL_REQUEST_NOT_FOUND"
