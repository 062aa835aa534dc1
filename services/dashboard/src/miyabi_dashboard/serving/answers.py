"""Answers in JSON: compressed where the client takes it, not sent again where it has them, errors with their status."""

from __future__ import annotations

import asyncio
import gzip
import hashlib
from collections.abc import Awaitable, Callable
from typing import Any

import brotli  # type: ignore[import-untyped]  # it has no stubs
import grpc
import orjson
from aiohttp import web

from miyabi_core.edge import strict_json
from miyabi_core.errors import MiyabiError
from miyabi_core.status import from_rpc_error
from miyabi_dashboard.intake.events import InvalidEventError

#: Smaller bodies fit into a packet as they are.
LEAST_COMPRESSED_BYTES = 1024
#: Larger bodies are compressed and written beside the event loop.
BESIDE_BYTES = 64 << 10
#: Of brotli: what follows costs several times as much for a few percent.
BROTLI_QUALITY = 4
#: Of gzip: zlib's own default.
GZIP_LEVEL = 6
#: HTTP's statuses for canonical codes (google.rpc.Code names them); the others are 500.
STATUS = {
    grpc.StatusCode.INVALID_ARGUMENT: 400,
    grpc.StatusCode.OUT_OF_RANGE: 400,
    grpc.StatusCode.UNAUTHENTICATED: 401,
    grpc.StatusCode.PERMISSION_DENIED: 403,
    grpc.StatusCode.NOT_FOUND: 404,
    grpc.StatusCode.ABORTED: 409,
    grpc.StatusCode.ALREADY_EXISTS: 409,
    grpc.StatusCode.FAILED_PRECONDITION: 409,
    grpc.StatusCode.RESOURCE_EXHAUSTED: 429,
    grpc.StatusCode.UNIMPLEMENTED: 501,
    grpc.StatusCode.UNAVAILABLE: 503,
    grpc.StatusCode.DEADLINE_EXCEEDED: 504,
}
#: What asks for patience, with the seconds that are told where the error does not tell them.
_PATIENCE = {429: 1, 503: 1}


async def respond(request: web.Request, value: Any, *, status: int = 200) -> web.Response:
    """Answer a value, a serialised one or one to be serialised.

    Args:
        request: Says what the client takes and has.
        value: What `orjson` takes, or bytes of JSON.
        status: Of HTTP.
    """
    body = value if isinstance(value, bytes) else _serialised(value)
    headers = {"cache-control": "no-cache", "vary": "accept-encoding"}
    if request.method in {"GET", "HEAD"} and status == 200:
        headers["etag"] = etag = etag_of(body)
        if is_known(request, etag):
            return web.Response(status=304, headers=headers)
    encoding = encoding_for(request.headers.get("accept-encoding", ""))
    if encoding and len(body) >= LEAST_COMPRESSED_BYTES:
        headers["content-encoding"] = encoding
        is_large = len(body) > BESIDE_BYTES
        body = await asyncio.to_thread(compressed, body, encoding) if is_large else compressed(body, encoding)
    return web.Response(body=body, status=status, headers=headers, content_type="application/json")


def _serialised(value: Any) -> bytes:
    """Return a value as JSON; numbers that `orjson` has no room for stand in events that were stored long ago."""
    try:
        return orjson.dumps(value)
    except TypeError:
        return strict_json.dumps(value).encode()


def etag_of(body: bytes) -> str:
    """Return what names a body, weak since every encoding of it has the same (RFC 9110 section 8.8.3)."""
    return f'W/"{hashlib.blake2b(body, digest_size=12).hexdigest()}"'


def is_known(request: web.Request, etag: str) -> bool:
    """Tell whether the client has it already (RFC 9110 section 13.1.2, by weak comparison)."""
    known = request.headers.get("if-none-match", "")
    return known.strip() == "*" or etag.removeprefix("W/") in {
        entry.strip().removeprefix("W/") for entry in known.split(",")
    }


def encoding_for(accepted: str) -> str:
    """Return the encoding to use: br, gzip, or none (RFC 9110 section 12.5.3)."""
    taken = {}
    for entry in accepted.lower().split(","):
        name, _, quality = entry.partition(";")
        taken[name.strip()] = quality.replace(" ", "") not in {"q=0", "q=0.0", "q=0.00", "q=0.000"}
    return next((name for name in ("br", "gzip") if taken.get(name, False)), "")


def compressed(body: bytes, encoding: str) -> bytes:
    """Return a body in an encoding of `encoding_for`."""
    if encoding == "br":
        # The package has no types.
        return bytes(brotli.compress(body, quality=BROTLI_QUALITY))
    return gzip.compress(body, GZIP_LEVEL, mtime=0)


@web.middleware
async def answer_errors(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    """Turn errors into answers."""
    try:
        return await handler(request)
    except InvalidEventError as error:
        body = {
            "success": False, "error": "invalid request", "reason": "INVALID_REQUEST",
            "validationErrors": error.problems,
        }  # fmt: skip
        return await respond(request, body, status=400)
    except grpc.aio.AioRpcError as error:
        return await refuse(request, from_rpc_error(error))
    except MiyabiError as error:
        return await refuse(request, error)
    except web.HTTPException as error:
        if not request.path.startswith("/api/") or error.status < 400:
            raise
        reason = error.reason.upper().replace(" ", "_")
        body = {"success": False, "error": (error.text or error.reason).strip(), "reason": reason}
        response = await respond(request, body, status=error.status)
        if "allow" in error.headers:
            response.headers["allow"] = error.headers["allow"]
        return response


async def refuse(request: web.Request, error: MiyabiError) -> web.Response:
    """Answer an error of ours."""
    status = STATUS.get(error.code, 500)
    body: dict[str, Any] = {"success": False, "error": error.message, "reason": error.reason}
    if error.violations:
        body["validationErrors"] = [
            {"field": violation.field, "message": violation.description, "received": None}
            for violation in error.violations
        ]
    if error.unmet:
        body["problems"] = _problems(error)
        # A refusal lists so many; the rest is counted.
        body["moreProblems"] = int(error.metadata.get("more", "0"))
    response = await respond(request, body, status=status)
    if status in _PATIENCE:
        seconds = error.retry_after.total_seconds() if error.retry_after is not None else _PATIENCE[status]
        response.headers["retry-after"] = str(max(1, -int(-seconds // 1)))
    return response


def _problems(error: MiyabiError) -> list[dict[str, Any]]:
    """Return what stands in the way, as `miyabi.common.v1.Problem` has it; the remedy stands in the message."""
    overrulable = set(filter(None, error.metadata.get("overrulable", "").split(",")))
    return [
        {
            "kind": f"PROBLEM_KIND_{condition.kind}",
            "issue_number": int(number) if (number := condition.subject.rpartition("#")[2]).isdecimal() else 0,
            "message": condition.description,
            "may_be_overruled": condition.kind in overrulable,
        }
        for condition in error.unmet
    ]
