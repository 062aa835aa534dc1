"""The HTTP application: routes of all parts behind the door, the description of them, the page."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import version
from typing import Any

from aiohttp import web

from miyabi_core.edge import HttpDoor, ServedHosts
from miyabi_dashboard.door.door import Door
from miyabi_dashboard.live.event_socket import EventSocket
from miyabi_dashboard.policy import READ
from miyabi_dashboard.serving.answers import answer_errors
from miyabi_dashboard.serving.openapi import describe
from miyabi_dashboard.serving.pages import Pages, Probes
from miyabi_dashboard.serving.query import Query
from miyabi_dashboard.serving.routes import Route

#: No source but our own; no inline code.
SECURITY_HEADERS = {
    "content-security-policy": "default-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
}


class HttpInterface:
    """Builds the aiohttp application.

    Args:
        routes: Of all parts.
        socket: Serves WebSockets.
        door: Knows callers.
        hosts: What this server serves as.
        max_body_bytes: Largest body, compressed or not.
    """

    def __init__(
        self, routes: Sequence[Route], *, socket: EventSocket, door: Door, hosts: ServedHosts, max_body_bytes: int
    ) -> None:
        described = Route("GET", "/api/openapi.json", self._describe, "This description.", {"type": "object"}, READ)
        self._routes = [*routes, described]
        self._description = describe(self._routes, version=version("miyabi-dashboard"))
        self._socket = socket
        self._door = door
        self._hosts = hosts
        self._max_body_bytes = max_body_bytes
        self.probes = Probes()

    def application(self) -> web.Application:
        """Return the application; bodies are bounded before and after they are decompressed."""
        app = web.Application(
            client_max_size=self._max_body_bytes,
            middlewares=[HttpDoor(self._hosts).middleware(), answer_errors, self._door.guard],
        )
        app.on_response_prepare.append(_add_headers)
        self._door.roles = {(route.method, route.path): route.roles for route in self._routes}
        app.add_routes([route.definition() for route in self._routes])
        app.add_routes([*self.probes.routes(), web.get("/ws", self._socket.serve), *self._door.routes()])
        app.add_routes(Pages().routes())
        return app

    async def _describe(self, request: web.Request, query: Query) -> Any:
        """Answer the description."""
        del request, query
        return self._description


async def _add_headers(_request: web.Request, response: web.StreamResponse) -> None:
    """Add the security headers, where the handler did not set its own."""
    for name, value in SECURITY_HEADERS.items():
        response.headers.setdefault(name, value)
