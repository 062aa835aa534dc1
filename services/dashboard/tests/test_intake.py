"""What senders of events can rely on: repeats are stored once, lines are taken, limits are told, filters filter."""

from __future__ import annotations

import gzip
import json
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
from pydantic import SecretStr

from miyabi_core.errors import InvalidArgumentError, ResourceExhaustedError
from miyabi_core.store.valkey import EmbeddedValkey
from miyabi_dashboard.app import running
from miyabi_dashboard.intake.buckets import Buckets
from miyabi_dashboard.settings import DashboardSettings

GOOD = {"eventType": "progress", "agentId": "a", "issueNumber": 7, "progress": 40}
LINES = {"content-type": "application/x-ndjson"}


async def stored(http: aiohttp.ClientSession, **query: Any) -> dict[str, Any]:
    """Return what is stored."""
    async with http.get("/api/events", params=query) as answer:
        found: dict[str, Any] = await answer.json()
        return found


async def test_repeat_is_stored_once(page: Any) -> None:
    """An event with its sender's own id has one id of ours, however often it comes; another sender's is another event."""
    event = {**GOOD, "eventId": "build-17"}
    first = await (await page.http.post("/api/agent-event", json=event)).json()
    second = await (await page.http.post("/api/agent-event", json=event)).json()
    assert (first["id"], first["repeated"], second["repeated"]) == (second["id"], False, True)
    listed = [event, {**event, "agentId": "b"}, GOOD, GOOD]
    many = await (await page.http.post("/api/events", json=listed)).json()
    assert (many["ids"][0], many["repeated"], len(set(many["ids"]))) == (first["id"], 1, 4)
    ids = [entry["id"] for entry in (await stored(page.http))["events"]]
    assert ids == sorted(set(ids), key=lambda one: tuple(map(int, one.split("-"))))
    assert len(ids) == 4


async def test_repeat_is_shown_once(page: Any) -> None:
    """A page hears of an event once."""
    async with page.http.ws_connect("/ws") as socket:
        await socket.receive_json()
        for _ in range(2):
            await page.http.post("/api/agent-event", json={**GOOD, "eventId": "x"})
        await page.http.post("/api/agent-event", json={**GOOD, "agentId": "last"})
        heard: list[str] = []
        while "last" not in heard:
            heard += [entry["event"]["agentId"] for entry in (await socket.receive_json(timeout=10))["events"]]
    assert heard == ["a", "last"]


@pytest.mark.parametrize("compress", [False, True])
async def test_lines_are_taken(page: Any, compress: bool) -> None:
    """A body of lines is a list, compressed or not; empty lines count not."""
    body = b"\n".join(json.dumps({**GOOD, "progress": number}).encode() for number in range(3)) + b"\n\n"
    headers = {**LINES, **({"content-encoding": "gzip"} if compress else {})}
    async with page.http.post("/api/events", data=gzip.compress(body) if compress else body, headers=headers) as answer:
        assert (answer.status, len((await answer.json())["ids"])) == (200, 3)
    assert [event["progress"] for event in (await stored(page.http))["events"]] == [0, 1, 2]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (b'{"a":1}\nno json\n', "events[1]"),
        (json.dumps(GOOD).encode() + b"\n" + json.dumps({**GOOD, "agentId": ""}).encode(), "events[1].agentId"),
        (b"\n\n", "events"),
        (b"\n".join([b"1"] * 1001), "events"),
        (json.dumps({**GOOD, "message": 2**70}).encode(), "events[0].message"),
        (json.dumps({**GOOD, "other": 2**70}).encode(), "events[0]"),
    ],
    ids=["no json", "bad field", "none", "too many", "not a text", "more than 64 bits"],
)
async def test_bad_line_is_named(page: Any, body: bytes, field: str) -> None:
    """What is wrong with a line is said with its place, and none of them is stored."""
    async with page.http.post(
        "/api/events", data=gzip.compress(body), headers={**LINES, "content-encoding": "gzip"}
    ) as answer:
        said = await answer.json()
    assert answer.status == 400, said
    assert field in [problem["field"] for problem in said["validationErrors"]]
    assert (await stored(page.http))["events"] == []


