"""Who may read the page and report events where callers are known."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest
import pytest_asyncio
from certificates import Authority
from identity_files import entry, new_token, write_identities
from pydantic import SecretStr

from miyabi_core.errors import FailedPreconditionError
from miyabi_core.store.valkey import EmbeddedValkey
from miyabi_dashboard.app import Dashboard, running
from miyabi_dashboard.settings import DashboardSettings

EVENT = {"eventType": "started", "agentId": "codegen", "issueNumber": 7}
HTML = {"accept": "text/html,*/*"}


class Guarded:
    """A dashboard that knows a viewer, an agent and a submitter."""

    def __init__(self, base: str, tokens: dict[str, str], path: Path) -> None:
        self.base = base
        self.tokens = tokens
        self.path = path

    @asynccontextmanager
    async def session(self, name: str = "") -> AsyncIterator[aiohttp.ClientSession]:
        """Open a session that shows an identity's token in each request."""
        headers = {"authorization": f"Bearer {self.tokens[name]}"} if name else {}
        jar = aiohttp.CookieJar(unsafe=True)
        async with aiohttp.ClientSession(self.base, headers=headers, cookie_jar=jar) as http:
            yield http


@pytest_asyncio.fixture
async def guarded(tmp_path: Path) -> AsyncIterator[Guarded]:
    """A dashboard with identity on."""
    tokens = {name: new_token() for name in ("viewer", "agent", "submitter")}
    entries = [entry(name, name, token=token) for name, token in tokens.items()]
    path = write_identities(tmp_path / "identities.yaml", *entries)
    async with EmbeddedValkey(tmp_path / "valkey", appendfsync="no") as valkey:
        settings = DashboardSettings(
            address="127.0.0.1:0", http_address="127.0.0.1:0", coordinator="127.0.0.1:1", identities_file=path,
            redis_url=SecretStr(valkey.url),
        )  # fmt: skip
        async with running(settings) as dashboard:
            yield Guarded(f"http://127.0.0.1:{dashboard.http_port}", tokens, path)


async def test_programs_read_and_report_by_role(guarded: Guarded) -> None:
    """A viewer reads, an agent reports, a submitter does both; nobody does neither, and probes are open."""
    found: dict[str, tuple[int, int, int]] = {}
    for name in ("", "viewer", "agent", "submitter"):
        async with guarded.session(name) as http:
            read = await http.get("/api/events")
            reported = await http.post("/api/agent-event", json=EVENT)
            probe = await http.get("/healthz")
            found[name] = (read.status, reported.status, probe.status)
    assert found == {
        "": (401, 401, 200), "viewer": (200, 403, 200), "agent": (403, 200, 200), "submitter": (200, 200, 200),
    }  # fmt: skip


async def test_nobody_takes_the_place_of_anothers_event(guarded: Guarded) -> None:
    """The same ids of two identities are two events: who guesses them does not keep the other's out."""
    answers = []
    for name in ("submitter", "agent", "agent"):
        async with guarded.session(name) as http:
            answer = await http.post("/api/agent-event", json={**EVENT, "eventId": "build-17"})
            answers.append((await answer.json())["repeated"])
    assert answers == [False, False, True]


@pytest.mark.parametrize("path", ["/api/batches", "/api/agents", "/api/performance", "/metrics", "/ws", "/nonsense"])
async def test_nothing_is_read_without_a_token(path: str, guarded: Guarded) -> None:
    """Whatever is not named as open is closed, with the reason."""
    async with guarded.session() as http:
        answer = await http.get(path)
        assert (answer.status, answer.headers["www-authenticate"]) == (401, "Bearer")
        assert (await answer.json())["reason"] == "IDENTITY_REQUIRED"


async def test_person_logs_in_with_a_form(guarded: Guarded) -> None:
    """A browser is sent to the form; a good token comes back as a cookie that no script and no other site gets."""
    async with guarded.session() as http:
        first = await http.get("/", headers=HTML, allow_redirects=False)
        assert (first.status, first.headers["location"]) == (303, "/login")
        form = await http.get("/login")
        assert 'type="password"' in await form.text()
        assert "form-action 'self'" in form.headers["content-security-policy"]
        wrong = await http.post("/login", data={"token": new_token()}, allow_redirects=False)
        assert (wrong.status, "set-cookie" in wrong.headers) == (401, False)
        agent = await http.post("/login", data={"token": guarded.tokens["agent"]}, allow_redirects=False)
        assert agent.status == 403
        right = await http.post("/login", data={"token": guarded.tokens["viewer"]}, allow_redirects=False)
        assert (right.status, right.headers["location"]) == (303, "/")
        cookie = right.headers["set-cookie"]
        assert all(part in cookie for part in ("HttpOnly", "SameSite=Strict"))
        assert (await http.get("/api/events")).status == 200
        async with http.ws_connect("/ws") as socket:
            assert (await socket.receive_json())["type"] == "snapshot"
        await http.post("/logout", allow_redirects=False)
        assert (await http.get("/api/events")).status == 401


