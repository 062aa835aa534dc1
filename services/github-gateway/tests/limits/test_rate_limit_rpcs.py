"""Limits as callers see them: GetRateLimits, WatchRateLimits, caps of repositories, lanes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import grpc
import pytest
import pytest_asyncio
from running_gateway import REPOSITORY, Running, gateway_before, push_branches, simulated

from miyabi.github_gateway.v1 import github_gateway_service_pb2 as pb
from miyabi_core.errors import InvalidArgumentError, NotFoundError, ResourceExhaustedError
from miyabi_core.status import from_rpc_error
from miyabi_github_gateway.service.governor import metrics
from miyabi_github_gateway.service.limits import WithCaps

CREDENTIAL = [
    "core", "graphql", "core-minute", "graphql-minute", "concurrent", "content-minute", "content-hour",
    "busy-minute", "graphql-busy-minute",
]  # fmt: skip


@pytest_asyncio.fixture
async def capped(tmp_path: Path, redis_url: str) -> AsyncIterator[Running]:
    """A gateway that lets a repository have two of our pull requests open, and three opened within an hour."""
    caps = {"max_open_pull_requests": 2, "max_pull_requests_per_hour": 3}
    async with simulated(tmp_path) as (github, token), gateway_before(github, token, redis_url, **caps) as gateway:
        push_branches(gateway, "miyabi/a", "miyabi/b", "miyabi/c", "miyabi/d", "theirs")
        yield gateway


async def create(gateway: Running, head: str) -> bool:
    """Open a pull request; returns whether it is new."""
    request = pb.CreatePullRequestRequest(repository=REPOSITORY, head_branch=head, base_branch="main", title=head)
    created: bool = (await gateway.stub.CreatePullRequest(request, timeout=20)).created
    return created


async def refusal(gateway: Running, head: str) -> ResourceExhaustedError:
    """Return why a pull request is not opened."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await create(gateway, head)
    error = from_rpc_error(caught.value)
    assert isinstance(error, ResourceExhaustedError)
    return error


async def watched(gateway: Running) -> AsyncIterator[dict[str, pb.RateLimit]]:
    """Yield each answer of a stream over the repository."""
    async for answer in gateway.stub.WatchRateLimits(pb.WatchRateLimitsRequest(repositories=[REPOSITORY])):
        yield {limit.resource: limit for limit in answer.limits}


async def close(gateway: Running, number: int) -> None:
    """Close a pull request at GitHub, and hear of it as webhooks do."""
    repository = gateway.github.store.repository("acme", "toy")
    repository.items[number].state = "closed"
    await WithCaps(gateway.gateway.reading.reads, gateway.gateway.caps).invalidate(REPOSITORY, number=number)


async def test_limits_are_there_before_anything_was_sent(running_gateway: Running) -> None:
    """Every limit of the credential is listed; what GitHub has not said yet is -1."""
    answer = await running_gateway.stub.GetRateLimits(pb.GetRateLimitsRequest())
    found = {limit.resource: limit for limit in answer.limits}
    assert sorted(CREDENTIAL) == sorted(found)
    assert (found["core"].limit, found["core"].remaining, found["content-hour"].remaining) == (5000, -1, 500)


async def test_limits_follow_what_github_says(running_gateway: Running) -> None:
    """After a query the points left are those of GitHub's headers, and the stream has said so."""
    answers = aiter(running_gateway.stub.WatchRateLimits(pb.WatchRateLimitsRequest()))
    first = {limit.resource: limit for limit in (await anext(answers)).limits}
    await running_gateway.stub.GetRepository(pb.GetRepositoryRequest(repository=REPOSITORY))
    then = {limit.resource: limit for limit in (await anext(answers)).limits}
    while then["graphql"].remaining < 0 or then["concurrent"].used:
        then = {limit.resource: limit for limit in (await anext(answers)).limits}
    assert first["graphql"].remaining == -1
    assert then["graphql"].remaining == 5000 - then["graphql"].used
    assert then["graphql"].used >= 1
    assert then["graphql"].HasField("reset_time")


async def test_what_a_query_asks_for_is_told_with_the_limits(running_gateway: Running) -> None:
    """After issues were read, the size that their shape's next query may have, which is no limit of GitHub's."""
    answers = aiter(running_gateway.stub.WatchRateLimits(pb.WatchRateLimitsRequest()))
    await anext(answers)
    async for _ in running_gateway.stub.BatchGetIssues(
        pb.BatchGetIssuesRequest(repository=REPOSITORY, numbers=range(1, 31), fresh=True)
    ):
        pass
    async with asyncio.timeout(20):
        while not (sizes := (await anext(answers)).query_sizes):
            await running_gateway.stub.GetRepository(pb.GetRepositoryRequest(repository=REPOSITORY))
    assert all(size.shape and 1 <= size.things <= 100 for size in sizes)


