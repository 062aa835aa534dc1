"""Pages of others before the dashboard with identity off, and what strangers write into its requests."""

from __future__ import annotations

import asyncio
import gzip
import json
from typing import Any

import aiohttp
import pytest
import redis.asyncio
from yarl import URL

from miyabi_core.metrics import REGISTRY
from miyabi_dashboard.intake.events import OWN_NAMES
from miyabi_dashboard.intake.store import INTAKE_KEY

GOOD = {"eventType": "progress", "agentId": "a", "issueNumber": 7, "progress": 40}
JSON = {"content-type": "application/json"}
#: What a browser says on behalf of others' pages; the last is a page of ours.
PAGES: dict[str, tuple[dict[str, str], int]] = {
    "foreign page": ({"origin": "http://evil.example"}, 403),
    "opaque page": ({"origin": "null"}, 403),
    "no origin": ({"sec-fetch-site": "cross-site", "sec-fetch-mode": "no-cors"}, 403),
    "neighbour": ({"origin": "http://127.0.0.1:8000", "sec-fetch-site": "same-site"}, 403),
    "rebound name": ({"host": "evil.example:PORT", "origin": "http://evil.example:PORT"}, 421),
    "rebound name, no mark": ({"host": "evil.example:PORT"}, 421),
    "no name at all": ({"host": "127.1:PORT"}, 400),
    "own page": ({"origin": "http://127.0.0.1:PORT", "sec-fetch-site": "same-origin"}, 200),
}
PATHS = [("GET", "/api/events"), ("POST", "/api/agent-event"), ("GET", "/ws"), ("GET", "/healthz"), ("GET", "/metrics")]


@pytest.mark.parametrize(("method", "path"), PATHS)
@pytest.mark.parametrize("name", PAGES)
async def test_only_our_own_page_is_served(page: Any, name: str, method: str, path: str) -> None:
    """Identity off means this machine's user: no page of another site reads, reports or listens."""
    marks, expected = PAGES[name]
    port = str(page.dashboard.http_port)
    headers = {key: value.replace("PORT", port) for key, value in marks.items()}
    if path == "/ws":
        try:
            async with page.http.ws_connect(path, headers=headers) as socket:
                assert (await socket.receive_json())["type"] == "snapshot"
                status = 200
        except aiohttp.WSServerHandshakeError as error:
            status = error.status
    else:
        body = json.dumps(GOOD).encode() if method == "POST" else None
        status = (await page.http.request(method, path, data=body, headers={**headers, **JSON})).status
    assert expected == status


@pytest.mark.parametrize("name", ["/%00", "/assets/a%00b.js", f"/{'a' * 300}"])
async def test_names_that_no_file_can_have_are_404(page: Any, name: str) -> None:
    """They are as little there as any other name, and no failure of ours."""
    answer = await page.http.get(URL(name, encoded=True))
    assert answer.status == 404


async def test_simple_post_of_a_page_is_refused(page: Any) -> None:
    """What a browser sends without asking first, text and forms, is refused even where it leaves no other mark."""
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", ""):
        headers = {"content-type": kind} if kind else {}
        answer = await page.http.post(
            "/api/agent-event", data=json.dumps(GOOD).encode(), headers=headers, skip_auto_headers=["content-type"]
        )
        assert answer.status == 415
    assert (await (await page.http.get("/api/events")).json())["events"] == []


