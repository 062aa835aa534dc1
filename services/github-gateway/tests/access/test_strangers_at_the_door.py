"""Pages of others, and what calls itself by another name, before the gateway's HTTP server with identity off."""

from __future__ import annotations

import asyncio
import gzip
import time
from collections.abc import AsyncIterator

import aiohttp
import pytest
from running_gateway import REPOSITORY, Running

from miyabi_github_gateway.adapters.git.pktline import FLUSH, encode

REFS = f"/git/{REPOSITORY}.git/info/refs?service=git-upload-pack"
PUSH = f"/git/{REPOSITORY}.git/git-receive-pack"
FETCH = f"/git/{REPOSITORY}.git/git-upload-pack"
HOOKS = "/webhooks/github"
#: What a browser says on behalf of a page of others, of a rebound name, and of a page on another port of this machine.
PAGES: dict[str, dict[str, str]] = {
    "foreign page": {"origin": "http://evil.example"},
    "opaque page": {"origin": "null"},
    "no origin": {"sec-fetch-site": "cross-site", "sec-fetch-mode": "no-cors"},
    "neighbour": {"origin": "http://localhost:8000", "sec-fetch-site": "same-site"},
    "rebound name": {"host": "evil.example:PORT", "origin": "http://evil.example:PORT"},
    "rebound name, no mark": {"host": "evil.example:PORT"},
    "own page": {"origin": "http://127.0.0.1:PORT", "sec-fetch-site": "same-origin"},
}


@pytest.mark.parametrize(("method", "path"), [("GET", REFS), ("POST", PUSH), ("POST", FETCH), ("POST", HOOKS)])
@pytest.mark.parametrize("page", PAGES)
async def test_no_page_reaches_git_or_webhooks(page: str, method: str, path: str, running_gateway: Running) -> None:
    """Identity off means this machine's user, not any page in this user's browser: git has no pages at all."""
    port = running_gateway.gateway.http_port
    headers = {name: value.replace("PORT", str(port)) for name, value in PAGES[page].items()}
    headers["content-type"] = "text/plain"
    async with aiohttp.ClientSession(f"http://127.0.0.1:{port}") as session:
        answer = await session.request(method, path, data=b"0000" if method == "POST" else None, headers=headers)
        assert answer.status == (421 if "host" in headers else 403)
    assert [entry.operation for entry in running_gateway.github.requests if entry.operation.startswith("git.")] == []


@pytest.mark.parametrize(
    ("path", "kind", "status"),
    [
        (PUSH, "text/plain", 415), (PUSH, "application/x-www-form-urlencoded", 415), (PUSH, "multipart/form-data; boundary=x", 415),
        (PUSH, "", 415), (PUSH, "application/x-git-upload-pack-request", 415), (PUSH, "text/plain; application/x-git-receive-pack-request", 415),
        (PUSH, "application/x-git-receive-pack-request", 200), (FETCH, "application/x-git-receive-pack-request", 415),
        (FETCH, "application/x-git-upload-pack-request", 200),
    ],
)  # fmt: skip
async def test_git_is_asked_for_its_content_type(path: str, kind: str, status: int, running_gateway: Running) -> None:
    """What a page may send without being asked first is none of git's content types."""
    async with aiohttp.ClientSession(f"http://127.0.0.1:{running_gateway.gateway.http_port}") as session:
        skipped = [] if kind else ["content-type"]
        headers = {"content-type": kind} if kind else {}
        answer = await session.post(path, data=FLUSH, headers=headers, skip_auto_headers=skipped)
        assert answer.status == status


async def test_health_is_open_to_a_look(running_gateway: Running) -> None:
    """A person may type the address of the health page; a rebound name may not ask even for that."""
    async with aiohttp.ClientSession(f"http://127.0.0.1:{running_gateway.gateway.http_port}") as session:
        typed = await session.get("/healthz", headers={"sec-fetch-site": "none"})
        rebound = await session.get("/healthz", headers={"host": "evil.example"})
    assert (typed.status, rebound.status) == (200, 421)


def bomb(size: int) -> AsyncIterator[bytes]:
    """Yield a compressed body that grows to *size*, behind a list of refs that is refused."""
    head = encode(f"{'0' * 40} {'a' * 40} refs/heads/main\0 report-status".encode()) + FLUSH
    data = gzip.compress(head + bytes(size), compresslevel=1)

    async def pieces() -> AsyncIterator[bytes]:
        for start in range(0, len(data), 1 << 16):
            yield data[start : start + (1 << 16)]

    return pieces()


@pytest.mark.parametrize(("path", "kind"), [(PUSH, "receive"), (FETCH, "upload")])
async def test_bomb_costs_little(path: str, kind: str, running_gateway: Running) -> None:
    """What would become 256 MB is not decompressed: nobody needs it once the push is refused."""
    async with aiohttp.ClientSession(f"http://127.0.0.1:{running_gateway.gateway.http_port}") as session:
        body = bomb(256 << 20)
        headers = {"content-type": f"application/x-git-{kind}-pack-request", "content-encoding": "gzip"}
        began = time.process_time()
        async with asyncio.timeout(20):
            answer = await session.post(path, data=body, headers=headers)
            said = await answer.read()
    assert time.process_time() - began < 1.0
    assert b"ng refs/heads/main" in said if kind == "receive" else answer.status in {200, 500}


@pytest.mark.parametrize(
    "body",
    [b"no gzip", gzip.compress(encode(b"x" * 100))[:-20], gzip.compress(FLUSH) + b"x" * 100_000, gzip.compress(encode(b"x" * 9) * 4_000_000)],
    ids=["no gzip", "cut", "goes on", "too large"],
)  # fmt: skip
async def test_bad_compression_is_400(body: bytes, running_gateway: Running) -> None:
    """What is not gzip, ends early, goes on behind its end or lists refs without end is refused in words."""
    headers = {"content-type": "application/x-git-receive-pack-request", "content-encoding": "gzip"}
    async with aiohttp.ClientSession(f"http://127.0.0.1:{running_gateway.gateway.http_port}") as session:
        answer = await session.post(PUSH, data=body, headers=headers)
        assert answer.status in {400, 403}
        assert (await answer.text()).startswith("miyabi: ")
