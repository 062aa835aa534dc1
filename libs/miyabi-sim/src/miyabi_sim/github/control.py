"""The control routes below `/_sim/`: look at the simulated GitHub and turn its dials from outside."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

from aiohttp import web

from miyabi_sim.github.errors import GitHubError
from miyabi_sim.github.kept.models import Repository
from miyabi_sim.github.kept.store import Store
from miyabi_sim.github.routes.wire import read_json
from miyabi_sim.github.strictness.dials import Dials
from miyabi_sim.github.strictness.limits import RateLimiter
from miyabi_sim.github.strictness.middleware import Pipeline
from miyabi_sim.github.webhooks import Webhooks


class Control:
    """Handlers for tests and demonstrations; the real GitHub has nothing like them."""

    def __init__(
        self, store: Store, dials: Dials, *, pipeline: Pipeline, limiter: RateLimiter, webhooks: Webhooks
    ) -> None:
        self._store = store
        self._dials = dials
        self._pipeline = pipeline
        self._limiter = limiter
        self._webhooks = webhooks

    def routes(self) -> Iterable[web.RouteDef]:
        """Return the routes."""
        return [
            web.route("GET", "/_sim/state", self.state, name="sim.state"),
            web.route("GET", "/_sim/requests", self.requests, name="sim.requests"),
            web.route("GET", "/_sim/credentials", self.credentials, name="sim.credentials"),
            web.route("GET", "/_sim/dials", self.dials, name="sim.dials"),
            web.route("PUT", "/_sim/dials", self.turn, name="sim.turn"),
            web.route("POST", "/_sim/reset", self.reset, name="sim.reset"),
        ]

    async def state(self, _request: web.Request) -> web.Response:
        """Answer everything in the store, and the webhooks that were delivered."""
        deliveries = [asdict(delivery) for delivery in self._webhooks.deliveries]
        return web.json_response({"repositories": [_state(one) for one in self._store], "deliveries": deliveries})

    async def requests(self, _request: web.Request) -> web.Response:
        """Answer the records of all requests since the last reset."""
        return web.json_response([asdict(record) for record in self._pipeline.records])

    async def credentials(self, _request: web.Request) -> web.Response:
        """Answer which tokens were shown, by their digests, and how often."""
        return web.json_response(self._pipeline.credentials.counts)

    async def dials(self, _request: web.Request) -> web.Response:
        """Answer how the dials stand."""
        return web.json_response(self._dials.to_json())

    async def turn(self, request: web.Request) -> web.Response:
        """Turn the dials that the body names."""
        try:
            self._dials.update(await read_json(request))
        except ValueError as error:
            raise GitHubError(422, str(error)) from error
        return web.json_response(self._dials.to_json())

    async def reset(self, _request: web.Request) -> web.Response:
        """Forget requests, deliveries and spent limits and turn the dials back; the store stays."""
        self._pipeline.records.clear()
        self._webhooks.deliveries.clear()
        self._limiter.reset()
        self._dials.update(Dials().to_json())
        return web.Response(status=204)


def _state(repository: Repository) -> dict[str, Any]:
    items = [asdict(item) for _, item in sorted(repository.items.items())]
    return repository.header() | {"full_name": repository.full_name, "items": items}
