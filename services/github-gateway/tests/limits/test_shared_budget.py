"""The budget that replicas share in a real Valkey, beside the same rules in one process."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator
from dataclasses import replace
from itertools import pairwise

import pytest_asyncio
import redis.asyncio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from miyabi_core.store.redis import connect
from miyabi_core.store.valkey import EmbeddedValkey
from miyabi_github_gateway.adapters.redis_governor import RedisBudget
from miyabi_github_gateway.adapters.redis_governor.budget import key_prefix
from miyabi_github_gateway.service.governor import Ask, Cost, Heard, Lane, Limits, Outcome, Timing
from miyabi_github_gateway.service.governor.local import LONGEST_PATIENCE_MS, LocalBudget
from miyabi_github_gateway.service.governor.mirrored import Budget
from miyabi_github_gateway.service.governor.model import HOUR_MS, MINUTE_MS, Grant, Wait
from miyabi_github_gateway.service.governor.shared import BudgetForgotError

#: Small limits, so that few requests reach them.
SMALL = Limits(
    primary=40, minute_graphql=30, minute_rest=24, concurrency=3, content_minute=3, content_hour=7,
    write_gap_ms=1000, notify_gap_ms=3000, busy_ms=16_000, busy_graphql_ms=8000,
)  # fmt: skip
START = 1_000_000_000
ASKS = [
    Ask("core"), Ask("core", lane=Lane.BATCH), Ask("graphql", primary=3), Ask("graphql", lane=Lane.BATCH),
    Ask("core", Cost.WRITE), Ask("core", Cost.NOTIFY),
]  # fmt: skip
#: What one replica does: ask, end its oldest request after a while, or nothing; and how much time passes before.
#: Writes and good ends come more often: they have most limits to reach.
CHOICES = [*range(len(ASKS) + 3), *[len(ASKS) - 1] * 6, *[len(ASKS)] * 6]
PASSES = [0, 1, 400, 1000, 3000, 3000, 3000, 20_000, 61_000]
STEPS = st.lists(
    st.tuples(st.integers(0, 2), st.sampled_from(CHOICES), st.sampled_from(PASSES)), min_size=25, max_size=80
)
MANY = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


class Time:
    """A clock in milliseconds."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> int:
        return self.now


@pytest_asyncio.fixture
async def client(valkey: EmbeddedValkey) -> AsyncIterator[redis.asyncio.Redis]:
    """A client of the store."""
    async with redis.asyncio.Redis.from_url(valkey.url) as opened:
        yield opened


async def acquire(budget: RedisBudget, ask: Ask, *, ticket: str, patience: int = LONGEST_PATIENCE_MS) -> Grant | Wait:
    """Ask, after telling a budget that is new that nothing was sent."""
    try:
        found = await budget.acquire(ask, ticket=ticket, patience=patience)
    except BudgetForgotError as error:
        await budget.restore(error.epoch, [], [], blocked_ms=0)
        found = await budget.acquire(ask, ticket=ticket, patience=patience)
    return found if isinstance(found, Wait) else found[0]


