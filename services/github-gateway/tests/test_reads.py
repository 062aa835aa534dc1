"""Reads go through both caches and travel together; replicas share, and nobody sees what is not theirs."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import grpc
import httpx
import pytest
import pytest_asyncio
import redis.asyncio
from pydantic import SecretStr
from running_gateway import REPOSITORY, Running, gateway_before, simulated

from miyabi.common.v1.freshness_pb2 import STALE_CAUSE_RATE_LIMITED, STALE_CAUSE_UNAVAILABLE
from miyabi.github_gateway.v1 import github_gateway_service_pb2 as pb
from miyabi_core.errors import MiyabiError
from miyabi_core.valkey import EmbeddedValkey
from miyabi_github_gateway.models import (
    Answer,
    Change,
    Entry,
    Issue,
    IssueField,
    Kind,
    Read,
    Repository,
    Shape,
    StaleCause,
)
from miyabi_sim.github import Fault
from miyabi_sim.github.models import Comment, Event, Label

BODY = Shape(Kind.ISSUE, frozenset({IssueField.BODY}))
LABELS = Shape(Kind.ISSUE, frozenset({IssueField.LABELS}))


@asynccontextmanager
async def two_gateways(tmp_path: Path, redis_url: str, **overrides: Any) -> AsyncIterator[tuple[Running, Running]]:
    """Run two replicas before one GitHub."""
    async with (
        simulated(tmp_path) as (github, token),
        gateway_before(github, token, redis_url, **overrides) as first,
        gateway_before(github, token, redis_url, **overrides) as second,
    ):
        yield first, second


@pytest_asyncio.fixture
async def replicas(tmp_path: Path, redis_url: str) -> AsyncIterator[tuple[Running, Running]]:
    """Two replicas that have just started."""
    async with two_gateways(tmp_path, redis_url) as both:
        yield both


async def one(gateway: Running, number: int, shape: Shape = BODY, **options: Any) -> Answer:
    """Read one issue."""
    return await gateway.gateway.reading.reads.one(Read(REPOSITORY, shape, number), **options)


async def title(gateway: Running, number: int, **options: Any) -> str:
    """Read one issue's title."""
    found = (await one(gateway, number, **options)).value
    assert isinstance(found, Issue)
    return found.title


def change(gateway: Running, number: int, text: str) -> None:
    """Change an issue's title behind the gateway's back."""
    issue = gateway.github.store.repository("acme", "toy").items[number]
    issue.title = text


async def test_callers_of_different_fields_share_a_query_and_see_only_theirs(running_gateway: Running) -> None:
    """One issue that is wanted with body and with labels is read once, with both; each caller gets its own part."""
    body, labels = await asyncio.gather(one(running_gateway, 1, BODY), one(running_gateway, 1, LABELS))
    assert isinstance(body.value, Issue)
    assert isinstance(labels.value, Issue)
    assert running_gateway.reads() == ["BatchGetIssues"]
    assert (body.value.body, body.value.labels, labels.value.body, labels.value.labels) == ("Body 1", (), "", ("old",))


async def test_single_reads_of_issues_become_one_query(running_gateway: Running) -> None:
    """Twenty callers within the window are one request."""
    await asyncio.gather(*(one(running_gateway, number) for number in range(1, 21)))
    assert running_gateway.reads() == ["BatchGetIssues"]


async def test_single_reads_of_repositories_become_one_query(running_gateway: Running) -> None:
    """Repositories are coalesced as issues are; a branch that is missing harms only its own read."""
    reads = running_gateway.gateway.reading.reads
    shape = Shape(Kind.REPOSITORY)
    wanted = [Read(REPOSITORY, shape), Read(REPOSITORY, shape, name="main"), Read(REPOSITORY, shape, name="gone")]
    plain, named, gone = await asyncio.gather(*map(reads.one, wanted), return_exceptions=True)
    assert isinstance(plain, Answer)
    assert isinstance(named, Answer)
    assert isinstance(plain.value, Repository)
    assert plain.value == named.value
    assert isinstance(gone, MiyabiError)
    assert gone.metadata["branch"] == "gone"
    assert running_gateway.reads() == ["GetRepository"]


async def test_pull_request_is_read_by_number_and_issue_numbers_are_none(running_gateway: Running) -> None:
    """The number of an issue is no pull request."""
    shape = Shape(Kind.PULL_REQUEST)
    answer = await running_gateway.gateway.reading.reads.one(Read(REPOSITORY, shape, 1))
    assert answer.value is None


