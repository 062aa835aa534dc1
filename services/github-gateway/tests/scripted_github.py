"""A GitHub that answers as a test says, and the other hosts beside it: real servers that note what reaches them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiohttp import web
from aiohttp.test_utils import TestServer
from multidict import CIMultiDict

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass
class Seen:
    """A request that reached a server."""

    method: str
    path: str
    headers: CIMultiDict[str]
    body: bytes


@dataclass
class Scripted:
    """A running server."""

    url: str
    seen: list[Seen] = field(default_factory=list)

    @property
    def requests(self) -> list[tuple[str, str]]:
        """Return method and path of each request, in order."""
        return [(one.method, one.path) for one in self.seen]


@asynccontextmanager
async def scripted(answer: Answer) -> AsyncIterator[Scripted]:
    """Run a server for the length of the block; it hands bodies over as they came."""
    server = Scripted("")

    async def noted(request: web.Request) -> web.StreamResponse:
        body = await request.read()
        server.seen.append(Seen(request.method, request.path, CIMultiDict(request.headers), body))
        return await answer(request)

    application = web.Application(client_max_size=1 << 26)
    application.router.add_route("*", "/{tail:.*}", noted)
    async with TestServer(application, auto_decompress=False) as running:
        server.url = str(running.make_url("")).rstrip("/")
        yield server
