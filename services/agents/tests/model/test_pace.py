"""Calls at once follow what the API takes: more while it works, half when it is busy, and a busy API fails nothing."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from datetime import timedelta

import pytest

from miyabi_agents.errors import ModelUnavailableError
from miyabi_agents.model.pace import LONGEST_PAUSE, Bounds, Pace, Patience
from miyabi_core.metrics import REGISTRY
from miyabi_sim.model.dials import Fault

TOOL = {"name": "record", "description": "Record.", "input_schema": {"type": "object"}}
GOOD = [{"tool": "record", "input": {}}]
PROMPT = {"step": "analysis", "system": "You are careful.", "prompt": "acme/toy#7: how large?", "tool": TOOL}


async def calls(pace, number):
    """Return the turns of as many calls at once, that are over."""
    async with AsyncExitStack() as block:
        return [await block.enter_async_context(pace.turn()) for _ in range(number)]


async def test_the_pace_grows_with_success_and_halves_once_for_a_burst() -> None:
    """One more for each call that worked; refusals of calls that went out together halve it once; then slower growth."""
    pace = Pace(Bounds(begin=4))
    for _ in range(4):
        pace.worked()
    assert pace.allowed == 8
    for turn in await calls(pace, 5):
        pace.refused(turn)
    assert pace.allowed == 4
    for _ in range(4):
        pace.worked()
    assert pace.allowed == 4
    pace.worked()
    assert pace.allowed == 5
    for _ in range(9):
        (turn,) = await calls(pace, 1)
        pace.refused(turn)
    assert pace.allowed == 1
    assert REGISTRY.get_sample_value("miyabi_agents_model_calls_allowed") == 1.0


async def test_no_more_calls_are_under_way_than_allowed() -> None:
    """The others wait for their turn, and one that is cancelled takes none."""
    pace, under_way, most = Pace(Bounds(begin=2)), 0, 0
    gate = asyncio.Event()

    async def call() -> None:
        nonlocal under_way, most
        async with pace.turn():
            under_way += 1
            most = max(most, under_way)
            await gate.wait()
            under_way -= 1

    async with asyncio.TaskGroup() as tasks:
        calls = [tasks.create_task(call()) for _ in range(6)]
        while under_way < 2:
            await asyncio.sleep(0)
        calls[-1].cancel()
        gate.set()
    assert most == 2
    async with asyncio.timeout(1), pace.turn(), pace.turn():
        pass


class Clock:
    """A clock that a test sets."""

    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


async def test_the_coordinators_part_counts_until_it_runs_out() -> None:
    """Then the agent finds a limit of its own, at most as high as its last part."""
    clock = Clock()
    pace = Pace(Bounds(begin=4), clock=clock)
    pace.follow(9, epoch=3, lasts=15.0)
    assert pace.allowed == 9
    pace.follow(6, epoch=3, lasts=15.0)
    assert pace.allowed == 6
    clock.now += 16.0
    assert pace.allowed == 6
    for _ in range(20):
        pace.worked()
    assert pace.allowed == 6, "never above the last part"
    for turn in await calls(pace, 2):
        pace.refused(turn)
    assert pace.allowed == 3
    pace.follow(0, epoch=4, lasts=15.0)
    assert pace.allowed == 0, "none until it says that it has some"
    clock.now += 16.0
    assert pace.allowed == 1


async def test_a_refusal_is_answered_at_once_and_until_the_coordinator_has_heard_of_it() -> None:
    """A part that was on its way says nothing of the burst; the next epoch does."""
    pace = Pace(clock=Clock())
    pace.follow(8, epoch=1, lasts=15.0)
    for turn in await calls(pace, 3):
        pace.refused(turn)
    assert pace.allowed == 4
    pace.follow(8, epoch=1, lasts=15.0)
    assert pace.allowed == 4
    pace.follow(6, epoch=2, lasts=15.0)
    assert pace.allowed == 6
    counts = pace.take_counts()
    assert (counts.refused, counts.epoch, counts.demand) == (3, 1, 3)
    assert (pace.take_counts().refused, pace.take_counts().demand) == (0, 0)


async def test_all_calls_wait_while_the_api_wants_to_be_left_alone() -> None:
    """Also those that were not told so themselves; an hour concerns the one call alone."""
    clock = Clock()
    pace = Pace(clock=clock)
    (turn,) = await calls(pace, 1)
    pace.refused(turn, retry_after=0.05)
    other = asyncio.create_task(calls(pace, 1))
    await asyncio.sleep(0)
    assert (pace.waiting, other.done()) == (1, False)
    clock.now += 0.05
    async with asyncio.timeout(5):
        await other
    pace.pause(3600.0)
    assert pace.paused == pytest.approx(LONGEST_PAUSE)


async def test_switched_off_nothing_but_the_operators_bound_counts() -> None:
    """Neither refusals nor parts change it, and nobody waits for others."""
    for pace in (Pace(Bounds(most=32, fixed=True)), Pace(Bounds(most=32))):
        pace.switch_off()
        for turn in await calls(pace, 32):
            pace.refused(turn, retry_after=30.0)
        pace.follow(1, epoch=1, lasts=15.0)
        assert pace.allowed == 32
        async with asyncio.timeout(1):
            await calls(pace, 1)


@pytest.mark.parametrize("kind", ["rate_limited", "overloaded"])
async def test_an_api_that_is_busy_for_a_minute_fails_nothing(talk, kind) -> None:
    """Each refusal is waited for as long as the API says, else ever longer; the waits of a minute are not given up."""
    usual = Patience()
    waits = [usual.wait(number) for number in range(1, 16)]
    assert sum(waits, start=timedelta()) >= timedelta(seconds=60)
    assert usual.busy >= timedelta(seconds=60)
    async with talk(GOOD, faults=[Fault(kind, count=15)]) as seen:
        assert await seen.session.call_tool(**PROMPT) == {}
        assert [call.succeeded for call in seen.calls] == [False] * 15 + [True]


async def test_a_busy_api_is_asked_when_it_says_and_given_up_in_the_end(talk) -> None:
    """`retry-after` goes before our own wait; beyond our patience the error says when to come again."""
    patience = Patience(busy=timedelta(seconds=1), first_wait=timedelta(seconds=9))
    async with talk(GOOD, faults=[Fault("rate_limited", retry_after_seconds=0.02)], patience=patience) as seen:
        assert await seen.session.call_tool(**PROMPT) == {}
    async with talk(GOOD, faults=[Fault("rate_limited", retry_after_seconds=30)], patience=patience) as seen:
        with pytest.raises(ModelUnavailableError, match=r"429 \(rate_limit_error\)") as caught:
            await seen.session.call_tool(**PROMPT)
        assert caught.value.retry_after == timedelta(seconds=30)
