"""The audit while its store is away: calls end as they would, entries come later, and nobody can flood it."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager

import pytest

from miyabi_coordinator.models.audit import AuditEntry
from miyabi_coordinator.service.telling.audit import UNKNOWN_A_MINUTE, AuditLog
from miyabi_core.errors import UnavailableError


class Trail:
    """Keeps entries in memory; while `away` is set it answers as a store that is out of reach."""

    def __init__(self):
        self.away = False
        self.entries = []
        self.asked = asyncio.Event()

    async def append(self, entries):
        """Keep entries, or refuse."""
        self.asked.set()
        if self.away:
            raise UnavailableError("away", reason="STORE_UNAVAILABLE")
        self.entries.extend(entries)


def entry(number, *, actor="sam"):
    return AuditEntry(f"call-{number}", float(number), actor, "CancelBatch", f"batches/{number}", "OK")


@asynccontextmanager
async def running(log):
    """Run the log's loop for the length of the block."""
    task = asyncio.create_task(log.run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_written_entry_is_there_when_the_call_ends():
    """Who looks right after a call finds it."""
    trail = Trail()
    log = AuditLog(trail)
    async with running(log):
        await log.write(entry(1))
        assert trail.entries == [entry(1)]


async def test_store_that_is_away_costs_no_call_and_no_entry():
    """A call waits a moment only; its entry is written in its order when the store is back."""
    trail = Trail()
    trail.away = True
    log = AuditLog(trail)
    async with running(log), asyncio.timeout(20):
        await log.write(entry(1))
        assert trail.asked.is_set()
        assert trail.entries == []
        second = log.put(entry(2))
        trail.away = False
        await second
        assert trail.entries == [entry(1), entry(2)]


async def test_full_buffer_drops_the_entry_and_not_the_call():
    """What does not fit is given up at once rather than waited for."""
    log = AuditLog(Trail(), capacity=1)
    first = log.put(entry(1))
    assert log.put(entry(2)).done()
    assert not first.done()


@pytest.mark.parametrize(("actor", "kept"), [("", UNKNOWN_A_MINUTE), ("sam", 2 * UNKNOWN_A_MINUTE)])
async def test_unknown_callers_cannot_push_others_out(actor, kept, still_clock):
    """Callers that nobody knows get so many entries a minute; known ones all of theirs."""
    trail = Trail()
    log = AuditLog(trail, minute=still_clock)
    async with running(log), asyncio.timeout(20):
        waiting = [log.put(entry(number, actor=actor)) for number in range(2 * UNKNOWN_A_MINUTE)]
        await asyncio.gather(*waiting)
    assert len(trail.entries) == kept


@pytest.fixture
def still_clock():
    """A clock that stands still."""
    return lambda: 0
