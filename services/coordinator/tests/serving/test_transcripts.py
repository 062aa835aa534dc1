"""Calls of models are kept beside the batch's log: each once, in order, bounded, and gone with the batch."""

from __future__ import annotations

import asyncio
import os
import time
from datetime import timedelta

import grpc
import pytest
import redis.asyncio
from kept_keys import DAYS, everything, sweep
from service_calls import collect, submit
from store_checks import code_of

from miyabi.coordinator.v1 import coordinator_service_pb2 as pb
from miyabi.coordinator.v1 import dispatch_service_pb2 as dispatch_pb
from miyabi.coordinator.v1 import state_pb2, transcript_pb2
from miyabi_coordinator.adapters.redis_store import RedisTranscripts, ShardConnection, open_primaries
from miyabi_coordinator.models import LeaseReference
from miyabi_coordinator.models.transcript import CallLimits, ReportedCall
from miyabi_coordinator.testing import succeed
from miyabi_coordinator.translate.transcripts import REMOVED

TRIAGE = state_pb2.PIPELINE_TRIAGE


def call_of(number, *, text="What is wrong?", **fields):
    """Return a call with one message and one answer."""
    block = transcript_pb2.TranscriptBlock(type="text", text=text)
    message = transcript_pb2.TranscriptMessage(role="user", blocks=[block])
    return transcript_pb2.ModelCall(
        attempt=1, number=number, step="triage", model="claude-haiku-4-5", messages=[message], answer=[block], **fields
    )


def report_of(lease, index, call):
    """Return the report of a call."""
    return dispatch_pb.Progress(reference=lease.reference, index=index, model_call=call)


async def leased(stub, agent, *, pipeline=TRIAGE):
    """Submit issue 1; returns the running call and the lease of its first task."""
    call = aiter(stub.SubmitBatch(submit(1, pipeline=pipeline)))
    await anext(call)
    async with asyncio.timeout(10):
        return call, await agent.leases.get()


async def listed(stub, run, **fields):
    """Return the answer of ListModelCalls."""
    return await stub.ListModelCalls(pb.ListModelCallsRequest(parent=run, **fields))


async def until_kept(stub, run, count):
    """Wait until so many calls of a run are kept; returns them."""
    async with asyncio.timeout(10):
        while True:
            answer = await listed(stub, run, page_size=100)
            if len(answer.model_calls) >= count:
                return list(answer.model_calls)


def run_of(lease):
    """Return the name of a lease's run."""
    return lease.reference.task.rpartition("/tasks/")[0]


async def test_calls_are_kept_once_and_are_no_events(stack, operators):
    """What an agent reports comes back whole, of the task that it is of; a repeat adds none; no event tells of it."""
    async with stack.coordinator() as channel, stack.agent(channel, answer=lambda _: None) as agent:
        stub = operators(channel)
        events, lease = await leased(stub, agent)
        calls = [call_of(number, task="batches/another", left_out=["Much."]) for number in (1, 2, 3)]
        reports = [report_of(lease, index, call) for index, call in enumerate(calls, start=1)]
        await agent.report(*reports[:2])
        await agent.report(*reports)
        kept = await until_kept(stub, run_of(lease), 3)
        for call in calls:
            call.task = lease.reference.task
        assert kept == calls
        await agent.send(succeed(lease))
        seen = await collect(events)
        assert seen[-1].HasField("batch_finished")
        assert "What is wrong?" not in str(seen)
        assert await until_kept(stub, run_of(lease), 3) == calls


