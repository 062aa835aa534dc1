"""The HTTP interface: intake, reads, the WebSocket and the page."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import grpc
from aiohttp import web
from prometheus_client import generate_latest

from miyabi_core import metrics
from miyabi_core.edge import HttpDoor, ServedHosts, strict_json
from miyabi_core.errors import MiyabiError
from miyabi_core.status import from_rpc_error
from miyabi_dashboard.door.door import Door
from miyabi_dashboard.http.incoming import cursor_of, json_of
from miyabi_dashboard.intake.events import InvalidEventError, check
from miyabi_dashboard.intake.store import IntakeStore
from miyabi_dashboard.live.event_socket import EventSocket
from miyabi_dashboard.live.hub import Hub
from miyabi_dashboard.live.snapshots import Snapshots
from miyabi_dashboard.performance import Monitor
from miyabi_dashboard.reads.graph import Graphs
from miyabi_dashboard.upstream import Upstream, as_dict

#: Where the built page lies.
STATIC = Path(__file__).parents[1] / "static"
#: Events of one POST to /api/events.
MAX_EVENTS = 1000
#: No source but our own; no inline code.
SECURITY_HEADERS = {
    "content-security-policy": "default-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
}
_STATUS = {
    grpc.StatusCode.NOT_FOUND: 404,
    grpc.StatusCode.INVALID_ARGUMENT: 400,
    grpc.StatusCode.UNAVAILABLE: 503,
    grpc.StatusCode.DEADLINE_EXCEEDED: 504,
    grpc.StatusCode.RESOURCE_EXHAUSTED: 429,
}


#: Answers in JSON that every reader understands.
_json = partial(web.json_response, dumps=strict_json.dumps)


class HttpInterface:
    """Builds the aiohttp application."""

    def __init__(
        self,
        *,
        intake: IntakeStore,
        hub: Hub,
        upstream: Upstream,
        monitor: Monitor,
        max_body_bytes: int,
        simulated: bool,
        graph_lifetime: timedelta,
        door: Door,
        hosts: ServedHosts,
    ) -> None:
        self._hosts = hosts
        self._door = door
        self._intake = intake
        self._hub = hub
        self._upstream = upstream
        self._monitor = monitor
        self._max_body_bytes = max_body_bytes
        self._simulated = simulated
        self._socket = EventSocket(hub, Snapshots(hub, upstream, simulated=simulated), door=door)
        self._graphs = Graphs(upstream, lifetime=graph_lifetime)
        self.ready = False

    def application(self) -> web.Application:
        """Return the application; bodies are bounded before and after they are decompressed."""
        app = web.Application(
            client_max_size=self._max_body_bytes,
            middlewares=[HttpDoor(self._hosts).middleware(), _answer_errors, self._door.guard],
        )
        app.on_response_prepare.append(_add_headers)
        app.add_routes(
            [
                web.post("/api/agent-event", self._agent_event),
                web.post("/api/events", self._events),
                web.get("/api/events", self._stored),
                web.get("/api/batches", self._batches),
                web.get("/api/batches/{batch}", self._batch),
                web.get("/api/batches/{batch}/runs/{number}", self._run),
                web.get("/api/agents", self._agents),
                web.get("/api/graph", self._graph),
                web.get("/api/performance", self._performance),
                web.get("/healthz", self._healthy),
                web.get("/readyz", self._is_ready),
                web.get("/metrics", _metrics),
                web.get("/ws", self._socket.serve),
                web.get("/", _page),
                web.get("/sw.js", _worker),
                *self._door.routes(),
            ]
        )
        if STATIC.is_dir():
            app.router.add_static("/", STATIC)
        return app

    async def _agent_event(self, request: web.Request) -> web.Response:
        """Take one event."""
        event = check(await json_of(request))
        return _json({"success": True, "id": await self._take(event)})

    async def _events(self, request: web.Request) -> web.Response:
        """Take a list of events: all of them, or none."""
        body = await json_of(request)
        events = body.get("events") if isinstance(body, dict) else body
        if not isinstance(events, list) or not 0 < len(events) <= MAX_EVENTS:
            message = f"must be a list of 1 to {MAX_EVENTS} events"
            raise InvalidEventError([{"field": "events", "message": message, "received": type(events).__name__}])
        checked = [check(event, prefix=f"events[{position}].") for position, event in enumerate(events)]
        async with asyncio.TaskGroup() as tasks:
            stored = [tasks.create_task(self._take(event)) for event in checked]
        return _json({"success": True, "ids": [task.result() for task in stored]})

    async def _take(self, event: dict[str, Any]) -> str:
        """Store an event, then show it."""
        identifier = await self._intake.append(event)
        # Ours last: what comes from outside is never taken for it, whatever else it has to say.
        self._hub.publish([{**event, "id": identifier, "source": "external"}])
        return identifier

    async def _stored(self, request: web.Request) -> web.Response:
        """Answer stored events behind a cursor."""
        after = cursor_of(request.query.get("after", ""))
        return _json({"events": await self._intake.after(after, limit=MAX_EVENTS)})

    async def _batches(self, _request: web.Request) -> web.Response:
        """Answer the newest batches."""
        return _json({"batches": await self._upstream.batches(), "simulated": self._simulated})

    async def _batch(self, request: web.Request) -> web.Response:
        """Answer one batch with its runs."""
        return _json(await self._upstream.batch(f"batches/{request.match_info['batch']}"))

    async def _run(self, request: web.Request) -> web.Response:
        """Answer one run with its results."""
        name = f"batches/{request.match_info['batch']}/runs/{request.match_info['number']}"
        return _json(await self._upstream.run(name))

    async def _agents(self, _request: web.Request) -> web.Response:
        """Answer the attached agents."""
        return _json({"agents": await self._upstream.agents()})

    async def _graph(self, request: web.Request) -> web.Response:
        """Answer a batch as nodes and edges: the one that is named, or the newest."""
        batch = request.query.get("batch", "")
        return _json(await self._graphs.get(batch, newest_event=self._hub.sequence))

    async def _performance(self, _request: web.Request) -> web.Response:
        """Answer what was measured."""
        return _json(as_dict(self._monitor.report()))

    async def _healthy(self, _request: web.Request) -> web.Response:
        """Say that the process serves."""
        return web.Response(text="ok\n")

    async def _is_ready(self, _request: web.Request) -> web.Response:
        """Say whether requests should come here."""
        return web.Response(text="ready\n" if self.ready else "not ready\n", status=200 if self.ready else 503)


@web.middleware
async def _answer_errors(request: web.Request, handler: Any) -> web.StreamResponse:
    """Turn errors into answers."""
    try:
        response: web.StreamResponse = await handler(request)
        return response
    except InvalidEventError as error:
        return _json({"success": False, "error": "invalid request", "validationErrors": error.problems}, status=400)
    except grpc.aio.AioRpcError as error:
        return _refused(from_rpc_error(error))
    except MiyabiError as error:
        return _refused(error)


def _refused(error: MiyabiError) -> web.Response:
    """Answer an error of ours."""
    status = _STATUS.get(error.code, 500)
    headers = {"retry-after": "1"} if status == 503 else {}
    body = {"success": False, "error": error.message, "reason": error.reason}
    return _json(body, status=status, headers=headers)


async def _add_headers(_request: web.Request, response: web.StreamResponse) -> None:
    """Add the security headers, where the handler did not set its own."""
    for name, value in SECURITY_HEADERS.items():
        response.headers.setdefault(name, value)


async def _metrics(_request: web.Request) -> web.Response:
    """Answer Prometheus."""
    return web.Response(body=generate_latest(metrics.REGISTRY), content_type="text/plain")


async def _page(_request: web.Request) -> web.StreamResponse:
    """Answer the page, or how to build it."""
    page = STATIC / "index.html"
    if not page.is_file():
        return web.Response(text="The page is not built: run `make setup`.\n", status=503)
    return web.FileResponse(page, headers={"cache-control": "no-cache"})


async def _worker(_request: web.Request) -> web.StreamResponse:
    """Answer the service worker, which browsers have to look for anew each time."""
    worker = STATIC / "sw.js"
    if not worker.is_file():
        return web.Response(status=404)
    return web.FileResponse(worker, headers={"cache-control": "no-cache"})
