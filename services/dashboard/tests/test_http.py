"""The HTTP interface and the WebSocket."""

from __future__ import annotations

import asyncio
import gzip
import json
from typing import Any

import pytest

GOOD = {"eventType": "progress", "agentId": "a", "issueNumber": 7, "progress": 40}


async def test_event_is_stored_and_shown(page: Any) -> None:
    """An event that is right gets an id, can be read again, and reaches a WebSocket."""
    async with page.http.ws_connect("/ws") as socket:
        assert (await socket.receive_json())["type"] == "snapshot"
        async with page.http.post("/api/agent-event", json=GOOD) as answer:
            body = await answer.json()
            assert (answer.status, body["success"]) == (200, True)
        shown = await asyncio.wait_for(socket.receive_json(), 5)
    assert [(1, body["id"])] == [(entry["sequence"], entry["event"]["id"]) for entry in shown["events"]]
    async with page.http.get("/api/events") as answer:
        stored = (await answer.json())["events"]
    assert [{"id": body["id"], "source": "external", **GOOD}] == stored


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"eventType": "nonsense"}, "eventType"),
        ({"agentId": ""}, "agentId"),
        ({"issueNumber": "seven"}, "issueNumber"),
        ({"progress": 101}, "progress"),
        ({"message": "x" * 501}, "message"),
        ({"repository": "nonsense"}, "repository"),
        ({"eventType": "completed", "result": {"success": True}}, "result.durationMs"),
        (
            {"eventType": "error", "error": {"code": "x", "message": "y", "severity": "z", "recoverable": True}},
            "error.severity",
        ),
        ({"eventType": "state:transition", "fromState": "a"}, "toState"),
    ],
)
async def test_bad_field_is_named(page: Any, change: dict[str, Any], field: str) -> None:
    """What is wrong is 400 with its field, and nothing is stored."""
    async with page.http.post("/api/agent-event", json={**GOOD, **change}) as answer:
        body = await answer.json()
    assert (answer.status, body["success"]) == (400, False)
    assert field in [problem["field"] for problem in body["validationErrors"]]
    async with page.http.get("/api/events") as answer:
        assert (await answer.json())["events"] == []


async def test_list_is_taken_whole_or_not_at_all(page: Any) -> None:
    """One bad event in a list keeps the others out, and is named by its place."""
    async with page.http.post("/api/events", json={"events": [GOOD, {**GOOD, "progress": -1}]}) as answer:
        body = await answer.json()
    assert [problem["field"] for problem in body["validationErrors"]] == ["events[1].progress"]
    async with page.http.post("/api/events", json=[GOOD, GOOD]) as answer:
        assert len((await answer.json())["ids"]) == 2
    async with page.http.get("/api/events") as answer:
        assert len((await answer.json())["events"]) == 2


async def test_malformed_json_is_400_and_too_large_is_413(page: Any) -> None:
    """Bodies are bounded, and what is no JSON is said to be none."""
    headers = {"content-type": "application/json"}
    async with page.http.post("/api/agent-event", data=b"{", headers=headers) as answer:
        assert answer.status == 400
    async with page.http.post("/api/agent-event", data=b" " * 70_000, headers=headers) as answer:
        assert answer.status == 413
    async with page.http.post("/api/agent-event", data=b"{}", headers={"content-type": "text/plain"}) as answer:
        assert answer.status == 415


async def test_gzip_is_taken_and_a_bomb_is_not(page: Any) -> None:
    """Compressed bodies are taken; one that grows beyond the limit is 413."""
    headers = {"content-type": "application/json", "content-encoding": "gzip"}
    async with page.http.post(
        "/api/agent-event", data=gzip.compress(json.dumps(GOOD).encode()), headers=headers
    ) as answer:
        assert answer.status == 200
    async with page.http.post("/api/agent-event", data=gzip.compress(b" " * 5_000_000), headers=headers) as answer:
        assert answer.status == 413


async def test_other_origins_are_refused(page: Any) -> None:
    """A page of another site can neither post nor listen."""
    async with page.http.post("/api/agent-event", json=GOOD, headers={"origin": "http://evil.example"}) as answer:
        assert answer.status == 403


async def test_missing_coordinator_is_503(page: Any) -> None:
    """A coordinator that is away is said to be away, with the time to come back."""
    async with page.http.get("/api/batches") as answer:
        assert (answer.status, answer.headers["retry-after"]) == (503, "1")
    async with page.http.ws_connect("/ws") as socket:
        snapshot = await asyncio.wait_for(socket.receive_json(), 5)
    assert (snapshot["coordinator"], snapshot["batches"]) == (False, [])


async def test_client_that_comes_back_gets_what_it_missed(page: Any) -> None:
    """`?after=` resumes; a sequence that was never given out starts over."""
    for _ in range(3):
        async with page.http.post("/api/agent-event", json=GOOD) as answer:
            assert answer.status == 200
    async with page.http.ws_connect("/ws") as socket:
        first = await asyncio.wait_for(socket.receive_json(), 5)
        events = first.get("events", [])
        while not events and page.dashboard.hub.sequence < 3:
            events = (await asyncio.wait_for(socket.receive_json(), 5))["events"]
    epoch = page.dashboard.hub.epoch
    async with page.http.ws_connect(f"/ws?after=1&epoch={epoch}") as socket:
        missed = await asyncio.wait_for(socket.receive_json(), 5)
    assert [entry["sequence"] for entry in missed["events"]] == [2, 3]
    for unknown in (f"after=99&epoch={epoch}", "after=1&epoch=another", "after=1"):
        async with page.http.ws_connect(f"/ws?{unknown}") as socket:
            assert (await asyncio.wait_for(socket.receive_json(), 5))["type"] == "snapshot"


async def test_page_has_a_strict_policy(page: Any) -> None:
    """No inline code, no other host."""
    async with page.http.get("/") as answer:
        policy = answer.headers["content-security-policy"]
    assert "default-src 'self'" in policy
    assert "unsafe" not in policy


async def test_health_and_metrics_answer(page: Any) -> None:
    """Probes and Prometheus find what they look for."""
    for path in ("/healthz", "/readyz", "/metrics"):
        async with page.http.get(path) as answer:
            assert answer.status == 200, path


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"repository": None}, "repository"),
        ({"repository": "a/b", "query": {"labels": None}}, "query.labels"),
        ({"repository": "a/b", "issueNumbers": [1, None]}, "issueNumbers[1]"),
    ],
)
async def test_null_is_refused_however_deep(page: Any, body: dict[str, Any], field: str) -> None:
    """What would be left out in silence is named by its path."""
    async with page.http.post("/api/batches", json=body) as answer:
        said = await answer.json()
    assert (answer.status, [problem["field"] for problem in said["validationErrors"]]) == (400, [field])
