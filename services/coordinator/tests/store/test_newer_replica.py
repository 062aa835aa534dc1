"""During an upgrade a replica meets what only newer ones know: it leaves that alone, and tells of no event without words."""

from __future__ import annotations

import asyncio

import pytest
import redis.asyncio
from service_calls import collect, submit
from structlog.testing import capture_logs

from miyabi.coordinator.v1 import coordinator_service_pb2 as pb
from miyabi.coordinator.v1 import dispatch_service_pb2, event_pb2, state_pb2
from miyabi_coordinator import shards
from miyabi_coordinator.decide import new_run
from miyabi_coordinator.models import ResultRecorded, Spec, Task, TaskKind
from miyabi_coordinator.models.value import Value
from miyabi_coordinator.ports.store import DUE_PAGE
from miyabi_coordinator.reference.store import ReferenceStore
from miyabi_coordinator.service.sweeping.due import DueTimers, timer_of
from miyabi_coordinator.testing import REPOSITORY
from miyabi_coordinator.translate import events
from miyabi_coordinator.translate.frames import split
from miyabi_core.metrics import REGISTRY

#: Names that no version so far has written.
UNKNOWN = ["escalate|B|3", "close", "close|", "close|B|2", "backoff|B|x|1-plan", "backoff|B|3", "ended|B|\u00b2", "retry|B|1.x", "", "|B", "ended|B|" + "9" * 5000]  # fmt: skip
TIMERS = f"{shards.prefix(0)}timers"


def unknown_timers():
    """Return how many unknown timers were counted."""
    return REGISTRY.get_sample_value("miyabi_timers_unknown_total") or 0.0


@pytest.mark.parametrize("name", UNKNOWN)
def test_timer_of_another_version_is_none_of_ours(name):
    """A kind that is not known, or one that needs other parts, is not taken for one of ours."""
    assert timer_of(name) is None


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("backoff|B|3|2-implement", ("backoff", "B", 3, "2-implement")),
        ("ended|B|3", ("ended", "B", 3, "")),
        ("cancel|B", ("cancel", "B", 0, "")),
        ("retry|B|3.1,4.2", ("retry", "B", 0, "")),
        ("retry|B|", ("retry", "B", 0, "")),
        ("warn|B", ("warn", "B", 0, "")),
        ("close|B", ("close", "B", 0, "")),
    ],
)
def test_each_timer_of_ours_is_read(name, parts):
    """Each kind is read with the parts that it has."""
    timer = timer_of(name)
    assert (timer.kind, timer.batch, timer.issue, timer.task_id) == parts


async def test_unknown_timers_hold_no_known_one_up():
    """Known timers behind more unknown ones than a page holds are due in the same look; each unknown one is said once."""
    store = ReferenceStore()
    for number in range(DUE_PAGE + 3):
        store.shard.timers.add(f"escalate|B|{number}", 1.0)
    for number in range(DUE_PAGE):
        store.shard.timers.add(f"ended|B|{number}", 2.0)
    due, before = DueTimers(store), unknown_timers()
    with capture_logs() as logs:
        for _ in range(3):
            assert [timer.issue for timer in await due.read(9.0)] == sorted(range(DUE_PAGE), key=str)
    assert unknown_timers() - before == DUE_PAGE + 3
    assert [(entry["event"], entry["kind"]) for entry in logs] == [("sweep.timer_unknown", "escalate")]


async def test_batch_is_worked_on_beside_timers_that_nobody_knows(stack, operators):
    """Unknown timers stay in the store as they are, for a newer replica, and no batch is ended by them."""
    async with redis.asyncio.Redis.from_url(stack.redis_url) as client:
        async with stack.coordinator() as channel:
            stub = operators(channel)
            call = aiter(stub.SubmitBatch(submit(1, pipeline=state_pb2.PIPELINE_TRIAGE)))
            name = (await anext(call)).events[0].batch
            left = [*(entry for entry in UNKNOWN if entry), f"escalate|{name.removeprefix('batches/')}"]
            await client.zadd(TIMERS, dict.fromkeys(left, 1.0))
            async with stack.agent(channel):
                events_seen = await collect(call)
            assert events_seen[-1].batch_finished.state == state_pb2.BATCH_STATE_SUCCEEDED
        assert sorted(entry.decode() for entry in await client.zrange(TIMERS, 0, -1)) == sorted(left)


#: Any task.
TASK = Task("1-triage", TaskKind.TRIAGE)


class Escalated(Value, frozen=True):
    """A fact that this version has no event for."""

    level: int


@pytest.mark.parametrize(
    ("fact", "what"),
    [
        (Escalated(3), "Escalated"),
        (ResultRecorded(TASK, "audit", b""), "audit"),
        (ResultRecorded(TASK, "x" * 500, b""), "x" * 200),
    ],
)
def test_fact_without_an_event_is_named(fact, what):
    """What has no event of its own is told by its name, never as an event without a payload."""
    run = new_run(
        "01JDAAAAAAAAAAAAAAAAAAAAAA", 7, spec=Spec(REPOSITORY, (7,)), title="", url="", depends_on=(), dependents=()
    )
    event = event_pb2.BatchEvent.FromString(events.encode(fact, run=run, actor="sam", traceparent="", now=1.0))
    assert (event.WhichOneof("payload"), event.unrecognised.what, event.issue_number) == ("unrecognised", what, 7)