def outcome_of(choice: int, ask: Ask, clock: Time) -> Outcome:
    """Return an end of a request."""
    said = Heard(ask.resource, 40, 30, clock.now // 1000 + 100, 100_000)
    return [
        Outcome(succeeded=True, heard=said, took_ms=clock.now % 7000),
        Outcome(sent=False, took_ms=1),
        Outcome(extra=2, pause_ms=1500, strike=True, took_ms=400),
    ][choice]


@MANY
@given(steps=STEPS)
async def test_shared_budget_decides_like_that_of_one_process(client: redis.asyncio.Redis, steps) -> None:
    """The rules in Lua and in Python give the same answers, step by step."""
    clock, scope = Time(), secrets.token_hex(8)
    shared = RedisBudget(client, scope, SMALL, clock=clock)
    local = LocalBudget(SMALL)
    running: list[tuple[Grant, Grant]] = []
    for replica, choice, passes in steps:
        clock.now += passes
        if choice < len(ASKS):
            patience = 5000 * (1 + replica)
            theirs = await acquire(shared, ASKS[choice], ticket=str(replica), patience=patience)
            ours = local.acquire(ASKS[choice], ticket=str(replica), now=clock.now, patience=patience)
            assert isinstance(ours, Grant) == isinstance(theirs, Grant), (ours, theirs)
            if isinstance(ours, Wait):
                assert ours == theirs
            else:
                assert (ours.alone, ours.sequence, ours.busy_ms) == (theirs.alone, theirs.sequence, theirs.busy_ms)
                running.append((ours, theirs))
        elif running:
            ours, theirs = running.pop(0)
            ended = outcome_of(choice - len(ASKS), ours.ask, clock)
            local.settle(ours, ended, now=clock.now)
            await shared.settle(theirs, ended)
        state = await shared.state()
        expected = local.state(clock.now)
        if state is not None:
            assert replace(expected, hours=tuple(replace(hour, window=0) for hour in expected.hours)) == state


@MANY
@given(steps=STEPS)
async def test_no_interleaving_passes_a_limit(client: redis.asyncio.Redis, steps) -> None:
    """However three replicas' requests interleave, no window of GitHub's, wherever it begins, holds more than its limit.

    Each request arrives at GitHub somewhere between its grant and its end; both extremes are counted.
    """
    clock, scope = Time(), secrets.token_hex(8)
    replicas = [RedisBudget(client, scope, SMALL, clock=clock) for _ in range(3)]
    running: list[tuple[int, Grant]] = []
    arrivals: list[tuple[int, int, Ask]] = []
    begun: dict[str, int] = {}
    for replica, choice, passes in steps:
        clock.now += passes
        for held in [held for held in running if clock.now - begun[held[1].id] >= Timing().lease]:
            running.remove(held)  # its replica is gone: it has ended by then, as its own time limit says
            arrivals.append((begun[held[1].id], begun[held[1].id] + 15_000, held[1].ask))
        if choice < len(ASKS):
            found = await acquire(replicas[replica], ASKS[choice], ticket=str(replica))
            if isinstance(found, Grant):
                running.append((replica, found))
                begun[found.id] = clock.now
                assert len(running) <= SMALL.concurrency
                assert sum(held.ask.cost is not Cost.READ for _, held in running) <= 1
        elif running:
            owner, grant = running.pop(0)
            await replicas[owner].settle(grant, Outcome(succeeded=True))
            arrivals.append((begun[grant.id], clock.now, grant.ask))
    arrivals += [(begun[held.id], clock.now, held.ask) for _, held in running]
    for extreme in (0, 1):
        check([(arrival[extreme], arrival[2]) for arrival in arrivals])


def check(arrivals: list[tuple[int, Ask]]) -> None:
    """Fail where a window that ends with an arrival holds more than its limit."""
    for end, _ in arrivals:
        minute = [ask for moment, ask in arrivals if end - MINUTE_MS < moment <= end]
        hour = [ask for moment, ask in arrivals if end - HOUR_MS < moment <= end]
        for resource in ("core", "graphql"):
            assert sum(ask.cost.points for ask in minute if ask.resource == resource) <= SMALL.minute(resource)
        assert sum(ask.cost is Cost.NOTIFY for ask in minute) <= SMALL.content_minute
        assert sum(ask.cost is Cost.NOTIFY for ask in hour) <= SMALL.content_hour
    writes = sorted(moment for moment, ask in arrivals if ask.cost is not Cost.READ)
    notifying = sorted(moment for moment, ask in arrivals if ask.cost is Cost.NOTIFY)
    for moments, gap in ((writes, SMALL.write_gap_ms), (notifying, SMALL.notify_gap_ms)):
        assert all(later - earlier >= gap for earlier, later in pairwise(moments))


async def test_replicas_share_one_budget(client: redis.asyncio.Redis) -> None:
    """What one replica has used is gone for the other, and a remaining that one heard holds for both."""
    clock, scope = Time(), secrets.token_hex(8)
    first, second = (RedisBudget(client, scope, Limits(), clock=clock) for _ in range(2))
    grant = await acquire(first, Ask("core"), ticket="a")
    assert isinstance(grant, Grant)
    await first.settle(grant, Outcome(heard=Heard("core", 5000, 100, clock.now // 1000 + 60, 60_000)))
    assert await acquire(second, Ask("core"), ticket="b") == Wait(60_000, "hour")
    assert isinstance(await acquire(second, Ask("core", Cost.WRITE), ticket="b"), Grant)


async def test_place_of_one_who_does_not_come_back_holds_nobody_up(client: redis.asyncio.Redis) -> None:
    """Who is told to wait longer than it can leaves no place; the place of one that died is gone after a while."""
    clock, scope = Time(), secrets.token_hex(8)
    first, second = (RedisBudget(client, scope, Limits(), clock=clock) for _ in range(2))
    write = await acquire(first, Ask("core", Cost.NOTIFY), ticket="a")
    assert isinstance(write, Grant)
    await first.settle(write, Outcome(pause_ms=10_000))
    assert await acquire(first, Ask("core", Cost.NOTIFY), ticket="a", patience=5000) == Wait(10_000, "blocked")
    clock.now += 10_000
    write = await acquire(second, Ask("core", Cost.NOTIFY), ticket="b")
    assert isinstance(write, Grant)
    await second.settle(write, Outcome(pause_ms=100_000))
    assert await acquire(first, Ask("core", Cost.NOTIFY), ticket="a") == Wait(100_000, "blocked")
    clock.now += 100_000
    assert isinstance(await acquire(second, Ask("core", Cost.NOTIFY), ticket="b"), Grant)


async def test_replica_that_dies_gives_its_requests_back(client: redis.asyncio.Redis) -> None:
    """Requests whose end nobody tells take places only for as long as a request may last; a write holds up no longer."""
    clock, scope = Time(), secrets.token_hex(8)
    dead, living = (RedisBudget(client, scope, Limits(concurrency=2), clock=clock) for _ in range(2))
    for ask in (Ask("core", Cost.WRITE), Ask("graphql")):
        assert isinstance(await acquire(dead, ask, ticket="dead"), Grant)
    assert isinstance(await acquire(living, Ask("core"), ticket="a"), Wait)
    clock.now += Timing().lease
    assert isinstance(await acquire(living, Ask("core"), ticket="a"), Grant)
    assert await acquire(living, Ask("core", Cost.WRITE), ticket="a") == Wait(1000, "write-gap")
    state = await living.state()
    assert state is not None
    assert state.concurrent == 1


async def test_asker_that_is_cancelled_leaves_nothing(valkey: EmbeddedValkey) -> None:
    """However many turns of the loop after its start a question is cancelled, what it was granted is given back."""
    clock = Time()
    async with connect(valkey.url) as client:
        budget = RedisBudget(client, secrets.token_hex(8), Limits(write_gap_ms=0, notify_gap_ms=0), clock=clock)
        cancelled = 0
        for turns in range(40):
            asking = asyncio.create_task(acquire(budget, Ask("core", Cost.NOTIFY, primary=7), ticket="a"))
            for _ in range(turns):
                await asyncio.sleep(0)
            asking.cancel()
            try:
                grant = await asking
            except asyncio.CancelledError:
                cancelled += 1
            else:
                assert isinstance(grant, Grant)
                await budget.settle(grant, Outcome(sent=False))
        state = await budget.state()
        hour = await client.hmget(budget._keys[0], "core.remaining", "core.in_flight")
    assert cancelled > 0
    assert state is not None
    assert (state.concurrent, state.content_hour, state.minute_points["core"], state.busy_ms["core"]) == (0, 0, 0, 0)
    assert hour == [b"5000", b"0"]


async def test_other_credential_has_its_own_budget(client: redis.asyncio.Redis) -> None:
    """Installations do not share limits."""
    clock = Time()
    one, other = (RedisBudget(client, secrets.token_hex(8), Limits(concurrency=1), clock=clock) for _ in range(2))
    assert isinstance(await acquire(one, Ask("core"), ticket="a"), Grant)
    assert isinstance(await acquire(other, Ask("core"), ticket="a"), Grant)


async def test_keys_tell_no_credential_and_end_by_themselves(client: redis.asyncio.Redis) -> None:
    """Keys are named by a digest, share one hash slot, and each has an expiry."""
    scope = secrets.token_hex(8)
    budget = RedisBudget(client, scope)
    await acquire(budget, Ask("core", Cost.NOTIFY), ticket="a")
    await acquire(budget, Ask("core", Cost.NOTIFY), ticket="b")
    keys = [key.decode() for key in await client.keys(f"{key_prefix(scope)}*")]
    assert len(keys) == 5
    assert not any(scope in key for key in keys)
    assert {key.partition("{")[2].partition("}")[0] for key in keys} == {key_prefix(scope).partition("{")[2][:-1]}
    assert all([await client.pttl(key) > 0 for key in keys])


async def test_budget_that_lost_a_key_is_told_again(client: redis.asyncio.Redis) -> None:
    """An evicted key is noticed: the replica tells what it sent, and the window still holds."""
    seconds = [1000.0]
    shared = RedisBudget(client, secrets.token_hex(8), SMALL, clock=lambda: int(seconds[0] * 1000))
    budget = Budget(SMALL, shared, clock=lambda: seconds[0])
    for _ in range(3):
        grant = await budget.acquire(Ask("core", Cost.NOTIFY), ticket="a")
        assert isinstance(grant, Grant)
        await budget.settle(grant, Outcome())
        seconds[0] += 3
    assert await client.delete(shared._keys[4]) == 1
    found = await budget.acquire(Ask("core", Cost.NOTIFY), ticket="a")
    assert found == Wait(51_000, "content-minute")


async def test_server_time_orders_replicas(client: redis.asyncio.Redis) -> None:
    """Without a clock of the test's own the server's time is used, at the speed of GitHub's clock."""
    scope = secrets.token_hex(8)
    fast = RedisBudget(client, scope, Limits(), time_scale=1000.0)
    grant = await acquire(fast, Ask("core", Cost.NOTIFY), ticket="a")
    assert isinstance(grant, Grant)
    await fast.settle(grant, Outcome())
    found = await acquire(fast, Ask("core", Cost.NOTIFY), ticket="a")
    assert found == Wait(found.milliseconds, "write-gap") if isinstance(found, Wait) else isinstance(found, Grant)
