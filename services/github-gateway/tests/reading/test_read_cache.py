"""Reads go through both caches; replicas share, and nobody sees what is not theirs."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import grpc
import pytest
import redis.asyncio
from pydantic import SecretStr
from reading_issues import BODY, change, landed, one, title
from running_gateway import REPOSITORY, Running, gateway_before, simulated

from miyabi.common.v1.freshness_pb2 import STALE_CAUSE_RATE_LIMITED, STALE_CAUSE_UNAVAILABLE
from miyabi.github_gateway.v1 import github_gateway_service_pb2 as pb
from miyabi_core.errors import MiyabiError
from miyabi_core.metrics import REGISTRY
from miyabi_core.store.valkey import EmbeddedValkey
from miyabi_github_gateway.models import Change, Entry, Issue, Read, Repository, StaleCause
from miyabi_sim.github import Fault


async def test_second_replica_reads_from_the_shared_cache(replicas: tuple[Running, Running]) -> None:
    """What one replica has read the other does not ask GitHub for."""
    first, second = replicas
    assert (await one(first, 1)).age is None
    await landed(first)
    assert (await one(second, 1)).age is not None
    assert first.reads() == ["BatchGetIssues"]


async def test_replicas_read_the_same_thing_once(replicas: tuple[Running, Running]) -> None:
    """Both are asked at the same moment: one goes to GitHub, the other waits for it."""
    first, second = replicas
    first.github.dials.latency = 0.2
    answers = await asyncio.gather(*(one(gateway, 1) for gateway in replicas for _ in range(5)))
    assert all(isinstance(answer.value, Issue) for answer in answers)
    assert second.reads() == ["BatchGetIssues"]


async def test_reader_falls_through_when_the_holder_of_a_claim_dies(running_gateway: Running, redis_url: str) -> None:
    """A claim that nobody ends is waited for until it expires, then the reader goes to GitHub itself."""
    shared = running_gateway.gateway.reading.shared
    scope = (await running_gateway.gateway.credentials.of("acme")).scope
    lock = shared._lock(Read(REPOSITORY, BODY, 1).key(scope))
    async with redis.asyncio.Redis.from_url(redis_url) as client:
        await client.set(lock, "a replica that died", px=300)
    assert isinstance((await one(running_gateway, 1)).value, Issue)
    assert running_gateway.reads() == ["BatchGetIssues"]


async def test_change_is_forgotten_on_every_replica(replicas: tuple[Running, Running]) -> None:
    """After an invalidation at one replica the other reads anew, though it had the issue in its own memory."""
    first, second = replicas
    await one(first, 1)
    await landed(first)
    await one(second, 1)
    change(first, 1, "New")
    assert await title(second, 1) == "Issue 1"
    await first.gateway.reading.reads.invalidate(REPOSITORY.upper(), number=1)
    async with asyncio.timeout(10):
        while await title(second, 1) != "New":
            await asyncio.sleep(0.01)


async def test_whole_repository_is_forgotten(replicas: tuple[Running, Running]) -> None:
    """Without a number everything of the repository is read anew, on both replicas."""
    first, second = replicas
    await one(first, 1)
    await one(second, 2)
    for number in (1, 2):
        change(first, number, "New")
    await first.gateway.reading.reads.invalidate(REPOSITORY)
    assert await title(first, 1) == "New"
    async with asyncio.timeout(10):
        while await title(second, 2) != "New":
            await asyncio.sleep(0.01)


async def test_read_under_way_during_a_change_is_not_kept(running_gateway: Running) -> None:
    """The answer of a query that began before a change goes to its caller, and the next caller reads anew."""
    running_gateway.github.dials.latency = 0.3
    asking = running_gateway.asking()
    before = asyncio.create_task(title(running_gateway, 1))
    await asking.wait()
    await running_gateway.gateway.reading.reads.invalidate(REPOSITORY, number=1)
    assert await before == "Issue 1"
    change(running_gateway, 1, "New")
    assert await title(running_gateway, 1) == "New"


async def test_forgetting_a_repository_during_a_read_leaves_no_claim(running_gateway: Running) -> None:
    """What was read before the change is not kept, and the claim ends with it: the next reader waits for nobody."""
    shared = running_gateway.gateway.reading.shared
    entry = Entry(Repository("acme/toy", "R_1", "main", "main", "s", private=False, url="u"), 1.0)
    tokens = await shared.claim(REPOSITORY, ["key"])
    await shared.drop(REPOSITORY, [], Change(REPOSITORY))
    assert await shared.put_many(REPOSITORY, {"key": entry}, tokens=tokens) == frozenset()
    assert await shared.get_many(REPOSITORY, ["key"]) == {}
    assert list(await shared.claim(REPOSITORY, ["key"])) == ["key"]


async def test_private_issue_never_reaches_another_credential(tmp_path: Path, redis_url: str) -> None:
    """A gateway with a credential that GitHub refuses gets nothing, though the issue is in the cache that both share."""
    async with (
        simulated(tmp_path) as (github, token),
        gateway_before(github, token, redis_url) as allowed,
        gateway_before(github, f"ghp_{secrets.token_hex(18)}", redis_url) as stranger,
    ):
        assert isinstance((await one(allowed, 1)).value, Issue)
        await landed(allowed)
        with pytest.raises(MiyabiError) as caught:
            await one(stranger, 1)
    assert caught.value.code in {grpc.StatusCode.PERMISSION_DENIED, grpc.StatusCode.UNAUTHENTICATED}


async def test_stale_is_marked_while_github_is_away(tmp_path: Path, redis_url: str) -> None:
    """Past its time an issue is read anew; where GitHub cannot answer, the old one comes, marked, with its age."""
    options = {"cache_ttl_ms": 1, "cache_revalidate_seconds": 0.0}
    async with simulated(tmp_path) as (github, token), gateway_before(github, token, redis_url, **options) as gateway:
        await one(gateway, 1)
        await landed(gateway)
        github.dials.faults.append(Fault(kind="status", status=503, operation="BatchGetIssues", count=50))
        request = pb.BatchGetIssuesRequest(repository=REPOSITORY, numbers=[1], fields=[pb.ISSUE_FIELD_BODY])
        entries = [entry async for answer in gateway.stub.BatchGetIssues(request) for entry in answer.entries]
        assert [(entry.freshness.stale, entry.issue.title) for entry in entries] == [(True, "Issue 1")]
        assert entries[0].freshness.age.ToTimedelta() > timedelta(0)
        assert entries[0].freshness.cause == STALE_CAUSE_UNAVAILABLE
        with pytest.raises(MiyabiError):
            await one(gateway, 1, fresh=True)
        with pytest.raises(MiyabiError):
            await one(gateway, 2)


@pytest.mark.parametrize("kind", ["secondary", "graphql_limit"])
async def test_stale_is_marked_while_github_limits_us(tmp_path: Path, redis_url: str, kind: str) -> None:
    """Where a limit is longer than the caller waits the old issue comes, marked, with its age; others are told the limit."""
    options = {"cache_ttl_ms": 1, "cache_revalidate_seconds": 0.0}
    async with simulated(tmp_path) as (github, token), gateway_before(github, token, redis_url, **options) as gateway:
        await one(gateway, 1)
        await landed(gateway)
        github.dials.faults.append(Fault(kind=kind, operation="BatchGetIssues", count=50))
        request = pb.BatchGetIssuesRequest(repository=REPOSITORY, numbers=[1], fields=[pb.ISSUE_FIELD_BODY])
        reading = gateway.stub.BatchGetIssues(request, timeout=5)
        entries = [entry async for answer in reading for entry in answer.entries]
        assert [(entry.freshness.stale, entry.issue.title) for entry in entries] == [(True, "Issue 1")]
        assert entries[0].freshness.age.ToTimedelta() > timedelta(0)
        assert entries[0].freshness.cause == STALE_CAUSE_RATE_LIMITED
        unknown = pb.BatchGetIssuesRequest(repository=REPOSITORY, numbers=[2], fields=[pb.ISSUE_FIELD_BODY])
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            _ = [answer async for answer in gateway.stub.BatchGetIssues(unknown, timeout=5)]
        assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED


def counted(kind: str, outcome: str) -> float:
    """Return what the process has counted."""
    labels = {"kind": kind, "outcome": outcome}
    return REGISTRY.get_sample_value("miyabi_github_cache_reads_total", labels) or 0.0


async def test_counters_tell_where_answers_came_from(replicas: tuple[Running, Running]) -> None:
    """Three misses, one joined, three from the shared cache and two from memory are counted as that, and nothing else."""
    first, second = replicas
    outcomes = ("miss", "joined", "l2", "l1", "other_replica", "bypassed")
    before = {outcome: counted("issue", outcome) for outcome in outcomes}
    await asyncio.gather(*(one(first, number) for number in (1, 2, 3, 3)))
    await landed(first)
    for number in (1, 2, 3):
        await one(second, number)
    await landed(second)
    for number in (1, 2):
        await one(second, number)
    await one(second, 1, fresh=True)
    found = {outcome: counted("issue", outcome) - before[outcome] for outcome in outcomes}
    assert found == {"miss": 3, "joined": 1, "l2": 3, "l1": 2, "other_replica": 0, "bypassed": 1}


@pytest.mark.parametrize(("length", "marker"), [(500, b"\x00"), (5000, b"\x01")], ids=["small", "large"])
async def test_values_above_a_kilobyte_are_compressed(
    replicas: tuple[Running, Running], redis_url: str, length: int, marker: bytes
) -> None:
    """A long body is small in the shared cache, a short one is as it is, and both come back whole at another replica."""
    first, second = replicas
    body = "word " * (length // 5)
    first.github.store.repository("acme", "toy").items[4].body = body
    await one(first, 4)
    await landed(first)
    async with redis.asyncio.Redis.from_url(redis_url) as client:
        (key,) = [key async for key in client.scan_iter("miyabi:cache:1:*:v:*")]
        value: bytes = await client.get(key)
    assert value[:1] == marker
    assert (len(value) < length) == (marker == b"\x01")
    found = (await one(second, 4)).value
    assert isinstance(found, Issue)
    assert found.body == body


async def test_stale_is_handed_out_while_it_is_read_anew(tmp_path: Path, redis_url: str) -> None:
    """A little past its time an issue comes at once, marked; soon after the new one is there."""
    options = {"cache_ttl_ms": 1, "cache_revalidate_seconds": 60.0}
    async with simulated(tmp_path) as (github, token), gateway_before(github, token, redis_url, **options) as gateway:
        await one(gateway, 1)
        await landed(gateway)
        change(gateway, 1, "New")
        await asyncio.sleep(0.005)
        old = await one(gateway, 1)
        assert isinstance(old.value, Issue)
        assert (old.cause, old.value.title) == (StaleCause.REVALIDATING, "Issue 1")
        async with asyncio.timeout(10):
            while await title(gateway, 1) != "New":
                await asyncio.sleep(0.01)


async def test_without_a_cache_server_reads_still_answer(tmp_path: Path) -> None:
    """The cache is gone: every read goes to GitHub or to the process's own memory."""
    dead = "redis://127.0.0.1:1/0"
    async with simulated(tmp_path) as (github, token), two_caches(github, token, dead, tmp_path) as gateway:
        assert isinstance((await one(gateway, 1)).value, Issue)
        assert (await one(gateway, 1)).age is not None
        assert gateway.reads() == ["BatchGetIssues"]