async def test_another_site_cannot_use_the_cookie(guarded: Guarded) -> None:
    """Even where a browser sent the cookie, a foreign origin is refused."""
    async with guarded.session() as http:
        await http.post("/login", data={"token": guarded.tokens["submitter"]}, allow_redirects=False)
        answer = await http.post("/api/agent-event", json=EVENT, headers={"origin": "https://evil.example"})
        assert answer.status == 403


async def test_socket_of_a_revoked_viewer_is_closed(guarded: Guarded) -> None:
    """Who is struck from the identities sees no further event."""
    async with (
        guarded.session("viewer") as viewer,
        guarded.session("agent") as agent,
        viewer.ws_connect("/ws") as socket,
    ):
        assert (await socket.receive_json())["type"] == "snapshot"
        write_identities(guarded.path, entry("agent", "agent", token=guarded.tokens["agent"]))
        while (await viewer.get("/api/events")).status == 200:
            continue
        assert (await agent.post("/api/agent-event", json=EVENT)).status == 200
        message = await socket.receive(timeout=20)
        assert message.type in {aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSED}


async def test_page_over_tls(tmp_path: Path) -> None:
    """With a certificate the page is served over HTTPS, and its cookie goes nowhere else."""
    token, authority = new_token(), Authority(tmp_path / "ca")
    certificate, key = authority.server()
    path = write_identities(tmp_path / "identities.yaml", entry("viewer", "viewer", token=token))
    async with EmbeddedValkey(tmp_path / "valkey", appendfsync="no") as valkey:
        settings = DashboardSettings(
            address="127.0.0.1:0", http_address="127.0.0.1:0", coordinator="127.0.0.1:1", identities_file=path,
            redis_url=SecretStr(valkey.url), tls_cert_file=certificate, tls_key_file=key,
        )  # fmt: skip
        async with running(settings) as dashboard, aiohttp.ClientSession() as http:
            context = ssl.create_default_context(cafile=str(authority.path))
            url = f"https://127.0.0.1:{dashboard.http_port}/login"
            answer = await http.post(url, data={"token": token}, ssl=context, allow_redirects=False)
            assert (answer.status, "Secure" in answer.headers["set-cookie"]) == (303, True)


async def test_page_beyond_loopback_wants_identity() -> None:
    """The HTTP side is refused on another address as the gRPC side is."""
    with pytest.raises(FailedPreconditionError, match="MIYABI_DASHBOARD_IDENTITIES_FILE"):
        Dashboard(DashboardSettings(http_address="0.0.0.0:0"))


@pytest.mark.parametrize(
    ("header", "value"),
    [
        ("Authorization", "Bearer \xff\xfe"),
        ("Authorization", "Basic \xff"),
        ("Authorization", "Basic /w=="),
        ("Cookie", "miyabi_token=\xff"),
    ],
)
async def test_odd_bytes_are_no_identity(guarded: Guarded, header: str, value: str) -> None:
    """What is no UTF-8 is nobody's token: 401, not a failure of ours."""
    reader, writer = await asyncio.open_connection("127.0.0.1", int(guarded.base.rpartition(":")[2]))
    writer.write(
        f"GET /api/events HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{header}: {value}\r\n\r\n".encode(
            "latin-1"
        )
    )
    async with asyncio.timeout(10):
        assert int((await reader.readline()).split()[1]) == 401
    writer.close()


async def test_form_of_a_browser_is_taken(guarded: Guarded) -> None:
    """The form's page lets browsers say where a form comes from; a form with an odd alphabet is a wrong token."""
    async with guarded.session() as http:
        form = await http.get("/login")
        assert form.headers["referrer-policy"] == "same-origin"
        sent = {"origin": guarded.base, "sec-fetch-site": "same-origin", "sec-fetch-mode": "navigate"}
        right = await http.post("/login", data={"token": guarded.tokens["viewer"]}, headers=sent, allow_redirects=False)
        foreign = await http.post("/login", data={"token": "x"}, headers={"origin": "null"}, allow_redirects=False)
        kind = {"content-type": "application/x-www-form-urlencoded; charset=nonsense"}
        odd = await http.post("/login", data=b"token=%ff", headers=kind, allow_redirects=False)
        assert (right.status, foreign.status, odd.status) == (303, 403, 401)


async def test_door_counts_with_a_token_too(guarded: Guarded) -> None:
    """A good token does not make another name ours."""
    async with guarded.session("viewer") as http:
        assert (await http.get("/api/events", headers={"host": "evil.example"})).status == 421
