"""The governor keeps every limit, with a clock of the test's own."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import pytest
from governed import Clock, governor, heard, send
from pydantic import ValidationError

from miyabi_github_gateway.errors import RateLimitedError
from miyabi_github_gateway.service.governor import Ask, Cost, Lane, Limits, Outcome
from miyabi_github_gateway.service.governor.model import Grant, Wait
from miyabi_github_gateway.settings import GatewaySettings

WRITE, NOTIFY = Ask("core", Cost.WRITE), Ask("core", Cost.NOTIFY)
READ, BATCH = Ask("core"), Ask("core", lane=Lane.BATCH)


async def test_writes_are_a_second_apart() -> None:
    """Ten writes take at least nine seconds."""
    subject, clock = governor()
    start = clock.now
    await send(subject, WRITE, times=10)
    assert 9 <= clock.now - start < 9.1


async def test_notifying_writes_are_three_seconds_apart() -> None:
    """Ten comments take at least 27 seconds."""
    subject, clock = governor()
    start = clock.now
    await send(subject, NOTIFY, times=10)
    assert 27 <= clock.now - start < 27.1


async def test_content_is_at_most_80_a_minute_and_500_an_hour() -> None:
    """Without pauses the windows still hold."""
    subject, clock = governor(Limits(write_gap_ms=0, notify_gap_ms=0))
    start = clock.now
    await send(subject, NOTIFY, times=81)
    assert 60 <= clock.now - start < 61
    await send(subject, NOTIFY, times=420)
    assert 3600 <= clock.now - start < 3601


async def test_points_of_a_minute_hold() -> None:
    """What reads leave to writes is theirs; the next read waits for the minute."""
    subject, clock = governor()
    start = clock.now
    await send(subject, READ, times=882)
    assert clock.now == start
    await send(subject, WRITE, times=1)
    assert clock.now == start
    await send(subject, READ)
    assert 60 <= clock.now - start < 61


async def test_batches_leave_a_tenth_to_those_who_wait() -> None:
    """When batch reads have taken their part, an interactive read still passes at once and a batch read waits."""
    subject, clock = governor()
    start = clock.now
    await send(subject, BATCH, times=810)
    await send(subject, READ)
    assert clock.now == start
    await send(subject, BATCH)
    assert clock.now - start >= 60


async def test_used_up_limit_waits_for_its_reset() -> None:
    """Nothing is sent before the hour is over."""
    subject, clock = governor()
    start = clock.now
    async with subject.admitted(READ, deadline=clock() + 1) as outcome:
        outcome.heard = heard(clock, remaining=0, resets_in=100)
    await send(subject, READ)
    assert 100 <= clock.now - start < 101


async def test_lower_number_of_the_hour_wins_until_it_begins_anew() -> None:
    """An answer that comes late cannot raise what is left, nor revive a window that is over."""
    subject, clock = governor()
    for remaining in (150, 3000):
        async with (
            subject.admitted(READ, deadline=clock() + 1),
            subject.admitted(READ, deadline=clock() + 1) as outcome,
        ):
            outcome.heard = heard(clock, remaining=remaining, resets_in=100)
    assert [limit.remaining for limit in await subject.rate_limits() if limit.resource == "core"] == [148]
    late = heard(clock, remaining=1, resets_in=100)
    clock.now += 101
    async with subject.admitted(READ, deadline=clock() + 1), subject.admitted(READ, deadline=clock() + 1) as outcome:
        outcome.heard = late
    assert [limit.remaining for limit in await subject.rate_limits() if limit.resource == "core"] == [4998]


async def test_wait_beyond_the_deadline_is_refused_at_once() -> None:
    """A caller without the time learns when to come back, before it has waited."""
    subject, clock = governor()
    await refuse(subject, clock, seconds=90)
    with pytest.raises(RateLimitedError) as caught:
        await send(subject, READ, patience=5)
    assert caught.value.retry_after is not None
    assert (caught.value.metadata["limit"], round(caught.value.retry_after.total_seconds())) == ("blocked", 90)


async def refuse(subject, clock: Clock, *, seconds: float, strike: bool = False) -> None:
    """Let GitHub refuse a request."""
    async with subject.admitted(READ, deadline=clock() + 1e6) as outcome:
        outcome.pause_ms, outcome.strike = int(seconds * 1000), strike


async def test_refusals_in_a_row_double_the_pause_and_success_ends_it() -> None:
    """GitHub says to wait longer each time; the first answer that succeeds begins anew."""
    subject, clock = governor()
    pauses = []
    for succeeds in (False, False, False, True, False):
        start = clock.now
        if succeeds:
            async with subject.admitted(READ, deadline=clock() + 1e6) as outcome:
                outcome.succeeded = True
        await refuse(subject, clock, seconds=60, strike=True)
        pauses.append(round(subject.budget.local.blocked / 1000 - clock.now))
        del start
    assert pauses == [60, 120, 240, 60, 120]


async def test_used_up_hour_of_one_resource_leaves_the_other() -> None:
    """GraphQL used up does not stop REST."""
    subject, clock = governor()
    async with subject.admitted(Ask("graphql"), deadline=clock() + 1) as outcome:
        outcome.pause_ms, outcome.used_up = 60_000, True
    start = clock.now
    await send(subject, READ)
    assert clock.now == start
    await send(subject, Ask("graphql"))
    assert clock.now - start >= 60


async def test_interactive_read_passes_those_who_wait() -> None:
    """Ten batch reads wait for the minute; the interactive read that comes last goes first."""
    passed: list[str] = []
    subject, clock = governor(Limits(minute_rest=50, concurrency=100), steps=True)
    await send(subject, BATCH, times=45)
    await send(subject, READ, times=4)

    async def one(ask: Ask, name: str) -> None:
        async with subject.admitted(ask, deadline=clock() + 1e6):
            passed.append(name)

    async with asyncio.TaskGroup() as tasks:
        for number in range(10):
            tasks.create_task(one(BATCH, f"batch {number}"))
        await asyncio.sleep(0)
        tasks.create_task(one(READ, "interactive"))
    assert passed == ["interactive", *(f"batch {number}" for number in range(10))]


async def test_request_that_was_not_sent_is_given_back() -> None:
    """What never reached GitHub counts in no limit."""
    subject, clock = governor(Limits(content_minute=1))
    for _ in range(3):
        async with subject.admitted(NOTIFY, deadline=clock() + 100) as outcome:
            outcome.sent = False
    assert {limit.resource: limit.used for limit in await subject.rate_limits()}["content-minute"] == 0


async def test_at_most_so_many_at_once() -> None:
    """The third of three requests waits for the end of the first."""
    subject, clock = governor(Limits(concurrency=2))
    async with subject.admitted(READ, deadline=clock() + 1), subject.admitted(READ, deadline=clock() + 1):
        with pytest.raises(RateLimitedError) as caught:
            await send(subject, READ, patience=0.01)
    assert caught.value.metadata["limit"] == "concurrent"
    await send(subject, READ, patience=0.01)


async def test_github_is_busy_for_us_90_seconds_a_minute_at_most() -> None:
    """Nine answers of ten seconds at once are a minute's; of GraphQL six. The next request waits for the minute."""
    for resource, many, other in (("core", 9, "graphql"), ("graphql", 6, "core")):
        subject, clock = governor(Limits(concurrency=100))
        grants = [await subject.budget.acquire(Ask(resource), ticket="a") for _ in range(many)]
        clock.now += 10
        for grant in grants:
            assert isinstance(grant, Grant)
            await subject.budget.settle(grant, Outcome(took_ms=10_000))
        assert await subject.budget.acquire(Ask(resource), ticket="a") == Wait(60_000, "busy")
        found = await subject.budget.acquire(Ask(other), ticket="a")
        assert isinstance(found, Wait if other == "graphql" else Grant)
        clock.now += 60
        assert isinstance(await subject.budget.acquire(Ask(resource), ticket="a"), Grant)


