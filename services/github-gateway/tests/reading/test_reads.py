"""Reads travel together: one query for many callers, everything that was asked for, and nothing else."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta

import grpc
import httpx
import pytest
from reading_issues import BODY, LABELS, change, one, title
from running_gateway import REPOSITORY, Running

from miyabi.github_gateway.v1 import github_gateway_service_pb2 as pb
from miyabi_core.errors import MiyabiError
from miyabi_github_gateway.models import Answer, Issue, IssueField, Kind, Read, Repository, Shape
from miyabi_github_gateway.service.calling import enter
from miyabi_github_gateway.service.governor import Lane
from miyabi_sim.github import Fault
from miyabi_sim.github.kept.models import Comment, Event, Label


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
    asking = running_gateway.asking()
    first = asyncio.create_task(one(running_gateway, 1))
    second = asyncio.create_task(one(running_gateway, 1))
    await asking.wait()
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


async def test_someone_who_waits_does_not_wait_for_a_long_list(running_gateway: Running) -> None:
    """A list of forty is in one lane and a single read in the other, though they come together: two queries, not one."""
    reads = running_gateway.gateway.reading.reads
    wanted = [Read(REPOSITORY, BODY, number) for number in range(1, 41)]

    async def listed() -> int:
        enter(seconds=30, lane=Lane.BATCH)
        return sum([len(found) async for found in reads.load(wanted[:39])])

    async def single() -> Answer:
        enter(seconds=30, lane=Lane.INTERACTIVE)
        return await reads.one(wanted[39])

    count, answer = await asyncio.gather(listed(), single())
    assert count == 39
    assert isinstance(answer.value, Issue)
    assert len(running_gateway.reads()) == 3


async def found(gateway: Running, limit: int) -> list[int]:
    """Search for a word that every issue has."""
    request = pb.SearchIssuesRequest(repository=REPOSITORY, text="Body", limit=limit)
    return [issue.number async for answer in gateway.stub.SearchIssues(request) for issue in answer.issues]


async def test_search_does_not_end_where_github_does(running_gateway: Running) -> None:
    """GitHub hands out a thousand results of a search; all 2,340 come, each once, oldest first."""
    items = running_gateway.github.store.repository("acme", "toy").items
    moments = [f"2026-02-{place // 300 + 1:02}T00:00:00Z" for place in range(2300)]
    items |= {
        number: replace(items[1], number=number, id=number, created_at=moment)
        for number, moment in enumerate(moments, start=100)
    }
    assert await found(running_gateway, 10_000) == [*range(1, 41), *range(100, 2400)]
    assert await found(running_gateway, 1_005) == [*range(1, 41), *range(100, 1065)]


async def test_search_that_cannot_be_told_apart_says_so(running_gateway: Running) -> None:
    """Of 1,100 issues of one second a thousand can be had: the caller is told, rather than that these are all."""
    items = running_gateway.github.store.repository("acme", "toy").items
    items |= {number: replace(items[1], number=number, id=number) for number in range(100, 1200)}
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await found(running_gateway, 10_000)
    assert "narrow the search" in str(caught.value.details())


async def test_one_poisonous_issue_harms_only_itself(running_gateway: Running) -> None:
    """Where GitHub cannot answer for one of ten, nine come and the tenth says why."""
    running_gateway.github.dials.faults.append(Fault(kind="status", status=502, operation="BatchGetIssues", count=1))
    request = pb.BatchGetIssuesRequest(repository=REPOSITORY, numbers=range(1, 11))
    found = [entry async for answer in running_gateway.stub.BatchGetIssues(request) for entry in answer.entries]
    assert sorted(entry.number for entry in found) == list(range(1, 11))
    assert [entry.error for entry in found if entry.error] == []
    assert running_gateway.reads() == ["BatchGetIssues"] * 3
