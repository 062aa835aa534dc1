"""Serves the Messages API: streamed or whole, with the API's error shapes."""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import asdict
from types import TracebackType
from typing import Any, Self

from aiohttp import web

from miyabi_core.edge import HttpDoor, ServedHosts
from miyabi_sim.credentials import SeenCredentials
from miyabi_sim.model import messages as api
from miyabi_sim.model.caching import PromptCache
from miyabi_sim.model.dials import IN_THE_MIDDLE, Fault, FaultKind, ModelDials
from miyabi_sim.model.load import Load
from miyabi_sim.model.scenarios import Block, Scenarios

#: Bodies beyond this are refused, as the API does.
MAX_BODY_BYTES = 32 << 20
#: Pieces of text are this long: about one token.
PIECE_CHARACTERS = 4
#: Event of an answer before which a fault comes that breaks it.
_MIDDLE = 3
#: HTTP status, type and message of each fault, as the API documents them.
_FAULTS = {
    "rate_limited": (429, "rate_limit_error", "This request would exceed your rate limit."),
    "overloaded": (529, "overloaded_error", "Overloaded"),
    "internal": (500, "api_error", "Internal server error"),
    "invalid": (400, "invalid_request_error", "tools.0: this is not taken"),
}


#: Where it listens unless told otherwise: no other machine can reach it.
HOST = "127.0.0.1"


class SimulatedModel:
    """A model server.

    Args:
        scenarios: What it says.
        port: 0 takes a free one.
        host: Address to listen on.
        names: Of hosts that it serves as, beside loopback's names and addresses.
        dials: Latencies and faults; may be changed while it runs.
        cache: What it keeps of prompts; default: a new one.
    """

    def __init__(
        self,
        scenarios: Scenarios,
        *,
        port: int = 0,
        host: str = HOST,
        names: Sequence[str] = (),
        dials: ModelDials | None = None,
        cache: PromptCache | None = None,
    ) -> None:
        self.scenarios = scenarios
        self.dials = dials or ModelDials()
        self.requests: list[dict[str, Any]] = []
        self.prompt_tokens: list[int] = []
        self.usages: list[Mapping[str, int]] = []
        self.credentials = SeenCredentials()
        self.load = Load()
        self.port = port
        self._host = host
        self._door = HttpDoor(ServedHosts(f"{host}:{port}", names))
        self._cache = cache or PromptCache()
        self._runner: web.AppRunner | None = None

    @property
    def url(self) -> str:
        """Base URL, for `ANTHROPIC_BASE_URL`."""
        return f"http://{self._host}:{self.port}"

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    async def start(self) -> None:
        """Listen.

        Raises:
            OSError: the port is taken.
        """
        app = web.Application(client_max_size=MAX_BODY_BYTES, middlewares=[self._door.middleware()])
        app.router.add_post("/v1/messages", self._messages)
        app.router.add_post("/v1/messages/count_tokens", self._count)
        app.router.add_get("/_sim/requests", self._seen)
        app.router.add_get("/_sim/credentials", self._seen_credentials)
        app.router.add_get("/_sim/load", self._seen_load)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
        await self._runner.setup()
        await web.TCPSite(self._runner, self._host, self.port).start()
        self.port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        """Stop listening and end running streams."""
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def _seen(self, _request: web.Request) -> web.Response:
        """Answer what was asked so far."""
        return web.json_response(self.requests)

    async def _seen_load(self, _request: web.Request) -> web.Response:
        """Answer how many requests were answered and refused so far, and how many there were at once."""
        return web.json_response(asdict(self.load))

    async def _seen_credentials(self, _request: web.Request) -> web.Response:
        """Answer which keys were shown, by their digests, and how often; small, so that probes may ask too."""
        return web.json_response(self.credentials.counts)

    async def _count(self, request: web.Request) -> web.Response:
        """Answer how many tokens a prompt has."""
        try:
            body = await _body(request)
        except api.BadRequestError as error:
            return _error(400, "invalid_request_error", str(error))
        return web.json_response({"input_tokens": api.count(body)})

    async def _messages(self, request: web.Request) -> web.StreamResponse:
        """Answer a conversation's next message."""
        if not request.headers.get("x-api-key") and not request.headers.get("authorization"):
            return _error(401, "authentication_error", "x-api-key header is required")
        try:
            body = await _body(request)
        except api.BadRequestError as error:
            return _error(400, "invalid_request_error", str(error))
        self.requests.append(body)
        shown = request.headers.get("x-api-key") or request.headers.get("authorization", "").removeprefix("Bearer ")
        self.credentials.note(shown)
        fault = self.dials.next_fault() or self.load.refusal(self.dials)
        if fault is not None and fault.kind not in IN_THE_MIDDLE:
            return _fault(fault)
        with self.load.one():
            return await self._answer(request, body, fault)

    async def _answer(self, request: web.Request, body: dict[str, Any], fault: Fault | None) -> web.StreamResponse:
        """Answer a request that is neither refused nor failed before its answer begins."""
        counted = self._cache.count(body)
        prompt = counted.usage
        self.prompt_tokens.append(sum(prompt.values()))
        if refusal := api.too_long(prompt, self.dials.window_tokens):
            return _error(400, "invalid_request_error", refusal)
        await asyncio.sleep(self.dials.first_token_seconds)
        self._cache.keep(counted)
        self.usages.append(prompt)
        blocks = self.scenarios.answer(body)
        message = _message(body, blocks, prompt)
        if not body.get("stream"):
            return web.json_response(message, headers=_headers())
        kind = fault.kind if fault is not None else None
        return await self._stream(request, message, api.written_inputs(blocks), fault=kind)

    async def _stream(
        self, request: web.Request, message: dict[str, Any], written: Mapping[int, str], *, fault: FaultKind | None
    ) -> web.StreamResponse:
        """Send the answer as server-sent events; one with a fault breaks or ends in the middle."""
        response = web.StreamResponse(headers={**_headers(), "content-type": "text/event-stream"})
        await response.prepare(request)
        async for position, event in _numbered(self._events(message, written)):
            if fault == "ended" and position == _MIDDLE:
                break
            if fault == "dropped" and position == _MIDDLE:
                assert request.transport is not None
                request.transport.abort()
                return response
            await response.write(f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode())
        await response.write_eof()
        return response

    async def _events(self, message: dict[str, Any], written: Mapping[int, str]) -> AsyncIterator[dict[str, Any]]:
        """Yield the answer's events in the documented order, at the dialled pace."""
        start = {**message, "content": [], "stop_reason": None, "usage": {**message["usage"], "output_tokens": 1}}
        yield {"type": "message_start", "message": start}
        yield {"type": "ping"}
        for index, block in enumerate(message["content"]):
            empty = {**block, "text": ""} if block["type"] == "text" else {**block, "input": {}}
            yield {"type": "content_block_start", "index": index, "content_block": empty}
            for delta in _deltas(block, written.get(index)):
                await asyncio.sleep(self.dials.token_seconds)
                yield {"type": "content_block_delta", "index": index, "delta": delta}
            yield {"type": "content_block_stop", "index": index}
        end = {"stop_reason": message["stop_reason"], "stop_sequence": None}
        yield {"type": "message_delta", "delta": end, "usage": {"output_tokens": message["usage"]["output_tokens"]}}
        yield {"type": "message_stop"}


