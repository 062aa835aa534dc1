"""A log that is taken home comes whole, however long its reader takes for it."""

from __future__ import annotations

import json

import pytest
from story import Story

from miyabi_dashboard.reads import batch_log
from miyabi_dashboard.upstream import WHOLE_SECONDS

#: When everything happens.
NOW = 1_789_999_200.0


async def test_an_export_may_take_as_long_as_a_slow_line_needs(around):
    """Lines of a whole log have an hour; what answers at once has not."""
    story = Story(NOW)
    story.work(1, "triage", 4.0, after=2.0)
    await around.coordinator.append(story.events)
    name, newest = story.events[0].batch, len(story.events)
    pieces = [piece async for piece in batch_log.lines(around.upstream, name, newest=newest, after=0)]
    assert around.coordinator.allowed == pytest.approx(batch_log.EXPORT_SECONDS, abs=60)
    sequences = [int(json.loads(line)["sequence"]) for piece in pieces for line in piece.split(b"\n") if line]
    assert sequences == list(range(1, newest + 1))
    page = await batch_log.page(around.upstream, name, newest=newest, after=0, limit=newest)
    assert (len(page["events"]), page["complete"]) == (newest, True)
    assert around.coordinator.allowed <= WHOLE_SECONDS