@asynccontextmanager
async def two_caches(github: Any, token: str, cache_url: str, folder: Path) -> AsyncIterator[Running]:
    """Run a gateway whose cache server is another one than its state store."""
    async with (
        EmbeddedValkey(folder / "state", appendfsync="no") as state,
        gateway_before(github, token, state.url, cache_url=SecretStr(cache_url)) as gateway,
    ):
        yield gateway


async def test_every_key_of_the_cache_expires(running_gateway: Running, redis_url: str) -> None:
    """Values, claims, stamps and the list of what was in use have an expiry: the server may evict each, and nothing else."""
    await one(running_gateway, 1)
    await running_gateway.gateway.reading.reads.invalidate(REPOSITORY)
    await one(running_gateway, 2)
    await landed(running_gateway)
    async with redis.asyncio.Redis.from_url(redis_url) as client:
        keys = [key async for key in client.scan_iter("miyabi:cache:*")]
        assert len(keys) >= 3
        assert [key for key in keys if await client.pttl(key) <= 0] == []


async def test_what_was_in_use_is_warm_after_a_start(tmp_path: Path, redis_url: str) -> None:
    """A gateway is ready when the open issues of the repositories in use are in its memory: the first read costs nothing."""
    async with simulated(tmp_path) as (github, token):
        async with gateway_before(github, token, redis_url, warm_seconds=20.0) as gateway:
            await one(gateway, 5)
            await landed(gateway)
            async with asyncio.timeout(10):
                while not await gateway.gateway.reading.shared.recent(1):
                    await asyncio.sleep(0.01)
        async with gateway_before(github, token, redis_url, warm_seconds=20.0) as gateway:
            asked = len(gateway.reads())
            assert (await one(gateway, 30)).age is not None
            assert len(gateway.reads()) == asked


async def test_warm_up_that_takes_too_long_does_not_keep_the_gateway_from_serving(
    tmp_path: Path, redis_url: str
) -> None:
    """Readiness waits no longer than it was told."""
    async with simulated(tmp_path) as (github, token):
        github.dials.latency = 30.0
        options = {"warm_seconds": 0.2, "warm_repositories": REPOSITORY}
        async with asyncio.timeout(20), gateway_before(github, token, redis_url, **options) as gateway:
            assert gateway.gateway.grpc.port > 0
