"""The simulated GitHub as one server: REST, GraphQL, git, pages, webhooks and control on one loopback port."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

from aiohttp import web

from miyabi_core.edge import HttpDoor, ServedHosts, parse_authority
from miyabi_sim.github.apps import Apps, SimulatedApp
from miyabi_sim.github.control import Control
from miyabi_sim.github.graph.execution import GraphQLApi
from miyabi_sim.github.kept.forge import Forge
from miyabi_sim.github.kept.seed import load_seed
from miyabi_sim.github.kept.store import Store
from miyabi_sim.github.routes.git_http import GitHttp
from miyabi_sim.github.routes.issues import RestApi
from miyabi_sim.github.routes.pages import Pages
from miyabi_sim.github.routes.pulls import PullsApi
from miyabi_sim.github.routes.reviews import ReviewsApi
from miyabi_sim.github.routes.shapes import Shapes
from miyabi_sim.github.states import ControlStates, States
from miyabi_sim.github.strictness.dials import Dials
from miyabi_sim.github.strictness.limits import RateLimiter
from miyabi_sim.github.strictness.middleware import Handler, Pipeline, RequestRecord
from miyabi_sim.github.webhooks import Webhooks, WebhookTarget

#: Where it listens unless told otherwise: no other machine can reach it.
HOST = "127.0.0.1"

#: Largest JSON body that is read.
MAX_BODY_BYTES = 16 * 1024 * 1024

#: Seconds that requests under way have when the server stops.
SHUTDOWN_TIMEOUT = 2.0


class SimulatedGitHub:
    """A GitHub on loopback whose data outlive it in `data_dir`.

    Args:
        data_dir: Keeps issues, pull requests and git repositories.
        dials: How slow, strict and broken the server is; may be turned while it runs.
        port: Where to listen; 0 takes a free port.
        host: Address to listen on.
        url: What its answers call it; without one, its host and port.
        names: Of hosts that it serves as, beside loopback's names, addresses and that of *url*.
        token: The one credential that is accepted; None accepts everyone, unless there is an App.
        app: A GitHub App whose JWTs and installation tokens are accepted beside it.
        webhook: Where events are posted to.
        clock: Seconds since 1970; limits and time stamps follow it.
    """

    def __init__(
        self,
        data_dir: Path,
        *,
        dials: Dials | None = None,
        port: int = 0,
        host: str = HOST,
        url: str = "",
        names: Sequence[str] = (),
        token: str | None = None,
        app: SimulatedApp | None = None,
        webhook: WebhookTarget | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._dials = dials or Dials()
        self.store = Store(data_dir)
        self.webhooks = Webhooks(webhook)
        self.port = port
        self._host = host
        self._public_url = url
        self._names = [*names, *_names_in(url)]
        self._shapes = Shapes("", find=self.store.find)
        self._forge = Forge(self.store, self._shapes, webhooks=self.webhooks, clock=clock)
        self._limiter = RateLimiter(self._dials, clock)
        self.apps = Apps(app, self.store, self._shapes, clock=clock)
        self._pipeline = Pipeline(self._dials, self._limiter, token=token, apps=self.apps, clock=clock)
        #: Puts repositories and issues into states in which GitHub refuses things.
        self.states = States(self.store)
        self._runner: web.AppRunner | None = None

    @property
    def url(self) -> str:
        """Return the address of the server, known once it has started."""
        return self._shapes.url

    @property
    def dials(self) -> Dials:
        """Return the dials; turning one takes effect with the next request."""
        return self._dials

    @property
    def requests(self) -> list[RequestRecord]:
        """Return the records of the requests that were answered, oldest first."""
        return self._pipeline.records

    @property
    def refusals(self) -> list[str]:
        """Return which limit each refusal was for, oldest first."""
        return self._limiter.refusals

    def minute_points(self, resource: str) -> int:
        """Return the points that the last minute has taken of `core`, `graphql` or `app`, an App's own requests."""
        return self._limiter.points(resource)

    def load_seed(self, path: Path) -> None:
        """Bring a seed's repositories and issues in, blocking while git runs; what is there stays.

        Raises:
            SeedError: if the file is no seed.
            GitFailedError: if git refuses a repository of it.
        """
        load_seed(self.store, path)

    async def start(self) -> None:
        """Listen.

        Raises:
            OSError: if the port is taken.
        """
        # Bodies are handed over as they came: git's gzipped requests go to the backend untouched.
        runner = web.AppRunner(
            self._application(), auto_decompress=False, access_log=None, shutdown_timeout=SHUTDOWN_TIMEOUT
        )
        await runner.setup()
        try:
            await web.TCPSite(runner, self._host, self.port).start()
        except BaseException:
            await runner.cleanup()
            raise
        self._runner = runner
        self.port = runner.addresses[0][1]
        self._shapes.url = self._public_url or f"http://{self._host}:{self.port}"

    async def stop(self) -> None:
        """Let requests under way end, then stop listening; stopping twice does nothing."""
        runner, self._runner = self._runner, None
        if runner is not None:
            await runner.cleanup()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    def _application(self) -> web.Application:
        @web.middleware
        async def pipeline(request: web.Request, handler: Handler) -> web.StreamResponse:
            return await self._pipeline.handle(request, handler)

        door = HttpDoor(ServedHosts(f"{self._host}:{self.port}", self._names))
        application = web.Application(middlewares=[door.middleware(), pipeline], client_max_size=MAX_BODY_BYTES)
        control = Control(
            self.store, self.dials, pipeline=self._pipeline, limiter=self._limiter, webhooks=self.webhooks
        )
        application.add_routes(control.routes())
        application.add_routes(ControlStates(self.states).routes())
        application.add_routes(GraphQLApi(self._forge, self._limiter, dials=self.dials).routes())
        application.add_routes(self.apps.routes())
        application.add_routes(RestApi(self._forge, self._limiter).routes())
        application.add_routes(PullsApi(self._forge).routes())
        application.add_routes(ReviewsApi(self._forge).routes())
        application.add_routes(GitHttp(self._forge, self.dials).routes())
        application.add_routes(Pages(self.store).routes())
        application.cleanup_ctx.append(self._sending_webhooks)
        return application

    async def _sending_webhooks(self, _application: web.Application) -> AsyncIterator[None]:
        sending = asyncio.create_task(self.webhooks.run(), name="webhooks")
        yield
        sending.cancel()
        with suppress(asyncio.CancelledError):
            await sending


def _names_in(url: str) -> list[str]:
    """Return the host's name in a URL; none where there is no URL, or an address in it."""
    host = urlsplit(url).hostname
    return [host] if host and parse_authority(f"[{host}]" if ":" in host else host).address is None else []


def fast_clock(scale: float) -> Callable[[], float]:
    """Return a clock that starts now and runs *scale* times as fast as ours: hours of limits pass in minutes."""
    start = time.time()
    return lambda: start + (time.time() - start) * scale