async def test_time_of_an_answer_is_measured() -> None:
    """What a request took counts as the time that GitHub was busy, once it is over."""
    subject, clock = governor()
    async with subject.admitted(READ, deadline=clock() + 1):
        clock.now += 1.5
    assert subject.budget.local.state(subject.budget.now()).busy_ms == {"core": 1500, "graphql": 0}


async def test_lease_of_a_lost_request_ends_by_itself() -> None:
    """A request whose end is never told frees its place when its lease is over."""
    subject, clock = governor(Limits(concurrency=1))
    await subject.budget.acquire(READ, ticket="lost")
    with pytest.raises(RateLimitedError):
        await send(subject, READ, patience=0.01)
    clock.now += 26
    await send(subject, READ, patience=0.01)


async def test_forecast_says_when_the_hour_runs_out() -> None:
    """At 100 points a minute, 200 points last two minutes; at a pace that outlasts the hour there is no forecast."""
    subject, clock = governor()
    for minute in range(5):
        del minute
        await send(subject, Ask("core", primary=50), times=2)
        clock.now += 60
    async with subject.admitted(READ, deadline=clock() + 1) as outcome:
        outcome.heard = heard(clock, remaining=200, resets_in=3000)
    core = next(limit for limit in await subject.rate_limits() if limit.resource == "core")
    assert core.exhaust_time is not None
    assert core.reset_time is not None
    left = (core.reset_time - core.exhaust_time).total_seconds()
    assert 2840 <= left <= 2900


async def test_forecast_says_when_the_hour_of_content_runs_out() -> None:
    """At 20 a minute 480 last 24 minutes; at five a minute the hour never runs out."""
    subject, clock = governor()
    await send(subject, NOTIFY, times=20)
    content = next(limit for limit in await subject.rate_limits() if limit.resource == "content-hour")
    assert content.exhaust_time is not None
    minutes = (content.exhaust_time - datetime.now(UTC)).total_seconds() / 60
    assert (content.remaining, round(minutes)) == (480, 24)
    clock.now += 61
    await send(subject, NOTIFY, times=5)
    content = next(limit for limit in await subject.rate_limits() if limit.resource == "content-hour")
    assert (content.remaining, content.exhaust_time) == (475, None)


@pytest.mark.parametrize("name", ["pacing_scale", "time_scale"])
def test_clock_and_pauses_cannot_be_changed_on_real_github(name: str) -> None:
    """Only a simulated GitHub may be written to without pauses or on another clock."""
    with pytest.raises(ValidationError, match=name):
        GatewaySettings(**{name: 0.5 if name == "pacing_scale" else 2.0}, simulated=False)
