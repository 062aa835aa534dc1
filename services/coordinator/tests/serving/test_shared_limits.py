"""Limits that all replicas share: kept the same way in memory and in Redis, found from reports, handed out as shares."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from datetime import timedelta

import grpc
import pytest
import redis.asyncio
from google.protobuf.timestamp_pb2 import Timestamp

from miyabi.coordinator.v1 import coordinator_service_pb2 as operator_pb
from miyabi.coordinator.v1 import dispatch_service_pb2 as pb
from miyabi.coordinator.v1 import limits_pb2
from miyabi.coordinator.v1.dispatch_service_pb2_grpc import DispatchServiceStub
from miyabi.github_gateway.v1 import github_gateway_service_pb2 as gateway_pb
from miyabi_coordinator import shards
from miyabi_coordinator.adapters.redis_store import ShardConnection, open_primaries
from miyabi_coordinator.adapters.redis_store.paces import RedisPaces
from miyabi_coordinator.models.pacing import LimitReason, LimitStep, Member, PaceTable, Pacing
from miyabi_coordinator.reference.paces import MemoryPaces
from miyabi_coordinator.settings import CoordinatorSettings
from miyabi_core.errors import UnavailableError
from miyabi_core.status import from_rpc_error

MODEL = "model-api/api.example.com"


@asynccontextmanager
async def memory(_valkey):
    yield MemoryPaces()


@asynccontextmanager
async def stored(valkey):
    async with redis.asyncio.Redis.from_url(valkey.url) as client:
        await client.flushall()
    primaries = open_primaries(valkey.url, shards=1)
    try:
        yield RedisPaces(ShardConnection(primaries, 0))
    finally:
        await primaries.aclose()


@pytest.fixture(params=[memory, stored], ids=["memory", "redis"])
def paces(request, valkey):
    """Each way to keep limits."""
    return request.param(valkey)


def step(number, *, target=MODEL):
    """A step, in order of its number."""
    return LimitStep(float(number), target, number + 1, number, LimitReason.ANSWERED, "", "")


async def test_of_two_replicas_one_is_told_to_look_again(paces):
    """A table takes the place of the one that was read, and of no other."""
    table = PaceTable(1, Pacing(limit=8.0, epoch=3, known=7.0), {"a": Member(4, 2, 2, 1.5), "b": Member(seen=2.5)})
    async with paces as kept:
        assert await kept.load(MODEL) == PaceTable()
        assert await kept.save(MODEL, table, after=0)
        assert not await kept.save(MODEL, PaceTable(1), after=0)
        assert await kept.load(MODEL) == table
        assert await kept.load("other") == PaceTable()
        assert await kept.save(MODEL, PaceTable(2), after=1)
        assert await kept.load(MODEL) == PaceTable(2)


async def test_steps_come_newest_first_page_by_page(paces):
    """Each once, of one target or of all, none from before a moment."""
    async with paces as kept:
        assert await kept.page(before="", limit=5, target="", since=0.0) == ([], "")
        await kept.note([])
        await kept.note([step(number) for number in range(5)])
        await kept.note([step(5, target="other"), LimitStep(6.0, "s", 1, 2, LimitReason.MEMORY, "agent-1", "7 % free")])
        pages, position = [], ""
        while True:
            page, position = await kept.page(before=position, limit=2, target="", since=0.0)
            pages.append([entry.time for entry in page])
            if not position:
                break
        assert pages == [[6.0, 5.0], [4.0, 3.0], [2.0, 1.0], [0.0]]
        assert ([step(3), step(4)][::-1], "") == await kept.page(before="", limit=9, target=MODEL, since=3.0)
        (newest,), _ = await kept.page(before="", limit=1, target="s", since=0.0)
        assert (newest.agent, newest.detail, newest.reason) == ("agent-1", "7 % free", LimitReason.MEMORY)


async def test_a_step_that_only_a_newer_version_understands_hides_no_other(valkey):
    """During an upgrade a replica tells the steps that it knows, page by page."""
    async with stored(valkey) as kept, redis.asyncio.Redis.from_url(valkey.url) as client:
        await kept.note([step(0)])
        strange = {"time": "1.0", "target": MODEL, "limit": "two", "previous": "1", "reason": "2"}
        await client.xadd(f"{shards.prefix(0)}limit-steps", strange)
        await kept.note([step(2)])
        newest, position = await kept.page(before="", limit=1, target="", since=0.0)
        assert newest == [step(2)]
        assert await kept.page(before=position, limit=1, target="", since=0.0) == ([step(0)], "")


class Reporter:
    """An agent that reports what it is told to, and keeps what it is answered."""

    def __init__(self, channel, name, *, slots=8, kinds=(1,)):
        self._call = DispatchServiceStub(channel).Attach()
        self._hello = pb.Hello(agent_id=name, capabilities=list(kinds), slots=slots)
        self.limits = asyncio.Queue()
        self.leases = asyncio.Queue()
        self._reading = None

    async def __aenter__(self):
        await self._call.write(pb.AttachRequest(hello=self._hello))
        assert (await self._call.read()).HasField("welcome")
        self._reading = asyncio.create_task(self._read())
        return self

    async def __aexit__(self, *_):
        self._call.cancel()
        await asyncio.gather(self._reading, return_exceptions=True)

    async def _read(self):
        while (message := await self._call.read()) is not grpc.aio.EOF:
            if message.HasField("limits"):
                self.limits.put_nowait(message.limits)
            for lease in message.leases:
                self.leases.put_nowait(lease)

    async def report(self, **fields):
        """Report, with a heartbeat."""
        report = limits_pb2.TargetReport(**{"target": MODEL, **fields})
        await self._call.write(pb.AttachRequest(heartbeat=pb.Heartbeat(limits=[report])))

    async def told(self, **fields):
        """Report, and return the share that comes back."""
        await self.report(**fields)
        return await self.share()

    async def share(self):
        """Return the next share."""
        async with asyncio.timeout(10):
            (share,) = (await self.limits.get()).shares
        return share


async def test_replicas_share_one_limit(stack):
    """Agents of two replicas: never more than the limit together, each with work has one, refusals halve it once."""
    async with (
        stack.coordinator(model_calls_max=40) as left,
        stack.coordinator(model_calls_max=40) as right,
        Reporter(left, "a") as one,
        Reporter(left, "b") as two,
        Reporter(right, "c") as three,
    ):
        share = await one.told(demand=20)
        assert (share.share, share.limit, share.epoch, share.lasts.seconds) == (4, 4, 0, 15)
        assert (await three.told(demand=2)).share == 1
        assert (await two.told(demand=20)).share == 1
        assert (await one.share()).share == 2, "told at once, since others have work now"
        share = await one.told(demand=20, in_flight=2, answered=4)
        assert (share.limit, share.share) == (8, 4)
        assert (await two.share()).share == 3
        share = await three.told(demand=2, refused=3, epoch=0)
        assert (share.limit, share.epoch) == (4, 1)
        share = await one.told(demand=20, refused=5, epoch=0)
        assert (share.limit, share.epoch) == (4, 1), "calls of the same burst"


async def test_what_the_target_asks_for_reaches_the_others(stack):
    """One agent was told to wait; the others of its replica hear it at once, those of another with their next report."""
    async with (
        stack.coordinator() as left,
        stack.coordinator() as right,
        Reporter(left, "a") as one,
        Reporter(left, "b") as two,
        Reporter(right, "c") as three,
    ):
        await two.told(demand=1)
        await three.told(demand=1)
        await one.report(demand=1, refused=1, retry_after={"seconds": 30})
        for share in (await one.share(), await two.share(), await three.told(demand=1)):
            assert 25 <= share.pause.seconds <= 30


async def test_an_agent_that_leaves_gives_its_part_to_the_others(stack):
    """As soon as its stream ends."""
    async with stack.coordinator() as channel, Reporter(channel, "a") as one:
        async with Reporter(channel, "b") as two:
            await two.told(demand=9)
            await one.told(demand=9)
        shares = [await one.share()]
        while shares[-1].share < 4:
            shares.append(await one.share())
        assert shares[-1].limit == 4


async def test_switched_off_agents_are_told_so_and_nothing_is_kept(stack, operators):
    """One switch for the whole stack."""
    async with stack.coordinator(feedback=False) as channel, Reporter(channel, "a") as one:
        async with asyncio.timeout(10):
            assert (await one.limits.get()).off
        await one.report(demand=3)
        await one.report(target="sandbox-slots", limit=1, reason=limits_pb2.LIMIT_REASON_MEMORY)
        answer = await operators(channel).ListLimitSteps(operator_pb.ListLimitStepsRequest())
        assert not answer.steps
        assert one.limits.empty()


async def test_steps_are_told_by_rpc(stack, operators):
    """Each with time, target, limit, and why; by page, target and time; a token of another list is refused."""
    async with stack.coordinator() as channel, Reporter(channel, "a") as one:
        await one.told(demand=9)
        await one.told(demand=9, answered=4, latency={"nanos": 250_000_000})
        await one.told(demand=9, refused=2)
        await one.report(target="sandbox-slots", limit=3, reason=limits_pb2.LIMIT_REASON_MEMORY, detail="5 % free")
        stub, found = operators(channel), []
        async with asyncio.timeout(10):
            while len(found) < 4:
                found = (await stub.ListLimitSteps(operator_pb.ListLimitStepsRequest())).steps
        assert [(entry.target, entry.limit, entry.previous, entry.reason) for entry in found] == [
            ("sandbox-slots", 3, 8, 5),
            (MODEL, 4, 8, 3),
            (MODEL, 8, 4, 2),
            (MODEL, 4, 0, 1),
        ]
        assert (found[0].agent, found[0].detail) == ("agents/a", "5 % free")
        assert found[1].detail == "2 calls refused"
        assert found[2].detail == "4 calls answered, the first text after 0.25 s"
        page = await stub.ListLimitSteps(operator_pb.ListLimitStepsRequest(page_size=2, target=MODEL))
        rest = await stub.ListLimitSteps(
            operator_pb.ListLimitStepsRequest(page_size=2, target=MODEL, page_token=page.next_page_token)
        )
        assert [*page.steps, *rest.steps] == list(found[1:])
        assert not rest.next_page_token
        later = Timestamp(seconds=found[0].time.seconds + 100)
        assert not (await stub.ListLimitSteps(operator_pb.ListLimitStepsRequest(start_time=later))).steps
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await stub.ListLimitSteps(operator_pb.ListLimitStepsRequest(page_token="bm9uZQ=="))
        assert from_rpc_error(caught.value).reason == "BAD_CURSOR"


async def test_an_agent_under_pressure_gets_no_more_leases_than_it_bears(stack, operators):
    """With eight slots and one that its machine bears now, one of three issues is leased; the others when it is well."""
    async with stack.coordinator() as channel, Reporter(channel, "a") as one, asyncio.timeout(30):
        await one.report(target="sandbox-slots", limit=1, reason=limits_pb2.LIMIT_REASON_MEMORY)
        stub, found = operators(channel), []
        while not found:
            found = (await stub.ListLimitSteps(operator_pb.ListLimitStepsRequest())).steps
        request = operator_pb.SubmitBatchRequest(
            repository="acme/forms", issue_numbers=[1, 2, 3], pipeline="PIPELINE_TRIAGE"
        )
        watching = stub.SubmitBatch(request)
        await watching.read()
        first = await one.leases.get()
        await one._call.write(pb.AttachRequest(heartbeat=pb.Heartbeat(held=[first.reference], limits=[_slots(1)])))
        assert one.leases.empty()
        await one._call.write(pb.AttachRequest(heartbeat=pb.Heartbeat(held=[first.reference], limits=[_slots(8)])))
        others = [await one.leases.get() for _ in range(2)]
        assert len({lease.reference.task for lease in (first, *others)}) == 3
        watching.cancel()


def _slots(number):
    return limits_pb2.TargetReport(target="sandbox-slots", limit=number)


async def test_what_the_gateway_finds_by_itself_is_a_step_once_for_all_replicas(stack, operators):
    """Two replicas hear of the same sizes; each change is told once, with what was before."""
    async with (
        stack.coordinator() as left,
        stack.coordinator() as right,
        Reporter(left, "a", kinds=range(1, 8)),
        asyncio.timeout(30),
    ):
        for channel in (left, right):
            fields = {"pipeline": "PIPELINE_FIX", "issue_numbers": [1 if channel is left else 2]}
            await (
                operators(channel).SubmitBatch(operator_pb.SubmitBatchRequest(repository="acme/forms", **fields)).read()
            )
        stack.gateway.query_sizes = [gateway_pb.QuerySize(shape="issue.BL", things=25)]
        await stack.gateway.allow()
        await stack.gateway.until_watched("acme/forms")
        stack.gateway.query_sizes[0].things = 40
        await stack.gateway.allow()
        request, found = operator_pb.ListLimitStepsRequest(target="github-query/issue.BL"), []
        while not found or found[0].limit != 40:
            found = (await operators(left).ListLimitSteps(request)).steps
        assert {step.reason for step in found} == {limits_pb2.LIMIT_REASON_MEASURED}
        limits = [(step.previous, step.limit) for step in reversed(found)]
        assert limits in ([(0, 25), (25, 40)], [(0, 40)])


class Away:
    """A store that does not answer."""

    async def load(self, target):
        """Refuse."""
        raise UnavailableError("away", reason="STORE_UNAVAILABLE")


async def test_a_store_that_is_away_ends_nothing():
    """What was reported is forgotten, the loop goes on with the next report."""
    from miyabi_coordinator.models import AgentInfo
    from miyabi_coordinator.models.pacing import Seen
    from miyabi_coordinator.service.dispatching.agents import AttachedAgent
    from miyabi_coordinator.service.limiting.feedback import Feedback, FeedbackOptions

    kept = MemoryPaces()
    feedback, away = Feedback(kept, FeedbackOptions()), Feedback(Away(), FeedbackOptions())
    for each in (feedback, away):
        agent = AttachedAgent(AgentInfo("a", (1,), 4))
        each.attach(agent)
        each.report(agent, MODEL, Seen(demand=3))
    with pytest.raises(UnavailableError):
        await away.work()
    await away.work()
    await feedback.work()
    assert (await kept.load(MODEL)).members["a"].share == 4


class Once(MemoryPaces):
    """A store that does not answer the first time that something is to be kept."""

    fails = True

    async def save(self, target, table, *, after):
        """Refuse once, then keep."""
        if self.fails:
            self.fails = False
            raise UnavailableError("away", reason="STORE_UNAVAILABLE")
        return await super().save(target, table, after=after)


async def steps_of(paces) -> list[tuple[int, int]]:
    """Return the steps that are kept, oldest first."""
    found, _ = await paces.page(before="", limit=10, target="", since=0.0)
    return [(step.previous, step.limit) for step in reversed(found)]


async def test_a_measured_limit_is_noted_once_the_store_is_back():
    """The store was away when it was told: the next turn notes it."""
    from miyabi_coordinator.service.limiting.feedback import Feedback, FeedbackOptions

    feedback = Feedback(kept := Once(), FeedbackOptions())
    feedback.measured({"github-query/issue.BL": 25})
    with pytest.raises(UnavailableError):
        await feedback.work()
    await feedback.work()
    assert await steps_of(kept) == [(0, 25)]


async def test_what_a_measured_limit_was_before_outlasts_the_store():
    """A target that did not change for an hour is forgotten there; its next step still says from where it went."""
    from miyabi_coordinator.service.limiting.feedback import Feedback, FeedbackOptions

    feedback = Feedback(kept := MemoryPaces(), FeedbackOptions())
    feedback.measured({"github-query/issue.BL": 25})
    await feedback.work()
    kept.forget("github-query/issue.BL")
    feedback.measured({"github-query/issue.BL": 40})
    await feedback.work()
    assert await steps_of(kept) == [(0, 25), (25, 40)]


def test_bounds_that_nothing_lies_between_are_refused_at_the_start():
    """With the field's name."""
    with pytest.raises(ValueError, match="model_calls_min: 9 is above model_calls_max, 8"):
        CoordinatorSettings(redis_url="redis://127.0.0.1", model_calls_min=9, model_calls_max=8)
    assert CoordinatorSettings(redis_url="redis://127.0.0.1").heartbeat_interval == timedelta(seconds=5)
