"""Who is let in, by the head of the request alone, before real servers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from aiohttp import web
from multidict import CIMultiDict

from miyabi_core.edge import HttpDoor, ServedHosts, serve_metrics
from miyabi_core.free_ports import free_port

DOOR = HttpDoor(ServedHosts("127.0.0.1:3001"), programs=["/git/"])
OWN = ("Host", "localhost:3001")
EVIL = ("Origin", "http://evil.example")
FOLLOWED = [("Sec-Fetch-Site", "cross-site"), ("Sec-Fetch-Mode", "navigate"), ("Sec-Fetch-Dest", "document")]


@pytest.mark.parametrize(
    ("method", "target", "headers", "reason"),
    [
        ("GET", "/", [OWN], ""),
        ("GET", "/", [("host", "127.0.0.1")], ""),
        ("POST", "/api", [OWN], ""),
        ("POST", "/api", [OWN, ("Origin", "http://localhost:3001"), ("Sec-Fetch-Site", "same-origin")], ""),
        ("POST", "/api", [("Host", "localhost"), ("Origin", "https://LOCALHOST:443")], ""),
        ("GET", "/", [OWN, ("Sec-Fetch-Site", "none")], ""),
        ("GET", "/", [OWN, *FOLLOWED], ""),
        ("POST", "/api", [OWN, *FOLLOWED], "site"),
        ("GET", "/ws", [OWN, ("Sec-Fetch-Site", "cross-site"), ("Sec-Fetch-Mode", "websocket")], "site"),
        ("GET", "/", [OWN, ("Sec-Fetch-Site", "same-site"), ("Sec-Fetch-Mode", "no-cors")], "site"),
        ("GET", "/", [OWN, *FOLLOWED[:2], ("Sec-Fetch-Dest", "iframe")], "site"),
        ("POST", "/api", [OWN, ("Sec-Fetch-Site", "same-origin"), ("Sec-Fetch-Site", "cross-site")], "site"),
        ("GET", "/", [], "host_form"),
        ("GET", "/", [OWN, OWN], "host_form"),
        ("GET", "/", [("Host", "")], "host_form"),
        ("GET", "/", [("Host", "evil.example:3001")], "host"),
        ("POST", "/api", [("Host", "evil.example:3001"), ("Origin", "http://evil.example:3001")], "host"),
        ("GET", "/", [OWN, EVIL], "origin"),
        ("OPTIONS", "/api", [OWN, EVIL], "origin"),
        ("POST", "/api", [OWN, ("Origin", "null")], "origin"),
        ("POST", "/api", [OWN, ("Origin", "http://localhost:8000")], "origin"),
        ("POST", "/api", [OWN, ("Origin", "http://localhost")], "origin"),
        ("POST", "/api", [OWN, ("Origin", "http://localhost:3001"), EVIL], "origin"),
        ("GET", "http://localhost:3001/", [OWN], "target"),
        ("CONNECT", "localhost:22", [OWN], "target"),
        ("OPTIONS", "*", [OWN], "target"),
        ("GET", "/git/a/b.git/info/refs", [OWN], ""),
        ("POST", "/git/a/b.git/git-receive-pack", [OWN, ("Origin", "http://localhost:3001")], "program"),
        ("GET", "/git/a/b.git/info/refs", [OWN, ("Sec-Fetch-Site", "none")], "program"),
    ],
)
def test_door(method: str, target: str, headers: list[tuple[str, str]], reason: str) -> None:
    """Only our own page, a link that was followed, and programs are let in, each by a name of ours."""
    refusal = DOOR.judge(method, target, CIMultiDict(headers))
    assert reason == (refusal.reason if refusal else "")


@asynccontextmanager
async def asking(port: int) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """Open a connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        yield reader, writer
    finally:
        writer.close()


async def status(port: int, head: str) -> int:
    """Send a request's head as it is; return the answer's status."""
    async with asyncio.timeout(10), asking(port) as (reader, writer):
        writer.write(head.replace("\n", "\r\n").encode("latin-1") + b"\r\n\r\n")
        return int((await reader.readline()).split()[1])


#: Heads and what both servers answer: to what is ours, to what is not ours, and to what cannot be understood.
HEADS = [
    ("GET /metrics HTTP/1.1\nHost: 127.0.0.1", 200),
    ("GET /metrics HTTP/1.1\nHost: LocalHost.:99", 200),
    ("GET /metrics HTTP/1.0\nHost: [::1]:99", 200),
    ("GET /metrics HTTP/1.1\nHost: evil.example", 421),
    ("GET /metrics HTTP/1.1\nHost: localhost\nOrigin: http://evil.example", 403),
    ("GET /metrics HTTP/1.1\nHost: localhost\nSec-Fetch-Site: cross-site\nSec-Fetch-Mode: no-cors", 403),
    ("GET /metrics HTTP/1.1\nHost: localhost\nHost: localhost", 400),
    ("GET /metrics HTTP/1.1\nHost: localhost\nHost: evil.example", 400),
    ("GET /metrics HTTP/1.1\nX: y", 400),
    ("GET /metrics HTTP/1.0\nX: y", 400),
    ("GET http://evil.example/metrics HTTP/1.1\nHost: localhost", 400),
]


@pytest.mark.parametrize(("head", "expected"), HEADS)
async def test_metrics_are_behind_the_door(head: str, expected: int) -> None:
    """Prometheus gets its metrics; pages of others do not, whatever name they have given us."""
    port = free_port()
    stop = serve_metrics(f"127.0.0.1:{port}")
    try:
        assert expected == await status(port, head)
    finally:
        await asyncio.to_thread(stop)


@pytest.mark.parametrize(("head", "expected"), HEADS)
async def test_aiohttp_servers_are_behind_the_door(head: str, expected: int) -> None:
    """The same heads have the same answers where aiohttp serves."""

    async def answer(_request: web.Request) -> web.Response:
        return web.Response()

    application = web.Application(middlewares=[HttpDoor(ServedHosts("127.0.0.1:0")).middleware()])
    application.router.add_route("*", "/metrics", answer)
    runner = web.AppRunner(application)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        assert expected == await status(runner.addresses[0][1], head)
    finally:
        await runner.cleanup()
