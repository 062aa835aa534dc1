"""What an agent tells of the model API, when, and what it takes from the coordinator."""

from __future__ import annotations

import asyncio
import hashlib
from contextlib import AsyncExitStack
from datetime import timedelta

import pytest

from miyabi.coordinator.v1 import limits_pb2 as pb
from miyabi_agents.feedback.limits import BURST, GAP, SLOTS, Limits, model_target
from miyabi_agents.feedback.slots import Pressure, Slots
from miyabi_agents.model.pace import Bounds, Pace
from miyabi_agents.settings import AgentsSettings
from miyabi_core.proto_time import from_duration, to_duration

TARGET = "model-api/api.anthropic.com"
NEVER = float("inf")


class Clock:
    """A clock that a test sets."""

    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


class Told:
    """Limits whose clock a test sets; `heard` has when each piece of news came."""

    def __init__(self, **bounds):
        self.clock = Clock()
        self.pace = Pace(Bounds(**bounds), clock=self.clock)
        self.slots = Slots(least=1, most=4)
        self.limits = Limits(self.pace, self.slots, clock=self.clock)
        self.heard = []
        self.limits.on_news = lambda: self.heard.append(self.clock.now)

    def share(self, number, *, epoch=1, **fields):
        """Take a share."""
        share = pb.TargetShare(
            target=TARGET, share=number, epoch=epoch, lasts=to_duration(timedelta(seconds=15)), **fields
        )
        self.limits.take(pb.Limits(shares=[share]))

    @property
    def reported(self):
        """The next report on the model API."""
        return self.limits.reports()[0]


@pytest.fixture
def told():
    """Limits on a clock of the test's."""
    return Told()


async def test_a_report_tells_what_was_seen_since_the_last(told):
    """Calls under way, those that could be, answered and refused ones, and the mean time to the first text."""
    async with AsyncExitStack() as block:
        turns = [await block.enter_async_context(told.pace.turn()) for _ in range(3)]
        for turn, seconds in zip(turns, (1.0, 3.0, 0.0), strict=True):
            told.clock.now += seconds
            turn.begun()
            told.pace.worked(turn)
        report = told.reported
        assert (report.target, report.in_flight, report.demand, report.answered) == (TARGET, 3, 3, 3)
        assert from_duration(report.latency) == timedelta(seconds=3)
        told.pace.refused(turns[0], retry_after=4.0)
        report = told.reported
        assert (report.refused, report.answered, report.retry_after.seconds) == (1, 0, 4)
    assert (told.reported.demand, told.reported.demand) == (3, 0)


async def test_refusals_are_reported_soon_and_together(told):
    """A burst is one report, a moment after it began."""
    told.limits.reports()
    async with told.pace.turn() as turn, told.pace.turn() as other:
        assert told.limits.due() == NEVER
        told.pace.refused(turn)
        told.pace.refused(other)
    assert told.heard
    assert told.limits.due() == told.clock.now + BURST
    assert told.reported.refused == 2
    assert told.limits.due() == NEVER


async def test_work_that_begins_and_a_share_that_is_used_up_are_reported_early(told):
    """With the first call that has to wait, then after as many answers as calls are allowed; never while some are free."""
    told.share(0)
    told.limits.reports()
    waiting = asyncio.create_task(_call(told.pace))
    await asyncio.sleep(0)
    assert told.limits.due() == told.clock.now + GAP
    assert told.reported.demand == 1
    assert told.limits.due() == NEVER, "once"
    told.pace.worked()
    assert told.limits.due() < NEVER
    told.share(2)
    await waiting
    told.limits.reports()
    async with told.pace.turn():
        told.pace.worked()
        told.pace.worked()
        assert told.limits.due() == NEVER, "one more could be sent"


async def _call(pace):
    async with pace.turn():
        pass


async def test_a_lowered_share_is_reported_when_it_is_kept(told):
    """So that others may use what is free now."""
    told.share(2)
    async with AsyncExitStack() as block:
        await block.enter_async_context(told.pace.turn())
        async with told.pace.turn():
            told.share(1)
            assert told.limits.due() == NEVER
        assert told.limits.due() < NEVER
        assert told.reported.in_flight == 1
        assert told.limits.due() == NEVER


async def test_shares_and_pauses_are_followed(told):
    """Those of another target are not ours."""
    told.share(7, pause=to_duration(timedelta(seconds=9)))
    assert (told.pace.allowed, told.pace.paused) == (7, pytest.approx(9.0))
    assert not told.reported.HasField("retry_after"), "others were told so; it is not for this agent to repeat"
    told.limits.take(pb.Limits(shares=[pb.TargetShare(target="model-api/other", share=1)]))
    assert told.pace.allowed == 7


async def test_the_switch_of_the_stack_switches_everything_off():
    """The operator's highest limits hold, and nothing more is told."""
    told = Told(most=32)
    told.slots.observe(Pressure(memory_free=0.01))
    told.limits.take(pb.Limits(off=True))
    assert (told.pace.allowed, told.slots.now, told.limits.reports()) == (32, 4, [])
    async with told.pace.turn() as turn:
        told.pace.refused(turn)
    assert told.limits.due() == NEVER


def test_steps_of_the_slots_are_told_once(told):
    """With the reason; then the slots alone."""
    told.limits.reports()
    told.slots.observe(Pressure(memory_free=0.01))
    assert told.heard == [told.clock.now]
    assert told.limits.due() < NEVER
    first, second = told.limits.reports()[1], told.limits.reports()[1]
    assert (first.target, first.limit, first.reason) == (SLOTS, 2, pb.LIMIT_REASON_MEMORY)
    assert (second.limit, second.reason, second.detail) == (2, pb.LIMIT_REASON_UNSPECIFIED, "")


@pytest.mark.parametrize(
    ("url", "target"),
    [
        (None, TARGET),
        ("https://api.anthropic.com", TARGET),
        ("http://127.0.0.1:9/v1", "model-api/127.0.0.1:9"),
        ("https://me:secret@models.example.com/x", "model-api/models.example.com"),
        ("http://[::1]:9000", "model-api/::1:9000"),
        (f"http://{'a' * 200}.example.com", "model-api/" + hashlib.sha256(b"a" * 200 + b".example.com").hexdigest()),
    ],
)
def test_agents_of_one_server_share_its_limit(url, target):
    """The server's host names the target; never what is secret of an address."""
    assert model_target(url) == target


def test_bounds_that_nothing_lies_between_are_refused_at_the_start():
    """With the field's name."""
    with pytest.raises(ValueError, match="model_calls_min: 9 is above model_calls_max, 8"):
        AgentsSettings(model_calls_min=9, model_calls_max=8)
