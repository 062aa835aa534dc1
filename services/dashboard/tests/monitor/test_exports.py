"""What is long is given the time that it takes: a log that is taken home, a batch of very many runs."""

from __future__ import annotations

import json

import pytest
from story import Story

from miyabi.dashboard.v1 import telemetry_service_pb2 as pb
from miyabi_dashboard.reads import batch_log
from miyabi_dashboard.upstream import WHOLE_SECONDS

#: When everything happens.
NOW = 1_789_999_200.0


async def test_a_report_waits_as_long_for_a_large_batch_as_the_page_does(around):
    """Ten thousand runs take the coordinator a while, whoever asks for them."""
    story = Story(NOW)
    await around.coordinator.append(story.events)
    await around.reports(NOW).report(pb.GetPerformanceReportRequest(batch=story.events[0].batch))
    assert around.coordinator.allowed_batch == pytest.approx(WHOLE_SECONDS, abs=5)


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
    assert around.coordinator.allowed == pytest.approx(WHOLE_SECONDS, abs=5)