async def test_pages_follow_each_other_and_tasks_are_told_apart(stack, operators):
    """Page by page nothing is missed or told twice; a filter names one task, or all whose id begins so."""
    async with stack.coordinator() as channel, stack.agent(channel, answer=lambda _: None) as agent:
        stub = operators(channel)
        _events, lease = await leased(stub, agent)
        run, own = run_of(lease), lease.reference.task.rpartition("/")[2]
        await agent.report(*[report_of(lease, index, call_of(index)) for index in range(1, 8)])
        await until_kept(stub, run, 7)
        numbers, token, pages = [], "", 0
        while pages == 0 or token:
            answer = await listed(stub, run, page_size=3, page_token=token)
            numbers += [call.number for call in answer.model_calls]
            token, pages = answer.next_page_token, pages + 1
        assert (numbers, pages) == ([1, 2, 3, 4, 5, 6, 7], 3)
        counts = [len((await listed(stub, run, task=task)).model_calls) for task in (own, own.partition("-")[0], "x")]
        assert counts == [7, 7, 0]


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"parent": "batches/x/runs/1"}, (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_REQUEST")),
        ({"page_size": 101}, (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_REQUEST")),
        ({"task": "Implement!"}, (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_REQUEST")),
        ({"page_token": "cDI6YmF0Y2hlczox"}, (grpc.StatusCode.INVALID_ARGUMENT, "BAD_CURSOR")),
        ({"issue": 2}, (grpc.StatusCode.NOT_FOUND, "RUN_NOT_FOUND")),
        ({"batch": "01JDAAAAAAAAAAAAAAAAAAAA00"}, (grpc.StatusCode.NOT_FOUND, "BATCH_NOT_FOUND")),
    ],
)
async def test_bad_requests_are_refused(stack, operators, fields, code):
    """Each with its own reason."""
    async with stack.coordinator() as channel, stack.agent(channel):
        stub = operators(channel)
        batch = (await collect(stub.SubmitBatch(submit(1, pipeline=TRIAGE))))[0].batch
        named = f"batches/{fields.pop('batch')}" if "batch" in fields else batch
        given = {"parent": f"{named}/runs/{fields.pop('issue', 1)}", **fields}
        assert await code_of(stub.ListModelCalls(pb.ListModelCallsRequest(**given))) == code


async def test_oldest_bodies_go_first_and_say_so(stack, operators):
    """Beyond the run's size the oldest calls lose what was said, never their place in the list."""
    async with (
        stack.coordinator(transcript_bytes=20_000) as channel,
        stack.agent(channel, answer=lambda _: None) as agent,
    ):
        stub = operators(channel)
        _events, lease = await leased(stub, agent)
        texts = [os.urandom(6000).hex() for _ in range(4)]
        await agent.report(*[report_of(lease, index, call_of(index, text=text)) for index, text in enumerate(texts, 1)])
        kept = await until_kept(stub, run_of(lease), 4)
    assert [call.number for call in kept] == [1, 2, 3, 4]
    whole = [bool(call.messages) for call in kept]
    assert whole == sorted(whole)
    assert 0 < sum(whole) < 4
    assert [REMOVED in call.left_out for call in kept] == [not there for there in whole]
    assert kept[-1].answer[0].text == texts[-1]


async def test_the_oldest_calls_go_and_are_counted(stack, operators, valkey):
    """Beyond the most calls of a run the oldest are gone altogether, and how many is told."""
    async with stack.coordinator() as channel, stack.agent(channel, answer=lambda _: None) as agent:
        _events, lease = await leased(operators(channel), agent)
    _, batch, _, issue, _, task = lease.reference.task.split("/")
    primaries = open_primaries(valkey.url, shards=1)
    try:
        store = RedisTranscripts(ShardConnection(primaries, 0), limits=CallLimits(calls=3))
        reference = LeaseReference(batch, int(issue), task, lease.reference.fencing_token)
        await store.add([ReportedCall(reference, index, b"head", b"body") for index in range(1, 6)])
        heads, gone = await store.heads(batch, int(issue), after=0, limit=10)
        assert ([head.number for head in heads], gone) == ([3, 4, 5], 2)
        assert await store.bodies(batch, int(issue), [1, 2, 3, 4, 5]) == [None, None, b"body", b"body", b"body"]
        later = LeaseReference(batch, int(issue), task, lease.reference.fencing_token + 1)
        await store.add([ReportedCall(later, 1, b"head", b"body")])
        assert (await store.heads(batch, int(issue), after=0, limit=10))[1] == 2
    finally:
        await primaries.aclose()


async def test_a_repeat_takes_no_room_from_what_comes_later(stack, operators, valkey):
    """Less is kept than before, and a call is reported again: what is new is whole all the same."""
    async with stack.coordinator() as channel, stack.agent(channel, answer=lambda _: None) as agent:
        _events, lease = await leased(operators(channel), agent)
    _, batch, _, issue, _, task = lease.reference.task.split("/")
    primaries = open_primaries(valkey.url, shards=1)
    try:
        way = ShardConnection(primaries, 0)
        reference = LeaseReference(batch, int(issue), task, lease.reference.fencing_token)
        calls = [ReportedCall(reference, index, b"head", os.urandom(6000)) for index in range(1, 4)]
        await RedisTranscripts(way).add(calls[:2])
        less = RedisTranscripts(way, limits=CallLimits(bytes=10_000))
        await less.add(calls[:2])
        await less.add(calls[2:])
        assert await less.bodies(batch, int(issue), [1, 2, 3]) == [None, None, calls[2].body]
    finally:
        await primaries.aclose()


async def test_no_key_is_left_after_retention(stack, operators, valkey):
    """Calls go with their batch, and one that is reported afterwards brings nothing back."""
    async with redis.asyncio.Redis.from_url(valkey.url) as client:
        async with stack.coordinator() as channel, stack.agent(channel, answer=lambda _: None) as agent:
            stub = operators(channel)
            events, lease = await leased(stub, agent)
            await agent.report(report_of(lease, 1, call_of(1)))
            await until_kept(stub, run_of(lease), 1)
            await agent.send(succeed(lease))
            await collect(events)
            batch = lease.reference.task.split("/")[1]
            assert [key for key in await everything(client) if ":calls:" in key]
            await sweep(valkey.url, ahead=DAYS + timedelta(minutes=1))
            await agent.report(report_of(lease, 2, call_of(2)))
            await agent.beat()
            # Answers come in the order of what is asked on a stream: the next batch's lease is behind the report.
            await leased(stub, agent)
        assert [entry for entry in await everything(client) if batch in entry] == []


async def test_a_store_that_is_away_delays_calls(stack, operators, durable):
    """Calls that are reported while the server is dead are there when it is back, each once."""
    async with (
        stack.coordinator(store_patience=timedelta(seconds=0.2), lease=timedelta(minutes=5)) as channel,
        stack.agent(channel, answer=lambda _: None) as agent,
    ):
        stub = operators(channel)
        _events, lease = await leased(stub, agent)
        await agent.report(report_of(lease, 1, call_of(1)))
        await until_kept(stub, run_of(lease), 1)
        await durable.kill()
        began = time.monotonic()
        await agent.report(report_of(lease, 2, call_of(2)))
        while time.monotonic() - began < 1:
            assert (await code_of(stub.ListBatches(pb.ListBatchesRequest(), timeout=5)))[
                0
            ] == grpc.StatusCode.UNAVAILABLE
        await durable.start()
        assert [call.number for call in await until_kept(stub, run_of(lease), 2)] == [1, 2]
