"""What the HTTP interface serves, as data: routing, roles, checks of requests and its description follow from it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web
from google.protobuf.message import Message

from miyabi_core.access.identity import Role
from miyabi_dashboard.serving.answers import respond
from miyabi_dashboard.serving.query import Parameter, Query, parse, parse_path

#: A JSON Schema (2020-12), or the message whose JSON it is.
Schema = Mapping[str, Any] | type[Message]
#: Makes the value that is answered as JSON, or an answer of its own.
Handler = Callable[[web.Request, Query], Awaitable[Any]]


@dataclass(frozen=True)
class Route:
    """One method of one path.

    Args:
        method: Of HTTP.
        path: As aiohttp and OpenAPI write it, `/api/batches/{batch}`.
        handler: Answers.
        summary: One sentence.
        answer: Of success; None: what is no JSON, of `content_type`.
        parameters: Of the query; others are refused.
        path_parameters: Of the path.
        body: Of the request; None: it has none.
        roles: One of them is needed.
        status: Of success.
        content_type: Of success.
        body_types: Content types of the body.
    """

    method: str
    path: str
    handler: Handler
    summary: str
    answer: Schema | None
    roles: tuple[Role, ...]
    parameters: tuple[Parameter, ...] = ()
    path_parameters: tuple[Parameter, ...] = ()
    body: Schema | None = None
    status: int = 200
    content_type: str = "application/json"
    body_types: tuple[str, ...] = field(default=("application/json",))

    def definition(self) -> web.RouteDef:
        """Return it as aiohttp has it."""
        if self.method == "GET":
            return web.get(self.path, self._serve)
        return web.route(self.method, self.path, self._serve)

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        """Check the request, and answer."""
        query = {**parse_path(self.path_parameters, request.match_info), **parse(self.parameters, request.query)}
        value = await self.handler(request, query)
        if isinstance(value, web.StreamResponse):
            return value
        return await respond(request, value, status=self.status)
