"""What each fault does to an answer, on the wire."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Mapping
from contextlib import suppress

from aiohttp import web

from miyabi_sim.github.errors import GitHubError
from miyabi_sim.github.strictness.dials import Fault
from miyabi_sim.github.strictness.limits import PRIMARY_MESSAGE, secondary_limit

#: What a malformed answer is: JSON that ends in the middle.
MALFORMED = '{"data": {"repository": {"iss'
#: What a proxy before GitHub answers.
PAGE = "<!DOCTYPE html>\n<html><head><title>Unicorn! &middot; GitHub</title></head><body>502</body></html>\n"
#: Faults of the way back: the request is done, and its answer spoiled.
KEEPING_FAULTS = frozenset({"reset", "content_type", "drip"})
#: Seconds of faults that name none.
LONG = 30.0


async def broken(
    request: web.Request, fault: Fault, *, answered: web.StreamResponse | None, healthy: Mapping[str, str]
) -> web.StreamResponse | None:
    """Return the answer that a fault gives; None after it has cut the connection.

    Args:
        request: The request.
        fault: What goes wrong.
        answered: The right answer, where the request was handled.
        healthy: Headers of limits that look fine.
    """
    if fault.kind in {"drop", "timeout"}:
        await asyncio.sleep((fault.seconds or LONG) if fault.kind == "timeout" else 0)
        _cut(request)
        return None
    if fault.kind in KEEPING_FAULTS:
        assert isinstance(answered, web.Response)
        return await _spoiled(request, fault, answered)
    headers = dict(healthy) | ({"retry-after": str(fault.retry_after)} if fault.retry_after else {})
    return _instead(fault, headers)


def _instead(fault: Fault, headers: Mapping[str, str]) -> web.Response:
    """Return what is answered instead of the right answer."""
    match fault.kind:
        case "malformed":
            return web.Response(text=MALFORMED, content_type="application/json")
        case "html":
            return web.Response(text=PAGE, content_type="text/html", status=fault.status)
        case "secondary":
            return secondary_limit(headers).response()
        case "graphql_limit":
            errors = [{"type": "RATE_LIMITED", "message": PRIMARY_MESSAGE}]
            return web.json_response({"errors": errors}, headers=headers)
        case _ if fault.body:
            return web.json_response(fault.body, status=fault.status, headers=headers)
        case _:
            return GitHubError(fault.status, "Server Error", headers=headers).response()


def _cut(request: web.Request) -> None:
    """Cut the connection."""
    if request.transport is not None:
        request.transport.abort()


async def _spoiled(request: web.Request, fault: Fault, answered: web.Response) -> web.StreamResponse | None:
    """Send the right answer under a wrong name, in part before the connection is reset, or byte by byte."""
    if fault.kind == "content_type":
        return web.Response(body=answered.body, content_type="text/html", status=answered.status)
    body = answered.body if isinstance(answered.body, bytes) else b""
    response = web.StreamResponse(status=answered.status, headers={"Content-Type": "application/json; charset=utf-8"})
    response.content_length = len(body)
    await response.prepare(request)
    if fault.kind == "reset":
        await response.write(body[: len(body) // 2])
        _reset(request)
        return None
    pause = (fault.seconds or LONG) / max(1, len(body))
    with suppress(ConnectionError):  # whoever asked has lost patience
        for start in range(len(body)):
            await response.write(body[start : start + 1])
            await asyncio.sleep(pause)
        await response.write_eof()
    return response


def _reset(request: web.Request) -> None:
    """Reset the connection: without lingering the kernel sends RST, not FIN."""
    if request.transport is not None:
        raw = request.transport.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        request.transport.abort()
