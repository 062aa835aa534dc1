"""Row 7: what the first page costs that is opened after a start: no call to GitHub."""

from __future__ import annotations

import asyncio
import re
import tempfile
import time
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp

from benchmarks.github.simulated_github import write_seed
from benchmarks.measuring.report import Row
from miyabi_cli.settings import CliSettings
from miyabi_cli.stack.local import LocalStack, StackOptions, local_stack
from miyabi_cli.stack.ports import any_ports

REPOSITORY = "acme/bench"
#: Issues of the repository.
ISSUES = 20
#: What a page asks for when it is opened, and each of its parts.
READS = (
    "/api/me", "/api/batches", "/api/agents", "/api/graph", "/api/limits", "/api/caches", "/api/performance",
    "/api/events",
)  # fmt: skip
#: What a call that is caused late would take to be sent.
SETTLE_SECONDS = 2.0
#: First view from a warm server, in seconds.
GOAL_SECONDS = 1.0


async def rows() -> AsyncIterator[Row]:
    """Start everything, open the page, count."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        (root / "seed").mkdir()
        seed = write_seed(root / "seed", repository=REPOSITORY, issues=ISSUES)
        options = StackOptions(any_ports(), root / "data", seed=seed, simulate=True)
        settings = CliSettings()
        async with local_stack(settings, options, inherited={}, announce=lambda _: None) as stack:
            yield await _opened(stack)


async def _opened(stack: LocalStack) -> Row:
    """Open the page with all that it loads."""
    # Replicas ask GitHub for its limits when they begin; that is none of the page's doing.
    await asyncio.sleep(SETTLE_SECONDS)
    before = await _requests(stack)
    url = f"http://127.0.0.1:{stack.options.ports.dashboard}"
    sizes = dict[str, int]()
    async with aiohttp.ClientSession(url, headers={"accept-encoding": "gzip, br"}, auto_decompress=False) as http:
        began = time.perf_counter()
        page = await _get(http, "/", sizes, accept="text/html")
        files = re.findall(rb'(?:src|href)="(/[^"]+)"', page)
        await asyncio.gather(*(_get(http, file.decode(), sizes) for file in files))
        async with http.ws_connect("/ws") as socket:
            await socket.receive()
            seconds = time.perf_counter() - began
            await asyncio.gather(*(_get(http, path, sizes) for path in READS))
            await asyncio.sleep(SETTLE_SECONDS)
    calls = await _requests(stack) - before
    ours = {
        "calls_to_github": calls, "first_view_ms": round(seconds * 1e3, 1),
        "script_bytes": sum(size for path, size in sizes.items() if path.endswith(".js")), "files": len(files),
    }  # fmt: skip
    goal = f"the first page after a start makes 0 calls to GitHub; its view is there within {GOAL_SECONDS:g} s"
    return Row("7", ours, {"github": "simulated"}, calls, goal, calls == 0 and seconds <= GOAL_SECONDS, 1)


async def _get(http: aiohttp.ClientSession, path: str, sizes: dict[str, int], *, accept: str = "*/*") -> bytes:
    """Load something; notes what travelled."""
    headers = {"accept": accept} | ({"accept-encoding": "identity"} if path == "/" else {})
    async with http.get(path, headers=headers) as answer:
        body = await answer.read()
        assert answer.status == 200, (path, answer.status, body)
    sizes[path] = len(body)
    return body


async def _requests(stack: LocalStack) -> int:
    """Return how many requests the simulated GitHub has answered."""
    url = f"http://127.0.0.1:{stack.options.ports.github}/_sim/requests"
    async with aiohttp.ClientSession() as http, http.get(url) as answer:
        return len([entry for entry in await answer.json() if not entry["path"].startswith("/_sim")])
