"""Governors on a clock that passes only while someone waits."""

from __future__ import annotations

import asyncio

from miyabi_github_gateway.service.governor import Ask, Governor, Heard, Limits
from miyabi_github_gateway.service.governor.gate import Gate


class Clock:
    """Time that passes only while someone sleeps."""

    def __init__(self, *, steps: bool = False) -> None:
        self.now = 1_000_000.0
        self._steps = steps

    def __call__(self) -> float:
        return self.now

    async def pause(self, seconds: float, _gate: Gate) -> None:
        """Pass the time; with `steps` others run first, and may wake the gate."""
        if self._steps:
            await asyncio.sleep(0)
        self.now += seconds


def governor(limits: Limits | None = None, *, steps: bool = False) -> tuple[Governor, Clock]:
    """Return a governor that is alone, and its clock."""
    clock = Clock(steps=steps)
    return Governor(limits or Limits(), clock=clock, pause=clock.pause), clock


async def send(subject: Governor, ask: Ask, *, times: int = 1, patience: float = 1e6) -> None:
    """Send requests one after another."""
    for _ in range(times):
        async with subject.admitted(ask, deadline=subject.clock() + patience):
            pass


def heard(clock: Clock, *, remaining: int, resets_in: float, resource: str = "core", limit: int = 5000) -> Heard:
    """Return what an answer's headers say."""
    return Heard(resource, limit, remaining, int(clock.now + resets_in), int(resets_in * 1000))
