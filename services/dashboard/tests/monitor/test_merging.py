"""One stream has the coordinator's events and the intake's, behind one cursor that loses and repeats nothing."""

from __future__ import annotations

import asyncio
import base64
from contextlib import asynccontextmanager

import aiohttp
import grpc
import pytest
from pydantic import SecretStr
from story import Story

from miyabi.dashboard.v1 import telemetry_service_pb2 as pb
from miyabi.dashboard.v1.telemetry_service_pb2_grpc import TelemetryServiceStub
from miyabi_core.channel import open_channel
from miyabi_dashboard.app import SERVICE, running
from miyabi_dashboard.settings import DashboardSettings

#: When everything happens.
NOW = 1_789_999_200.0
SAID = {"eventType": "progress", "agentId": "a", "issueNumber": 7, "progress": 40, "repository": "acme/forms",
        "timestamp": "2026-09-21T14:00:00Z"}  # fmt: skip


@asynccontextmanager
async def served(around):
    """Run a dashboard; yields its stub and what speaks HTTP to it."""
    settings = DashboardSettings(
        address="127.0.0.1:0", http_address="127.0.0.1:0", coordinator=around.target, gateway="127.0.0.1:1",
        redis_url=SecretStr(f"redis://127.0.0.1:{around.client.get_connection_kwargs()['port']}/0"),
    )  # fmt: skip
    async with running(settings) as dashboard:
        base = f"http://127.0.0.1:{dashboard.http_port}"
        target = f"127.0.0.1:{dashboard.grpc.port}"
        async with aiohttp.ClientSession(base) as http, open_channel(target, service=SERVICE) as channel:
            yield TelemetryServiceStub(channel), http


async def taken(stub, cursor: str, number: int, *, repository: str = "") -> tuple[list, str]:
    """Return so many events behind a cursor, and the cursor behind them; with 0 only the first cursor."""
    found, call = [], stub.WatchEvents(pb.WatchEventsRequest(cursor=cursor, repository=repository))
    async with asyncio.timeout(30):
        async for answer in call:
            found += answer.events
            cursor = answer.cursor
            if len(found) >= number:
                break
    call.cancel()
    return found, cursor


def named(events) -> list[str]:
    """Return what tells events apart."""
    return sorted(
        str(event.batch_event.sequence) if event.WhichOneof("source") == "batch_event" else event.intake_event.id
        for event in events
    )


async def test_both_sources_come_in_one_stream(around):
    """What a batch logs and what a program says over HTTP both arrive, the latter with all its fields."""
    story = Story(NOW)
    async with served(around) as (stub, http):
        _, cursor = await taken(stub, "", 0)
        await around.coordinator.append(story.events)
        async with http.post("/api/agent-event", json=SAID) as answer:
            identifier = (await answer.json())["id"]
        events, _ = await taken(stub, cursor, 2)
    assert named(events) == sorted(["1", identifier])
    (said,) = [event.intake_event for event in events if event.WhichOneof("source") == "intake_event"]
    assert (said.event_type, said.agent_id, said.issue_number, said.repository) == ("progress", "a", 7, "acme/forms")
    assert said.time.ToJsonString() == SAID["timestamp"]
    assert dict(said.fields) == {"progress": 40}
    assert said.receive_time.seconds > 0


@pytest.mark.parametrize("timestamp", [1_790_000_400, 1_790_000_400.5, "1790000400", "2026-09-21T14:20:00z"])
async def test_every_time_that_is_taken_in_can_be_streamed(around, timestamp):
    """Seconds since 1970 are a time too: they end no stream, and what comes behind them arrives."""
    async with served(around) as (stub, http):
        _, cursor = await taken(stub, "", 0)
        for event in ({**SAID, "timestamp": timestamp}, SAID):
            async with http.post("/api/agent-event", json=event) as answer:
                assert answer.status == 200
        events, _ = await taken(stub, cursor, 2)
    assert [event.intake_event.time.seconds for event in events] == [1_790_000_400, 1_789_999_200]


async def test_a_cursor_goes_on_in_both_sources(around):
    """A stream that is taken up again has what came between, each event once."""
    story = Story(NOW)
    story.work(1, "triage", 1.0)
    async with served(around) as (stub, http):
        _, cursor = await taken(stub, "", 0)
        identifiers = []
        for event in story.events:
            await around.coordinator.append([event])
            async with http.post("/api/agent-event", json=SAID) as answer:
                identifiers.append((await answer.json())["id"])
        found = []
        while len(found) < 2 * len(story.events):
            some, cursor = await taken(stub, cursor, 1)
            found += some
    assert named(found) == sorted([*identifiers, *(str(event.sequence) for event in story.events)])


async def test_a_repository_chooses_among_both(around):
    """What is said of another repository does not come."""
    async with served(around) as (stub, http):
        _, cursor = await taken(stub, "", 0)
        for repository in ("acme/other", "acme/forms"):
            async with http.post("/api/agent-event", json={**SAID, "repository": repository}) as answer:
                assert answer.status == 200
        events, _ = await taken(stub, cursor, 1, repository="acme/forms")
    assert [event.intake_event.repository for event in events] == ["acme/forms"]


@pytest.mark.parametrize("stored", ["[]", '{"coordinator": ""', '{"coordinator": "", "intake": "x"}', "3", "{}"])
async def test_a_foreign_cursor_is_refused(around, stored):
    """With `BAD_CURSOR`, whatever stands in it."""
    async with served(around) as (stub, _):
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await taken(stub, base64.urlsafe_b64encode(stored.encode()).decode(), 1)
    assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert "not one of this service" in refused.value.details()


async def test_what_the_coordinator_refuses_is_refused(around):
    """A cursor that it does not know ends the stream with its own error."""
    around.coordinator.refuses_cursors = True
    async with served(around) as (stub, _):
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await taken(stub, base64.urlsafe_b64encode(b'{"coordinator": "7", "intake": "1-0"}').decode(), 1)
    assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert "cursor" in refused.value.details()


async def test_a_report_is_served_over_grpc_and_http(around):
    """Both say the same of a batch, and a wrong field is named on both."""
    story = Story(NOW)
    story.work(1, "triage", 4.0)
    await around.coordinator.append(story.events)
    async with served(around) as (stub, http):
        report = await stub.GetPerformanceReport(pb.GetPerformanceReportRequest(batch=story.name))
        assert [entry.subject for entry in report.tasks] == ["triage"]
        async with http.get("/api/performance", params={"batch": story.name.partition("/")[2]}) as answer:
            assert [entry["subject"] for entry in (await answer.json())["tasks"]] == ["triage"]
        async with http.get("/api/performance", params={"issue": "3"}) as answer:
            assert answer.status == 400
            assert "issue" in (await answer.text())
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await stub.GetPerformanceReport(pb.GetPerformanceReportRequest(issue_number=3))
        assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
        missed = "batches/01ARZ3NDEKTSV4RRFFQ69G5FAV"
        with pytest.raises(grpc.aio.AioRpcError) as missing:
            await stub.GetPerformanceReport(pb.GetPerformanceReportRequest(batch=missed))
        assert missing.value.code() is grpc.StatusCode.NOT_FOUND
