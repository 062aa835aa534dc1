"""Calls at once follow what the API takes: more while it works, half when it is busy, and a busy API fails nothing."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
from prometheus_client import REGISTRY

from miyabi_agents.errors import ModelUnavailableError
from miyabi_agents.model.pace import Pace, Patience
from miyabi_sim.model.dials import Fault

TOOL = {"name": "record", "description": "Record.", "input_schema": {"type": "object"}}
GOOD = [{"tool": "record", "input": {}}]
PROMPT = {"step": "analysis", "system": "You are careful.", "prompt": "acme/toy#7: how large?", "tool": TOOL}


def test_the_pace_grows_with_success_and_halves_once_for_a_burst() -> None:
    """One more for each call that worked; refusals of calls that went out together halve it once; then slower growth."""
    pace = Pace(begin=4)
    for _ in range(4):
        pace.worked()
    assert pace.allowed == 8
    before = pace.halvings
    for _ in range(5):
        pace.refused(halvings=before)
    assert pace.allowed == 4
    for _ in range(4):
        pace.worked()
    assert pace.allowed == 4
    pace.worked()
    assert pace.allowed == 5
    for _ in range(9):
        pace.refused(halvings=pace.halvings)
    assert pace.allowed == 1
    assert REGISTRY.get_sample_value("miyabi_agents_model_calls_allowed") == 1.0


async def test_no_more_calls_are_under_way_than_allowed() -> None:
    """The others wait for their turn, and one that is cancelled takes none."""
    pace, under_way, most = Pace(begin=2), 0, 0
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