async def test_caps_are_streamed_as_they_change(capped: Running) -> None:
    """The first answer comes at once with both caps; each pull request that is opened or closed changes them."""
    answers = watched(capped)
    first = await anext(answers)
    assert (first["open-pull-requests"].limit, first["open-pull-requests"].remaining) == (2, 2)
    assert (first["pull-requests-hour"].limit, first["pull-requests-hour"].remaining) == (3, 3)
    assert first["open-pull-requests"].repository == REPOSITORY
    await create(capped, "miyabi/a")
    while (then := await anext(answers))["open-pull-requests"].remaining != 1:
        pass
    assert then["pull-requests-hour"].remaining == 2
    await close(capped, 41)
    while (then := await anext(answers))["open-pull-requests"].remaining != 2:
        pass
    assert then["pull-requests-hour"].remaining == 2


async def test_cap_of_open_pull_requests_is_kept(capped: Running) -> None:
    """The third is refused with when to come back; one that is there may be written to; a closed one makes room."""
    assert [await create(capped, head) for head in ("miyabi/a", "miyabi/b")] == [True, True]
    error = await refusal(capped, "miyabi/c")
    assert (error.metadata["resource"], error.metadata["repository"]) == ("open-pull-requests", REPOSITORY)
    assert error.retry_after is not None
    assert await create(capped, "miyabi/a") is False
    await close(capped, 41)
    assert await create(capped, "miyabi/c") is True


async def test_cap_of_the_hour_is_kept(capped: Running) -> None:
    """The fourth within the hour is refused although there is room; the wait is the rest of the hour."""
    for number, head in enumerate(("miyabi/a", "miyabi/b", "miyabi/c"), start=41):
        assert await create(capped, head) is True
        await close(capped, number)
    error = await refusal(capped, "miyabi/d")
    assert error.metadata["resource"] == "pull-requests-hour"
    assert error.retry_after is not None
    assert 3500 < error.retry_after.total_seconds() <= 3600


async def test_calls_at_once_do_not_pass_a_cap(capped: Running) -> None:
    """Of four calls at the same time two are let through."""
    heads = ("miyabi/a", "miyabi/b", "miyabi/c", "miyabi/d")
    outcomes = await asyncio.gather(*(create(capped, head) for head in heads), return_exceptions=True)
    assert sum(outcome is True for outcome in outcomes) == 2
    assert len(list(capped.github.store.repository("acme", "toy").pulls())) == 2


async def test_pull_request_that_fails_gives_its_place_back(capped: Running) -> None:
    """A head that was never pushed is refused by GitHub, and counts nowhere."""
    for _ in range(4):
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await create(capped, "miyabi/nowhere")
        assert caught.value.code() is grpc.StatusCode.FAILED_PRECONDITION
    limits = {limit.resource: limit.used for limit in await capped.gateway.caps.rate_limits([REPOSITORY])}
    assert limits == {"open-pull-requests": 0, "pull-requests-hour": 0}


async def test_replicas_share_the_caps(capped: Running, redis_url: str) -> None:
    """What one replica opened counts for the other."""
    for head in ("miyabi/a", "miyabi/b"):
        await create(capped, head)
    caps = {"max_open_pull_requests": 2, "max_pull_requests_per_hour": 3}
    async with gateway_before(capped.github, capped.token, redis_url, **caps) as other:
        assert (await refusal(other, "miyabi/c")).metadata["resource"] == "open-pull-requests"


async def test_repository_without_caps_has_limit_0(tmp_path: Path, redis_url: str) -> None:
    """Caps that are switched off are told as limit 0, and keep nothing back."""
    caps = {"max_open_pull_requests": 0, "max_pull_requests_per_hour": 0}
    async with simulated(tmp_path) as (github, token), gateway_before(github, token, redis_url, **caps) as gateway:
        first = await anext(watched(gateway))
    assert (first["open-pull-requests"].limit, first["pull-requests-hour"].limit) == (0, 0)


async def test_gateway_serves_without_redis(tmp_path: Path, redis_url: str) -> None:
    """Without its store the gateway still answers, with its own part of the limits, and says so."""
    del redis_url
    away = "redis://127.0.0.1:1/0"
    async with simulated(tmp_path) as (github, token), gateway_before(github, token, away) as gateway:
        answer = await gateway.stub.GetRepository(pb.GetRepositoryRequest(repository=REPOSITORY), timeout=30)
        assert answer.repository.name == REPOSITORY
        (governor,) = gateway.gateway.governors
        assert not governor.budget.is_shared
        assert metrics.SHARED.labels(governor.scope)._value.get() == 0


async def test_lane_that_there_is_not_is_refused(running_gateway: Running) -> None:
    """A caller who misspells its lane learns it."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await running_gateway.stub.GetRepository(
            pb.GetRepositoryRequest(repository=REPOSITORY), metadata=(("miyabi-lane", "fast"),)
        )
    assert isinstance(from_rpc_error(caught.value), InvalidArgumentError)


async def test_what_may_not_be_seen_is_not_found_with_a_hint(running_gateway: Running) -> None:
    """GitHub answers 404 for lack of rights: the error says which right it would take."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await running_gateway.stub.GetRepository(pb.GetRepositoryRequest(repository="acme/secret"))
    error = from_rpc_error(caught.value)
    assert isinstance(error, NotFoundError)
    assert "metadata:read" in error.message
