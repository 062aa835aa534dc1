"""The governor keeps every limit, with a clock of the test's own."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from miyabi_github_gateway.errors import RateLimitedError
from miyabi_github_gateway.service.governor import Cost, Governor
from miyabi_github_gateway.settings import GatewaySettings


class Clock:
    """Time that passes only while someone sleeps."""

    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.now += seconds


def governor(**more: float) -> tuple[Governor, Clock]:
    """Return a governor on a clock."""
    clock = Clock()
    return Governor(clock=clock, sleep=clock.sleep, **more), clock  # type: ignore[arg-type]


async def send(subject: Governor, cost: Cost, *, times: int = 1, resource: str = "core", patience: float = 1e9) -> None:
    """Send requests one after another."""
    for _ in range(times):
        async with subject.admitted(resource, cost, deadline=subject.clock() + patience):
            pass


async def test_writes_are_a_second_apart() -> None:
    """Ten writes take at least nine seconds."""
    subject, clock = governor()
    start = clock.now
    await send(subject, Cost.WRITE, times=10)
    assert clock.now - start >= 9


async def test_notifying_writes_are_three_seconds_apart() -> None:
    """Ten comments take at least 27 seconds."""
    subject, clock = governor()
    start = clock.now
    await send(subject, Cost.NOTIFY, times=10)
    assert clock.now - start >= 27


async def test_content_is_at_most_80_a_minute_and_500_an_hour() -> None:
    """Without pauses the windows still hold."""
    subject, clock = governor(pacing_scale=0.0)
    start = clock.now
    await send(subject, Cost.NOTIFY, times=81)
    assert clock.now - start >= 60
    await send(subject, Cost.NOTIFY, times=420)
    assert clock.now - start >= 3600


async def test_points_of_a_minute_hold() -> None:
    """The 901st read of a minute waits."""
    subject, clock = governor()
    start = clock.now
    await send(subject, Cost.READ, times=901)
    assert clock.now - start >= 59


async def test_used_up_limit_waits_for_its_reset() -> None:
    """Nothing is sent before the hour is over."""
    subject, clock = governor()
    subject.heard({
        "x-ratelimit-resource": "core", "x-ratelimit-limit": "5000", "x-ratelimit-remaining": "0",
        "x-ratelimit-reset": str(int(clock.now) + 100),
    })  # fmt: skip
    start = clock.now
    await send(subject, Cost.READ)
    assert clock.now - start >= 99


async def test_wait_beyond_the_deadline_is_refused_at_once() -> None:
    """A caller without the time learns when to come back."""
    subject, _ = governor()
    subject.refused("core", 90.0)
    with pytest.raises(RateLimitedError) as caught:
        await send(subject, Cost.READ, patience=5)
    assert caught.value.retry_after is not None
    assert 89 <= caught.value.retry_after.total_seconds() <= 90


def test_pauses_cannot_be_skipped_on_real_github() -> None:
    """Only a simulated GitHub may be written to without pauses."""
    with pytest.raises(ValidationError, match="pacing_scale"):
        GatewaySettings(pacing_scale=0.0, simulated=False)
