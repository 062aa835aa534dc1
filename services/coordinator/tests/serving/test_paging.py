"""Every list, page by page: each entry exactly once, over any number of shards, whatever is removed between pages."""

from __future__ import annotations

import base64
import time
from contextlib import asynccontextmanager

import grpc
import pytest
import redis.asyncio
from service_calls import submit

from miyabi.coordinator.v1 import coordinator_service_pb2 as pb
from miyabi.coordinator.v1 import state_pb2
from miyabi_coordinator import shards
from miyabi_coordinator.adapters.redis_store import RedisAudit, RedisKeeper, RedisStore, ShardConnection, open_primaries
from miyabi_coordinator.adapters.redis_store.paces import RedisPaces
from miyabi_coordinator.models import AgentInfo, Batch, BatchState, Spec
from miyabi_coordinator.models.audit import AuditEntry
from miyabi_coordinator.models.pacing import LimitReason, LimitStep
from miyabi_coordinator.ports.store import Position
from miyabi_coordinator.servicer import page_tokens
from miyabi_coordinator.testing import REPOSITORY
from miyabi_core.ids import new_ulid
from miyabi_core.status import from_rpc_error

#: Entries of each list.
COUNT = 12


class Rows:
    """The rows behind the lists, written and removed as the store and retention do."""

    def __init__(self, url, count):
        self._primaries = open_primaries(url, shards=count)
        self._ways = [ShardConnection(self._primaries, number) for number in range(count)]
        self._stores = [RedisStore(way, shard=number) for number, way in enumerate(self._ways)]
        self.agents = self._stores[0]
        self.audit = RedisAudit(self._ways[0])
        self.paces = RedisPaces(self._ways[0])

    async def add(self, number, *, created=None, repository=REPOSITORY):
        """Write a batch that has ended into a shard; returns its name."""
        batch = shards.new_batch_id(number)
        spec = Spec(repository, (), request_id=new_ulid())
        made = Batch(batch, spec, state=BatchState.SUCCEEDED, created=time.time() if created is None else created)
        await self._stores[number].create(made, runs=[], digest="")
        return f"batches/{batch}"

    async def remove(self, url, name):
        """Remove a batch as if its time were over."""
        number = shards.shard_of(name)
        batch = name.removeprefix("batches/")
        async with redis.asyncio.Redis.from_url(url) as client:
            await client.zadd(f"{shards.prefix(number)}ended", {batch: 1.0})
        assert await RedisKeeper(self._ways[number], shard=number).remove(batch, ended_before=2.0)

    async def aclose(self):
        """Let go of the server."""
        await self._primaries.aclose()


@pytest.fixture
def rows(stack):
    """Opens the rows of so many shards; they are closed with the block."""

    @asynccontextmanager
    async def opened(count):
        found = Rows(stack.redis_url, count)
        try:
            yield found
        finally:
            await found.aclose()

    return opened


async def pages(ask, size, *, between=None):
    """Return the pages of a list to its end; *between* is called with each page but the last."""
    found, token = [], ""
    while not found or token:
        names, token = await ask(size, token)
        found.append(names)
        assert len(found) <= 3 * COUNT, "the list has no end"
        if between is not None and token:
            await between(names)
    return found


def batches_of(stub, **fields):
    """Ask for pages of batches."""

    async def ask(size, token):
        answer = await stub.ListBatches(pb.ListBatchesRequest(page_size=size, page_token=token, **fields))
        return [batch.name for batch in answer.batches], answer.next_page_token

    return ask


def agents_of(stub):
    """Ask for pages of agents."""

    async def ask(size, token):
        answer = await stub.ListAgents(pb.ListAgentsRequest(page_size=size, page_token=token))
        return [agent.name for agent in answer.agents], answer.next_page_token

    return ask


def audit_of(stub, **fields):
    """Ask for pages of audit entries."""

    async def ask(size, token):
        answer = await stub.ListAuditEntries(pb.ListAuditEntriesRequest(page_size=size, page_token=token, **fields))
        return [entry.resource for entry in answer.entries], answer.next_page_token

    return ask