async def test_report_that_only_a_newer_version_knows_is_left_out(stack, operators):
    """A report without an update that is known takes no place in the log; those around it are logged."""
    before = REGISTRY.get_sample_value("miyabi_progress_unknown_total") or 0.0
    async with stack.coordinator() as channel, stack.agent(channel, answer=lambda _: None) as agent:
        call = aiter(operators(channel).SubmitBatch(submit(1, pipeline=state_pb2.PIPELINE_TRIAGE)))
        async with asyncio.timeout(10):
            lease = await agent.leases.get()
            progress = [dispatch_service_pb2.Progress(reference=lease.reference, index=index) for index in (1, 2, 3)]
            progress[0].text.text = "before"
            # Field 200 of a newer version.
            progress[1].MergeFromString(b"\xc2\x0c\x02hi")
            progress[2].text.text = "behind"
            await agent.report(*progress)
            told = []
            while len(told) < 2:
                told += [event for event in (await anext(call)).events if event.HasField("text_recorded")]
        await call.aclose()
    assert [event.text_recorded.text for event in told] == ["before", "behind"]
    assert told[1].sequence == told[0].sequence + 1
    assert REGISTRY.get_sample_value("miyabi_progress_unknown_total") == before + 1


#: Entries of a log that cannot be read: fields that are missing, bad, or not what they say.
BAD_ENTRIES = [
    {"z": "compressed by a newer version"},
    {"n": "x", "f": "0", "e": b""},
    {"n": "1", "f": "0", "e": b""},
    {"n": "1", "f": "0", "e": b"\x0a\xff\xff\xff\xff\xff\xff"},
    {"n": "1", "f": "0", "e": b"\x0a\x05ab"},
    {"n": "0", "f": "0", "e": b""},
    {"n": "-5", "f": "0", "e": b""},
    {"n": "9" * 5000, "f": "0", "e": b""},
    {"n": "2", "f": "0", "e": b"\x0a\x00"},
]


@pytest.mark.parametrize("fields", BAD_ENTRIES, ids=range(len(BAD_ENTRIES)))
async def test_watchers_outlive_an_entry_that_cannot_be_read(stack, operators, fields):
    """Each event of an unreadable entry is told as one that nobody has words for: no gap, and the stream goes on."""
    async with redis.asyncio.Redis.from_url(stack.redis_url) as client, stack.coordinator() as channel:
        stub = operators(channel)
        call = aiter(stub.SubmitBatch(submit(1, pipeline=state_pb2.PIPELINE_TRIAGE)))
        first = (await anext(call)).events[0]
        watching = aiter(stub.WatchBatch(pb.WatchBatchRequest(name=first.batch)))
        assert (await anext(watching)).events[0] == first
        key = f"{shards.prefix(0)}batch:{first.batch.removeprefix('batches/')}"
        # Three events of another writer, in one entry: the next commit goes on behind them.
        await client.xadd(f"{key}:log", fields, id="0-4")
        await client.hset(key, "seq", 4)
        async with stack.agent(channel):
            live, resumed = await collect(call), await collect(watching)
        again = await collect(stub.WatchBatch(pb.WatchBatchRequest(name=first.batch, after_sequence=2)))
    for seen, start in ((live, 2), (resumed, 2), (again, 3)):
        committed = [event for event in seen if event.sequence]
        assert [event.sequence for event in committed] == list(range(start, start + len(committed)))
        unread = [event.sequence for event in committed if event.WhichOneof("payload") == "unrecognised"]
        assert unread == list(range(start, 5))
        assert all(event.WhichOneof("payload") for event in committed)
        assert committed[-1].HasField("batch_finished")


async def test_stream_ends_where_the_last_entry_cannot_be_read(stack, operators):
    """A watcher of a batch that has ended is not kept waiting by a last event that cannot be read."""
    async with redis.asyncio.Redis.from_url(stack.redis_url) as client, stack.coordinator() as channel:
        stub = operators(channel)
        async with stack.agent(channel):
            seen = await collect(stub.SubmitBatch(submit(1, pipeline=state_pb2.PIPELINE_TRIAGE)))
        log = f"{shards.prefix(0)}batch:{seen[0].batch.removeprefix('batches/')}:log"
        entries = await client.xrange(log)
        last, fields = entries[-1]
        await client.delete(log)
        for identifier, kept in entries[:-1]:
            await client.xadd(log, kept, id=identifier)
        await client.xadd(log, {"z": "newer"}, id=last)
        again = await collect(stub.WatchBatch(pb.WatchBatchRequest(name=seen[0].batch)))
    assert [event.sequence for event in again] == [event.sequence for event in seen if event.sequence]
    assert again[-1].unrecognised.what == "unreadable"
    assert len(list(split(fields[b"e"]))) == sum(event.HasField("unrecognised") for event in again)


def test_placeholder_of_an_event_is_short_and_named():
    """What takes the place of an event that cannot be read says so, and of which batch."""
    event = event_pb2.BatchEvent.FromString(events.unreadable("B"))
    assert (event.batch, event.unrecognised.what, event.HasField("time")) == ("batches/B", "unreadable", False)