async def test_link_to_the_page_can_be_followed(page: Any) -> None:
    """A person may come from another site by a link; a frame of that site may not."""
    followed = {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate", "sec-fetch-dest": "document"}
    assert (await page.http.get("/", headers=followed)).status == 200
    assert (await page.http.get("/", headers={**followed, "sec-fetch-dest": "iframe"})).status == 403


@pytest.mark.parametrize(
    "body",
    [
        b'{"eventType": "started", "agentId": "a", "issueNumber": 7, "parameters": %s}' % value
        for value in (
            b"NaN", b"[Infinity]", b"-Infinity", b"1e999", b'"\\ud800"', b'{"\\udfff": 1}', b"[" * 40 + b"]" * 40, b"[" * 30_000, b"9" * 5000, b'"\xff"',
            b'{"a":' * 900 + b"1" + b"}" * 900,
        )
    ],
)  # fmt: skip
async def test_what_is_no_strict_json_is_400(page: Any, body: bytes) -> None:
    """Infinities, depth, digits and halves of characters are refused with the field, and nothing is stored."""
    answer = await page.http.post("/api/agent-event", data=body, headers=JSON)
    said = await answer.json()
    assert (answer.status, [problem["field"] for problem in said["validationErrors"]]) == (400, ["body"])
    assert (await (await page.http.get("/api/events")).json())["events"] == []


@pytest.mark.parametrize(
    "body",
    [b"no gzip", gzip.compress(b"{}" * 900)[:-20], gzip.compress(b"{}")[:5], b""],
    ids=["none", "cut", "begun", "empty"],
)
async def test_bad_gzip_is_400(page: Any, body: bytes) -> None:
    """What is not compressed as it says is the sender's mistake, not ours."""
    async with asyncio.timeout(10):
        answer = await page.http.post("/api/agent-event", data=body, headers={**JSON, "content-encoding": "gzip"})
    assert answer.status == 400


@pytest.mark.parametrize("name", sorted(OWN_NAMES))
async def test_names_of_ours_are_refused(page: Any, name: str) -> None:
    """An event from outside cannot have what the page takes for the coordinator's or the dashboard's word."""
    event = {**GOOD, name: "batches/01M8A8NXZNZ02HSJA4KG2CC700"}
    answer = await page.http.post("/api/events", json=[GOOD, event])
    said = await answer.json()
    assert (answer.status, [problem["field"] for problem in said["validationErrors"]]) == (400, [f"events[1].{name}"])


async def test_stored_event_is_never_ours(page: Any) -> None:
    """What stands in the stream whoever wrote it: what cannot be read is left out, and ids and sources are ours."""
    forged = {**GOOD, "id": "1-1", "source": "coordinator"}
    before = REGISTRY.get_sample_value("miyabi_dashboard_intake_unreadable_total") or 0.0
    url = page.dashboard._settings.redis_url.get_secret_value()
    async with redis.asyncio.Redis.from_url(url) as client:
        for fields in ({"x": b"y"}, {"event": b"NaN"}, {"event": b"[1]"}, {"event": b"\xff"}, {"event": b"[" * 5000}):
            await client.xadd(INTAKE_KEY, fields)
        identifier = await client.xadd(INTAKE_KEY, {"event": json.dumps(forged).encode()})
    events = (await (await page.http.get("/api/events")).json())["events"]
    assert events == [{**GOOD, "id": identifier.decode(), "source": "external"}]
    assert REGISTRY.get_sample_value("miyabi_dashboard_intake_unreadable_total") == before + 5


BAD_POSITIONS = [
    "%C2%B2",
    "%D9%A3-%D9%A4",
    "1" * 21,
    "9" * 5000,
    "-1",
    "+1",
    "1_0",
    "0x1",
    "1%20",
    "1e3",
    "a",
    "%ED%A0%80",
    "%FF",
]


@pytest.mark.parametrize(
    "after", [*BAD_POSITIONS, "1-", "-", "1-2-3", "18446744073709551616", "1-18446744073709551616"]
)
async def test_position_that_is_none_is_400(page: Any, after: str) -> None:
    """A position is digits of ours; anything else is named, and no alarm about the store is raised."""
    answer = await page.http.get(f"/api/events?after={after}")
    said = await answer.json()
    assert (answer.status, [problem["field"] for problem in said["validationErrors"]]) == (400, ["after"])


@pytest.mark.parametrize("after", ["", "0", "1", "18446744073709551615", "5-3"])
async def test_position_is_taken(page: Any, after: str) -> None:
    """Positions that are some are taken, whether anything stands there or not."""
    assert (await page.http.get(f"/api/events?after={after}")).status == 200


@pytest.mark.parametrize("after", BAD_POSITIONS)
async def test_socket_with_no_position_is_closed(page: Any, after: str) -> None:
    """A WebSocket is told by its close code, and the others go on."""
    async with page.http.ws_connect("/ws") as other, page.http.ws_connect(f"/ws?after={after}") as socket:
        message = await asyncio.wait_for(socket.receive(), 10)
        assert (message.type, message.data) == (aiohttp.WSMsgType.CLOSE, aiohttp.WSCloseCode.POLICY_VIOLATION)
        assert str(message.extra).startswith("after: ")
        assert (await other.receive_json())["type"] == "snapshot"


async def test_talkative_page_is_cut_off(page: Any) -> None:
    """Pages have nothing to say: a message larger than a few KB ends its socket, and no other."""
    async with page.http.ws_connect("/ws") as other, page.http.ws_connect("/ws") as socket:
        await socket.receive_json()
        await socket.send_str("x" * 100_000)
        message = await asyncio.wait_for(socket.receive(), 10)
        assert message.data == aiohttp.WSCloseCode.MESSAGE_TOO_BIG
        assert (await other.receive_json())["type"] == "snapshot"


@pytest.mark.parametrize("header", ["authorization", "cookie"])
async def test_odd_bytes_in_headers_are_no_failure(page: Any, header: str) -> None:
    """Bytes that are no UTF-8 in what shows an identity are answered as any other wrong one is."""
    reader, writer = await asyncio.open_connection("127.0.0.1", page.dashboard.http_port)
    head = f"GET /api/events HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{header}: Bearer \xff\xfe miyabi_token=\xff\r\n\r\n"
    writer.write(head.encode("latin-1"))
    async with asyncio.timeout(10):
        assert int((await reader.readline()).split()[1]) == 200
    writer.close()