async def test_unknown_field_of_a_list_is_named(page: Any) -> None:
    """A list that says more than its events is refused, not half understood."""
    async with page.http.post("/api/events", json={"events": [GOOD], "source": "x"}) as answer:
        said = await answer.json()
    assert (answer.status, [problem["field"] for problem in said["validationErrors"]]) == (400, ["source"])


async def test_filters_and_pages(page: Any) -> None:
    """Reads are by type, agent, repository and issue, page by page behind an id."""
    events = [
        {**GOOD, "agentId": f"agent-{number % 2}", "issueNumber": number, "repository": "a/b" if number < 4 else "c/d"}
        for number in range(8)
    ]
    await page.http.post("/api/events", json=events)
    numbers = {
        query: [event["issueNumber"] for event in (await stored(page.http, **dict(query)))["events"]]
        for query in (
            (("agent", "agent-1"),), (("repository", "c/d"),), (("issue", "3"),), (("type", "started"),),
            (("agent", "agent-0"), ("repository", "a/b")),
        )
    }  # fmt: skip
    assert list(numbers.values()) == [[1, 3, 5, 7], [4, 5, 6, 7], [3], [], [0, 2]]
    seen, after = [], ""
    while True:
        found = await stored(page.http, agent="agent-1", limit="3", after=after)
        seen += [event["issueNumber"] for event in found["events"]]
        after = found["lastId"]
        if found["complete"]:
            break
    assert seen == [1, 3, 5, 7]


@pytest.mark.parametrize(
    ("query", "field"),
    [("limit=0", "limit"), ("limit=x", "limit"), ("nonsense=1", "nonsense"), ("issue=1&issue=2", "issue"), ("repository=a", "repository")],
)  # fmt: skip
async def test_bad_parameter_is_named(page: Any, query: str, field: str) -> None:
    """A parameter is obeyed or refused, never ignored."""
    async with page.http.get(f"/api/events?{query}") as answer:
        said = await answer.json()
    assert (answer.status, [problem["field"] for problem in said["validationErrors"]]) == (400, [field])


@pytest_asyncio.fixture
async def strict(tmp_path: Path) -> AsyncIterator[aiohttp.ClientSession]:
    """A dashboard that takes three events at once, and one an hour after that or so."""
    async with EmbeddedValkey(tmp_path, appendfsync="no") as valkey:
        settings = DashboardSettings(
            address="127.0.0.1:0", http_address="127.0.0.1:0", coordinator="127.0.0.1:1",
            redis_url=SecretStr(valkey.url), intake_rate=1, intake_burst=3,
        )  # fmt: skip
        async with (
            running(settings) as dashboard,
            aiohttp.ClientSession(f"http://127.0.0.1:{dashboard.http_port}") as http,
        ):
            yield http


async def test_limit_is_told(strict: aiohttp.ClientSession) -> None:
    """Who sends too much is told when to go on; what is more than is ever taken at once is refused for good."""
    async with strict.post("/api/events", json=[GOOD] * 4) as answer:
        assert (answer.status, (await answer.json())["reason"]) == (400, "TOO_MANY_EVENTS")
    async with strict.post("/api/events", json=[GOOD] * 3) as answer:
        assert answer.status == 200
    async with strict.post("/api/events", json=[GOOD] * 3) as answer:
        said = await answer.json()
    assert (answer.status, said["reason"]) == (429, "INTAKE_RATE")
    assert 1 <= int(answer.headers["retry-after"]) <= 3
    assert len((await stored(strict))["events"]) == 3


def test_bucket_fills_as_time_passes() -> None:
    """A sender gets its rate in the long run, its burst at once, and the exact wait until then; others are not touched."""
    now = 100.0
    buckets = Buckets(rate=10, burst=5, clock=lambda: now)
    buckets.take("a", 5)
    with pytest.raises(ResourceExhaustedError) as caught:
        buckets.take("a", 2)
    assert caught.value.retry_after == timedelta(seconds=0.2)
    buckets.take("b", 5)
    now += 0.2
    buckets.take("a", 2)
    with pytest.raises(ResourceExhaustedError):
        buckets.take("a", 1)
    now += 1000
    buckets.take("a", 5)
    with pytest.raises(InvalidArgumentError):
        buckets.take("a", 6)