def steps_of(stub, **fields):
    """Ask for pages of steps of limits."""

    async def ask(size, token):
        answer = await stub.ListLimitSteps(pb.ListLimitStepsRequest(page_size=size, page_token=token, **fields))
        return [step.limit for step in answer.steps], answer.next_page_token

    return ask


def flat(found):
    """Return the entries of all pages."""
    return [name for page in found for name in page]


@pytest.mark.parametrize("count", [1, 2, 4, 6])
async def test_each_batch_is_on_exactly_one_page(stack, operators, rows, count):
    """Whatever the size of a page and the number of shards, all pages together are the list, newest first."""
    async with stack.coordinator(shards=count) as channel, rows(count) as store:
        # Three of a moment: two replicas do write at the same microsecond.
        made = [await store.add(index % count, created=1000.0 + index // 3) for index in range(COUNT)]
        moments = {name: 1000.0 + index // 3 for index, name in enumerate(made)}
        expected = sorted(made, key=lambda name: (moments[name], name), reverse=True)
        ask = batches_of(operators(channel))
        for size in range(1, COUNT + 2):
            found = await pages(ask, size)
            assert flat(found) == expected
            assert [len(page) for page in found] == [min(size, COUNT - start) for start in range(0, COUNT, size)]


@pytest.mark.parametrize("count", [1, 2, 4, 6])
@pytest.mark.parametrize("size", [1, 2, 3, 5])
async def test_batches_that_come_and_go_between_pages_move_no_other(stack, operators, rows, count, size):
    """Where retention takes the batch that a page ended with, and others arrive, each that stays is listed once."""
    async with stack.coordinator(shards=count) as channel, rows(count) as store:
        made = [await store.add(index % count) for index in range(COUNT)]

        async def change(page):
            await store.remove(stack.redis_url, page[-1])
            await store.add(0)

        found = flat(await pages(batches_of(operators(channel)), size, between=change))
        assert found == made[::-1]


async def test_batch_that_is_removed_while_a_page_is_read_ends_no_list(stack, operators, rows):
    """A row whose batch is gone already is left out, and the pages behind it come all the same."""
    async with stack.coordinator(shards=2) as channel, rows(2) as store:
        made = [await store.add(index % 2) for index in range(6)]
        async with redis.asyncio.Redis.from_url(stack.redis_url) as client:
            for name in made[2:]:
                await client.delete(f"{shards.prefix(shards.shard_of(name))}batch:{name.removeprefix('batches/')}")
        assert flat(await pages(batches_of(operators(channel)), 2)) == [made[1], made[0]]


@pytest.mark.parametrize("size", [1, 2, 4])
async def test_filter_fills_its_pages(stack, operators, rows, size):
    """Pages of one repository's batches are full though others lie between, and hold each once."""
    async with stack.coordinator(shards=4) as channel, rows(4) as store:
        made = [await store.add(index % 4, repository=("acme/a", "acme/b", "acme/c")[index % 3]) for index in range(12)]
        found = await pages(batches_of(operators(channel), repository="acme/b"), size)
        assert flat(found) == made[1::3][::-1]
        assert [len(page) for page in found] == [min(size, 4 - start) for start in range(0, 4, size)]
        running = batches_of(operators(channel), state=state_pb2.BATCH_STATE_RUNNING)
        assert await pages(running, size) == [[]]


async def test_batches_that_were_submitted_are_listed_by_their_acceptance(stack, operators):
    """Submitted batches are listed newest first, whichever shard each went to."""
    async with stack.coordinator(shards=6) as channel:
        stub, made = operators(channel), []
        for number in range(1, 8):
            call = stub.SubmitBatch(submit(number))
            made.append((await call.read()).events[0].batch)
            call.cancel()
        assert flat(await pages(batches_of(stub), 2)) == made[::-1]


@pytest.mark.parametrize("size", [1, 2, 3, 5, 12, 13])
async def test_each_agent_is_on_exactly_one_page(stack, operators, rows, size):
    """Agents come by name; one that leaves between pages moves no other."""
    async with stack.coordinator(shards=2) as channel, rows(2) as store:
        agents = [AgentInfo(f"agent-{index:02}", (1,), 1, attached=1.0) for index in range(COUNT)]
        for agent in agents:
            await store.agents.put_agent(agent)
        known = {f"agents/{agent.id}": agent for agent in agents}

        async def leave(page):
            await store.agents.remove_agent(known[page[-1]])

        assert flat(await pages(agents_of(operators(channel)), size, between=leave)) == sorted(known)


@pytest.mark.parametrize("size", [1, 2, 3, 5, 12, 13])
async def test_each_audit_entry_is_on_exactly_one_page(stack, operators, rows, size):
    """A write of entries that was repeated after a lost answer is on no page twice, and newer ones move no other."""
    async with stack.coordinator() as channel, rows(1) as store:
        written = [
            AuditEntry(f"call-{index}", float(index), "sam", "PauseBatch", f"r{index}", "OK") for index in range(12)
        ]
        await store.audit.append(written[:6])
        await store.audit.append(written[3:])

        async def more(_page):
            await store.audit.append([AuditEntry(new_ulid(), 99.0, "sam", "PauseBatch", "newer", "OK")])

        found = flat(await pages(audit_of(operators(channel), actor="sam"), size, between=more))
        assert found == [entry.resource for entry in written[::-1]]


@pytest.mark.parametrize("size", [1, 5, 12, 50])
async def test_each_step_of_a_limit_is_on_exactly_one_page(stack, operators, rows, size):
    """Newer ones that come between two pages move no other."""
    async with stack.coordinator() as channel, rows(1) as store:
        await store.paces.note([_step(index) for index in range(1, COUNT + 1)])

        async def more(_page):
            await store.paces.note([_step(99)])

        found = flat(await pages(steps_of(operators(channel), target="mine"), size, between=more))
        assert found == list(range(COUNT, 0, -1))


def _step(limit):
    return LimitStep(float(limit), "mine", limit, 0, LimitReason.ANSWERED)


def _plain(text):
    """Return a token of a text."""
    return base64.urlsafe_b64encode(text.encode()).decode()


#: A token of each list.
OURS = {
    "batches": page_tokens.batches_token(Position(1000.5, "01JDAAAAAAAAAAAAAAAAAAAAAA")),
    "agents": page_tokens.agents_token("agent-1"),
    "audit": page_tokens.audit_token("1732000000000-0"),
    "steps": page_tokens.steps_token("1732000000000-0"),
}
#: What nobody made, or another version.
BAD = [
    "nonsense",
    _plain("p1:01JDAAAAAAAAAAAAAAAAAAAAAA"),
    _plain("p3:batches:0x1p3 01JDAAAAAAAAAAAAAAAAAAAAAA"),
    _plain("p2:batches:"),
    _plain("p2:batches:nan 01JDAAAAAAAAAAAAAAAAAAAAAA"),
    _plain("p2:batches:inf 01JDAAAAAAAAAAAAAAAAAAAAAA"),
    _plain("p2:batches:0x1p99999 01JDAAAAAAAAAAAAAAAAAAAAAA"),
    _plain("p2:batches:0x1p3 batches"),
    _plain("p2:agents:agent 1"),
    _plain("p2:audit:1-"),
    _plain("p2:audit:" + "9" * 50 + "-1"),
]


@pytest.mark.parametrize("of_list", sorted(OURS))
async def test_token_of_another_list_or_version_is_refused(stack, operators, of_list):
    """Each list takes its own tokens; those of the others, of another version and made-up ones are BAD_CURSOR."""
    async with stack.coordinator(shards=2) as channel:
        stub = operators(channel)
        ask = {
            "batches": batches_of(stub),
            "agents": agents_of(stub),
            "audit": audit_of(stub),
            "steps": steps_of(stub),
        }[of_list]
        assert await ask(3, OURS[of_list]) == ([], "")
        for token in [*BAD, *(OURS[name] for name in OURS if name != of_list)]:
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await ask(3, token)
            assert (token, from_rpc_error(caught.value).reason) == (token, "BAD_CURSOR")


def test_every_list_is_tested_here():
    """A list that is added needs its pages tested: here, or as those of a run's calls are, beside them."""
    service = pb.DESCRIPTOR.services_by_name["CoordinatorService"]
    lists = {method.name for method in service.methods if method.name.startswith("List")}
    assert lists == {"ListBatches", "ListAgents", "ListAuditEntries", "ListLimitSteps", "ListModelCalls"}
