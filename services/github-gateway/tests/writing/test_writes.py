"""Writes happen once, whatever is lost on the way and however many replicas write."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import grpc
import pytest
import pytest_asyncio
import redis.asyncio
from aiohttp import web
from redis.asyncio import Redis
from running_gateway import REPOSITORY, Running, gateway_before, simulated
from scripted_github import scripted
from stock_git import commit, done

from miyabi.github_gateway.v1 import github_gateway_service_pb2 as pb
from miyabi_core.errors import NotFoundError, UnavailableError
from miyabi_core.status import from_rpc_error
from miyabi_github_gateway.adapters.redis_cache.locks import RedisLocks
from miyabi_sim.github import Fault

HEAD = "miyabi/issue-1"


@pytest_asyncio.fixture
async def replicas(tmp_path: Path, redis_url: str) -> AsyncIterator[list[Running]]:
    """Two gateways on one state store, before one GitHub that has a pushed branch."""
    async with simulated(tmp_path) as (github, token), AsyncExitStack() as stack:
        both = [await stack.enter_async_context(gateway_before(github, token, redis_url)) for _ in range(2)]
        folder = tmp_path / "clone"
        await done("clone", "--quiet", f"{both[0].git}/{REPOSITORY}.git", str(folder))
        await commit(folder, "change")
        await done("push", "--quiet", "origin", f"HEAD:refs/heads/{HEAD}", cwd=folder)
        yield both


def comment(number: int = 2, marker: str = "plan", body: str = "text") -> pb.UpsertCommentRequest:
    """Return a request."""
    return pb.UpsertCommentRequest(repository=REPOSITORY, number=number, marker=marker, body=body)


def pull(**more: Any) -> pb.CreatePullRequestRequest:
    """Return a request."""
    return pb.CreatePullRequestRequest(repository=REPOSITORY, head_branch=HEAD, base_branch="main", title="One", **more)


def issue(**more: Any) -> pb.CreateIssueRequest:
    """Return a request."""
    return pb.CreateIssueRequest(repository=REPOSITORY, title="New", body="text", marker="found-1", **more)


async def send(gateway: Running, request: Any) -> Any:
    """Send one write."""
    name = type(request).__name__.removesuffix("Request")
    return await getattr(gateway.stub, name)(request)


def made(gateway: Running) -> tuple[int, int]:
    """Return how many comments and how many items (issues, pull requests) GitHub has."""
    items = gateway.github.store.repository("acme", "toy").items
    return sum(len(item.comments) for item in items.values()), len(items)


WRITES = [
    (comment(), "comments.create", (1, 40)),
    (pull(), "pulls.create", (0, 41)),
    (issue(), "issues.create", (0, 41)),
]


@pytest.mark.parametrize(("request_", "operation", "expected"), WRITES)
@pytest.mark.parametrize("kind", ["drop", "status", "malformed"])
async def test_lost_answer_makes_no_second_object(
    replicas: list[Running], request_: Any, operation: str, expected: tuple[int, int], kind: str
) -> None:
    """GitHub acts and its answer is lost; the gateway's repeat and the caller's, at another replica, change nothing."""
    fault = Fault(kind=kind, operation=operation, after_handling=True)
    replicas[0].github.dials.faults.append(fault)
    assert (await send(replicas[0], request_)).created
    answer = await send(replicas[1], request_)
    assert (0, expected, False) == (fault.count, made(replicas[0]), answer.created)


@pytest.mark.parametrize(("request_", "operation", "expected"), WRITES)
async def test_two_replicas_at_once_make_one_object(
    replicas: list[Running], request_: Any, operation: str, expected: tuple[int, int]
) -> None:
    """Twelve calls of the same write, spread over two replicas, are one at GitHub, and exactly one says it made it."""
    replicas[0].github.dials.latency = 0.02
    answers = await asyncio.gather(*(send(replicas[number % 2], request_) for number in range(12)))
    assert [answer.created for answer in answers if answer.created] == [True]
    assert expected == made(replicas[0])
    assert [operation] == [entry.operation for entry in replicas[0].github.requests if entry.operation == operation]


async def test_comment_is_not_searched_for_again(replicas: list[Running]) -> None:
    """The second edit of a comment reads that one comment, on any replica, not all comments of the issue."""
    await send(replicas[0], comment(body="one"))
    del replicas[0].github.requests[:]
    await send(replicas[1], comment(body="two"))
    asked = [name for name in replicas[0].reads() if name != "users.get_authenticated"]
    assert asked == ["comments.get", "comments.update"]


async def test_comment_of_a_person_with_our_marker_is_left_alone(replicas: list[Running]) -> None:
    """Someone who copies a marker does not get their words overwritten, and does not keep ours away."""
    github = replicas[0].github
    repository = github.store.repository("acme", "toy")
    copied = "<!-- miyabi:plan -->\nmine"
    theirs = github._forge.add_comment(repository, repository.items[2], body=copied, author="someone")
    for body in ("one", "two"):
        await send(replicas[0], comment(body=body))
    assert copied == theirs.body
    assert [entry.author for entry in repository.items[2].comments] == ["someone", "miyabi-bot"]


async def test_removed_comment_is_made_anew(replicas: list[Running]) -> None:
    """A note of where the comment was is a help only: a comment that is gone is written again."""
    await send(replicas[0], comment())
    replicas[0].github.store.repository("acme", "toy").items[2].comments.clear()
    assert (await send(replicas[1], comment())).created


async def test_labels_of_a_family_change_in_one_call(replicas: list[Running]) -> None:
    """Two replicas that set another label of an exclusive family leave one label of it."""
    first, second = (
        pb.SetLabelsRequest(
            repository=REPOSITORY,
            number=1,
            add=[pb.LabelDefinition(name=name)],
            remove=[other for other in ("type:bug", "type:docs", "old") if other != name],
        )
        for name in ("type:bug", "type:docs")
    )
    await asyncio.gather(send(replicas[0], first), send(replicas[1], second))
    labels = replicas[0].github.store.repository("acme", "toy").items[1].labels
    assert len(labels) == 1
    assert labels[0] in {"type:bug", "type:docs"}


async def test_secondary_limit_is_waited_out(replicas: list[Running]) -> None:
    """A pull request that GitHub puts off for a second is opened then, once."""
    replicas[0].github.dials.faults.append(Fault(status=403, retry_after=1, operation="pulls.create"))
    assert (await send(replicas[0], pull())).created
    assert made(replicas[0]) == (0, 41)


async def test_pull_request_that_github_does_not_show_yet_is_waited_for(redis_url: str) -> None:
    """GitHub's lists lag behind its writes: where it says that there is one, it is looked for until it is seen."""
    found = {
        "number": 7, "node_id": "PR_7", "title": "One", "body": None, "state": "open", "draft": False, "html_url": "u",
        "head": {"ref": HEAD, "sha": "a" * 40}, "base": {"ref": "main", "sha": "b" * 40}, "labels": [], "merged_at": None,
    }  # fmt: skip
    shown = iter([[], [], [found]])

    async def answer(asked: web.Request) -> web.Response:
        if asked.method == "POST":
            errors = [{"message": f"A pull request already exists for acme:{HEAD}."}]
            return web.json_response({"message": "Validation Failed", "errors": errors}, status=422)
        return web.json_response(next(shown) if asked.path.endswith("/pulls") else [])

    async with scripted(answer) as github:
        subject: Any = github
        async with gateway_before(subject, "t", redis_url, max_open_pull_requests=0) as gateway:
            made = await send(gateway, pull())
    assert (made.pull_request.number, github.requests) == (
        7, [(method, f"/repos/{REPOSITORY}/pulls") for method in ("GET", "POST", "GET", "GET")]
    )  # fmt: skip