async def test_cancelled_caller_takes_nothing_from_the_others(running_gateway: Running) -> None:
    """Of two who wait for one issue the first leaves; the second gets it, from the same query."""
    running_gateway.github.dials.latency = 0.2
    first = asyncio.create_task(one(running_gateway, 1))
    second = asyncio.create_task(one(running_gateway, 1))
    await asyncio.sleep(0.05)
    first.cancel()
    answer = await second
    assert isinstance(answer.value, Issue)
    assert running_gateway.reads() == ["BatchGetIssues"]


async def test_each_caller_has_its_own_time(running_gateway: Running) -> None:
    """One who waits 50 ms is told so; one who waits longer gets the issue from the same query."""
    running_gateway.github.dials.latency = 0.4
    short, long = await asyncio.gather(
        one(running_gateway, 1, timeout=timedelta(milliseconds=50)),
        one(running_gateway, 1, timeout=timedelta(seconds=20)),
        return_exceptions=True,
    )
    assert isinstance(short, MiyabiError)
    assert short.code is grpc.StatusCode.DEADLINE_EXCEEDED
    assert isinstance(long, Answer)
    assert running_gateway.reads() == ["BatchGetIssues"]


async def test_known_issues_are_refreshed_by_their_node_ids(running_gateway: Running) -> None:
    """A second read past the cache asks for nodes, and brings what has changed."""
    await one(running_gateway, 1)
    change(running_gateway, 1, "New")
    assert await title(running_gateway, 1, fresh=True) == "New"
    assert len(running_gateway.reads()) == 2


async def test_issue_that_moved_is_not_taken_for_the_one_asked_for(running_gateway: Running) -> None:
    """A node id that leads nowhere any more is looked up by number again, and that says that the issue is gone."""
    await one(running_gateway, 2)
    del running_gateway.github.store.repository("acme", "toy").items[2]
    assert (await one(running_gateway, 2, fresh=True)).value is None
    assert len(running_gateway.reads()) == 3


async def test_long_comments_are_paged_to_the_end(running_gateway: Running) -> None:
    """250 comments are three pages, and all are there in their order."""
    for place in range(250):
        store = running_gateway.github.store
        issue = store.repository("acme", "toy").items[3]
        issue.comments.append(Comment(id=store.next_comment_id(), author="b", body=f"Comment {place}", created_at=issue.created_at, updated_at=issue.created_at))  # fmt: skip
    found = (await one(running_gateway, 3, Shape(Kind.ISSUE, frozenset({IssueField.COMMENTS})))).value
    assert isinstance(found, Issue)
    assert [comment.body for comment in found.comments] == [f"Comment {place}" for place in range(250)]
    assert running_gateway.reads() == ["BatchGetIssues", "MorePages", "MorePages"]


async def test_everything_long_is_paged_to_the_end(running_gateway: Running) -> None:
    """Of 230 labels, assignees, sub-issues and events every one comes, in its order, with two further pages for all."""
    repository = running_gateway.github.store.repository("acme", "toy")
    issue, moment = repository.items[3], repository.items[3].created_at
    names = [f"label-{place}" for place in range(230)]
    repository.labels += [Label(id=place, name=name) for place, name in enumerate(names, start=100)]
    issue.labels, issue.assignees = names, [f"user-{place}" for place in range(230)]
    repository.items |= {number: replace(issue, number=number, id=number) for number in range(100, 330)}
    issue.sub_issues = list(range(100, 330))
    issue.events = [
        Event(place, ("LabeledEvent", "UnlabeledEvent")[place % 2], "a", moment, name)
        for place, name in enumerate(names)
    ]
    fields = {IssueField.LABELS, IssueField.PLANNING, IssueField.RELATIONS, IssueField.TIMELINE}
    found = (await one(running_gateway, 3, Shape(Kind.ISSUE, frozenset(fields)))).value
    assert isinstance(found, Issue)
    assert (found.labels, found.assignees) == (tuple(names), tuple(issue.assignees))
    assert found.sub_issues == tuple(range(100, 330))
    assert [event.label for event in found.timeline] == names
    assert running_gateway.reads().count("MorePages") == 2