def _message(body: Mapping[str, Any], blocks: Sequence[Block], prompt: Mapping[str, int]) -> dict[str, Any]:
    """Build the whole answer."""
    content = api.content_blocks(blocks)
    return {
        "id": f"msg_{secrets.token_hex(12)}",
        "type": "message",
        "role": "assistant",
        "model": body["model"],
        "content": content,
        "stop_reason": api.stop_reason(blocks),
        "stop_sequence": None,
        "usage": {**prompt, "output_tokens": api.output_tokens(content)},
    }


async def _numbered(events: AsyncIterator[dict[str, Any]]) -> AsyncIterator[tuple[int, dict[str, Any]]]:
    """Count what passes."""
    position = 0
    async for event in events:
        yield position, event
        position += 1


def _deltas(block: Mapping[str, Any], written: str | None) -> list[dict[str, str]]:
    """Cut a block into pieces: text by tokens, a tool's input, or what is sent in its place, by larger ones."""
    if block["type"] == "text":
        text, size, kind, key = block["text"], PIECE_CHARACTERS, "text_delta", "text"
    else:
        text = json.dumps(block["input"]) if written is None else written
        size, kind, key = 64, "input_json_delta", "partial_json"
    return [{"type": kind, key: text[start : start + size]} for start in range(0, len(text), size)]


async def _body(request: web.Request) -> dict[str, Any]:
    """Read and check a request."""
    try:
        body = await request.json()
    except ValueError as error:
        raise api.BadRequestError(f"the body is no JSON: {error}") from error
    api.check(body)
    checked: dict[str, Any] = body
    return checked


def _headers() -> dict[str, str]:
    """Return headers that every answer has."""
    return {"request-id": f"req_{secrets.token_hex(12)}"}


def _error(status: int, kind: str, message: str, **headers: str) -> web.Response:
    """Return an error in the API's shape."""
    body = {"type": "error", "error": {"type": kind, "message": message}}
    return web.json_response(body, status=status, headers={**_headers(), **headers})


def _fault(fault: Fault) -> web.Response:
    """Return the dialled fault."""
    status, kind, message = _FAULTS[fault.kind]
    says_when = fault.kind == "rate_limited" and fault.retry_after_seconds is not None
    headers = {"retry-after": f"{fault.retry_after_seconds:g}"} if says_when else {}
    return _error(status, kind, message, **headers)