async def test_reviewers_are_asked_once_and_nobody_fails_the_pull_request(replicas: list[Running]) -> None:
    """A repeat asks nobody again; a reviewer whom GitHub refuses is no reason to say that there is no pull request."""
    for _ in range(2):
        await send(replicas[0], pull(reviewers=["bo", "miyabi-bot"]))
    assert replicas[0].reads().count("pulls.request_reviewers") == 1


async def test_issue_gets_its_labels_on_the_repeat(replicas: list[Running]) -> None:
    """Where the labels failed after the issue was opened, the same call again sets them."""
    request = issue(labels=[pb.LabelDefinition(name="found")])
    replicas[0].github.dials.faults.append(Fault(status=422, operation="SetLabels"))
    with pytest.raises(grpc.aio.AioRpcError):
        await send(replicas[0], request)
    answer = await send(replicas[1], request)
    assert (answer.created, list(answer.issue.labels)) == (False, ["found"])


@pytest.mark.parametrize(
    "request_", [comment(number=999), pb.SetLabelsRequest(repository=REPOSITORY, number=999, remove=["x"])]
)
async def test_write_to_what_is_not_there_is_not_found(replicas: list[Running], request_: Any) -> None:
    """An issue that is not there is NOT_FOUND, and nothing was written."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await send(replicas[0], request_)
    assert isinstance(from_rpc_error(caught.value), NotFoundError)


async def test_write_is_read_by_the_other_replica(replicas: list[Running]) -> None:
    """What one replica wrote is not hidden by what the other has cached."""
    request = pb.BatchGetIssuesRequest(repository=REPOSITORY, numbers=[2], fields=[pb.ISSUE_FIELD_COMMENTS])

    async def comments() -> list[str]:
        return [
            entry.body
            async for answer in replicas[1].stub.BatchGetIssues(request)
            for entry in answer.entries[0].issue.comments
        ]

    assert await comments() == []
    await send(replicas[0], comment())
    async with asyncio.timeout(10):
        while not (found := await comments()):
            await asyncio.sleep(0)
    assert found == ["<!-- miyabi:plan -->\ntext"]


async def test_lock_excludes_and_frees(redis_url: str) -> None:
    """Two holders never overlap; an error passes through as it is and frees the lock."""
    async with Redis.from_url(redis_url) as first, Redis.from_url(redis_url) as second:
        inside: list[int] = []

        async def hold(client: redis.asyncio.Redis) -> None:
            async with RedisLocks(client).hold("x"):
                inside.append(1)
                assert len(inside) == 1
                await asyncio.sleep(0)
                inside.pop()

        await asyncio.gather(*(hold(client) for client in (first, second) * 5))
        with pytest.raises(KeyError):
            async with RedisLocks(first).hold("x"):
                raise KeyError("mine")
        await hold(second)
        assert await first.keys("gateway:lock:*") == []


async def test_without_the_store_nothing_is_written(tmp_path: Path) -> None:
    """Without the state store a write is refused rather than done without its lock."""
    async with Redis(port=1) as client:
        with pytest.raises(UnavailableError):
            async with RedisLocks(client).hold("x"):
                pytest.fail("was let in")