async def test_timeline_says_what_happened(running_gateway: Running) -> None:
    """Closed, opened again, labelled, and mentioned: each with who, when, and the label or what mentions it."""
    base = f"{running_gateway.github.url}/repos/{REPOSITORY}/issues"
    async with httpx.AsyncClient(headers={"authorization": f"Bearer {running_gateway.token}"}) as client:
        for method, path, body in (
            ("PATCH", "/5", {"state": "closed"}),
            ("PATCH", "/5", {"state": "open"}),
            ("POST", "/5/labels", {"labels": ["bug"]}),
            ("DELETE", "/5/labels/bug", None),
            ("POST", "/6/comments", {"body": "See #5."}),
        ):
            (await client.request(method, base + path, json=body)).raise_for_status()
    request = pb.BatchGetIssuesRequest(repository=REPOSITORY, numbers=[5], fields=[pb.ISSUE_FIELD_TIMELINE])
    (entry,) = [entry async for answer in running_gateway.stub.BatchGetIssues(request) for entry in answer.entries]
    kinds = [pb.TimelineEventKind.Name(event.kind).rpartition("_")[2] for event in entry.issue.timeline]
    assert kinds == ["CLOSED", "REOPENED", "LABELED", "UNLABELED", "REFERENCED"]
    assert [event.label for event in entry.issue.timeline] == ["", "", "bug", "bug", ""]
    assert [event.reference for event in entry.issue.timeline] == ["", "", "", "", "acme/toy#6"]
    assert [event.actor for event in entry.issue.timeline if not event.create_time.seconds] == []


async def test_second_replica_reads_from_the_shared_cache(replicas: tuple[Running, Running]) -> None:
    """What one replica has read the other does not ask GitHub for."""
    first, second = replicas
    assert (await one(first, 1)).age is None
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
    before = asyncio.create_task(title(running_gateway, 1))
    await asyncio.sleep(0.1)
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
        with pytest.raises(MiyabiError) as caught:
            await one(stranger, 1)
    assert caught.value.code in {grpc.StatusCode.PERMISSION_DENIED, grpc.StatusCode.UNAUTHENTICATED}


async def landed(gateway: Running) -> None:
    """Wait until no read is under way: one that comes before a value is kept would join the read of it."""
    async with asyncio.timeout(10):
        while gateway.gateway.reading.reads._flights:
            await asyncio.sleep(0)


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


async def test_stale_is_marked_while_github_limits(tmp_path: Path, redis_url: str) -> None:
    """Where GitHub's limit is reached, the old issue comes, and says that it is the limit."""
    options = {"cache_ttl_ms": 1, "cache_revalidate_seconds": 0.0}
    async with simulated(tmp_path) as (github, token), gateway_before(github, token, redis_url, **options) as gateway:
        await one(gateway, 1)
        github.dials.faults.append(Fault(kind="graphql_limit", operation="BatchGetIssues", count=50))
        request = pb.BatchGetIssuesRequest(repository=REPOSITORY, numbers=[1], fields=[pb.ISSUE_FIELD_BODY])
        call = gateway.stub.BatchGetIssues(request, timeout=5)
        entries = [entry async for answer in call for entry in answer.entries]
        assert [(entry.freshness.stale, entry.freshness.cause) for entry in entries] == [
            (True, STALE_CAUSE_RATE_LIMITED)
        ]


async def test_stale_is_handed_out_while_it_is_read_anew(tmp_path: Path, redis_url: str) -> None:
    """A little past its time an issue comes at once, marked; soon after the new one is there."""
    options = {"cache_ttl_ms": 1, "cache_revalidate_seconds": 60.0}
    async with simulated(tmp_path) as (github, token), gateway_before(github, token, redis_url, **options) as gateway:
        await one(gateway, 1)
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
    async with redis.asyncio.Redis.from_url(redis_url) as client:
        keys = [key async for key in client.scan_iter("miyabi:cache:*")]
        assert len(keys) >= 3
        assert [key for key in keys if await client.pttl(key) <= 0] == []


async def test_what_was_in_use_is_warm_after_a_start(tmp_path: Path, redis_url: str) -> None:
    """A gateway is ready when the open issues of the repositories in use are in its memory: the first read costs nothing."""
    async with simulated(tmp_path) as (github, token):
        async with gateway_before(github, token, redis_url, warm_seconds=20.0) as gateway:
            await one(gateway, 5)
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


async def test_one_poisonous_issue_harms_only_itself(running_gateway: Running) -> None:
    """Where GitHub cannot answer for one of ten, nine come and the tenth says why."""
    running_gateway.github.dials.faults.append(Fault(kind="status", status=502, operation="BatchGetIssues", count=1))
    request = pb.BatchGetIssuesRequest(repository=REPOSITORY, numbers=range(1, 11))
    found = [entry async for answer in running_gateway.stub.BatchGetIssues(request) for entry in answer.entries]
    assert sorted(entry.number for entry in found) == list(range(1, 11))
    assert [entry.error for entry in found if entry.error] == []
    assert running_gateway.reads() == ["BatchGetIssues"] * 3
