"""Reads what requests hold, bodies and positions; what is wrong is said with its field."""

from __future__ import annotations

import asyncio
import re
from typing import Any

from aiohttp import ClientPayloadError, web
from aiohttp.http_exceptions import HttpProcessingError

from miyabi_core.edge import InvalidJsonError, strict_json
from miyabi_core.text import shortened
from miyabi_dashboard.intake.events import InvalidEventError

#: Content types of bodies: one value, and one a line.
JSON, NDJSON = "application/json", "application/x-ndjson"
#: Larger bodies are read beside the event loop.
BESIDE_BYTES = 16 << 10
#: Ids of a stream are two numbers of 64 bits.
_LARGEST = 2**64 - 1
_SEQUENCE = re.compile(r"[0-9]{1,20}")
_CURSOR = re.compile(r"([0-9]{1,20})(?:-([0-9]{1,20}))?")
#: What is shown of a value that is wrong.
_SHOWN = 100


async def json_of(request: web.Request) -> Any:
    """Read a JSON body.

    Raises:
        InvalidEventError: it is no JSON, or not compressed as it says.
        web.HTTPUnsupportedMediaType: it does not say that it is JSON.
        web.HTTPRequestEntityTooLarge: it is larger than bodies may be, compressed or not.
    """
    body = await body_of(request, JSON)
    try:
        if len(body) > BESIDE_BYTES:
            return await asyncio.to_thread(strict_json.loads, body)
        return strict_json.loads(body)
    except InvalidJsonError as error:
        raise bad_field("body", str(error)) from error


async def body_of(request: web.Request, content_type: str) -> bytes:
    """Read a body of one content type.

    Raises:
        InvalidEventError: it is not compressed as it says.
        web.HTTPUnsupportedMediaType: it says that it is something else.
        web.HTTPRequestEntityTooLarge: it is larger than bodies may be, compressed or not.
    """
    if request.content_type != content_type:
        raise web.HTTPUnsupportedMediaType(text=f"content-type must be {content_type}")
    try:
        return await request.read()
    except (ClientPayloadError, HttpProcessingError, web.RequestPayloadError) as error:
        raise bad_field("body", "is cut off, or not compressed as it says") from error


def sequence_of(text: str) -> int:
    """Read a position in the hub's numbering.

    Raises:
        InvalidEventError: it is not 1 to 20 digits.
    """
    if _SEQUENCE.fullmatch(text) is None:
        raise bad_field("after", "must be 1 to 20 digits", text)
    return int(text)


def cursor_of(text: str) -> str:
    """Return an id of a stored event; empty where none is given.

    Raises:
        InvalidEventError: it is no id: one or two numbers of 64 bits with a dash between them.
    """
    found = _CURSOR.fullmatch(text)
    if text and (found is None or any(int(part or 0) > _LARGEST for part in found.groups())):
        raise bad_field("after", "is no id of an event", text)
    return text


def bad_field(field: str, message: str, received: str | None = None) -> InvalidEventError:
    """Say what is wrong with a field."""
    return InvalidEventError(
        [{"field": field, "message": message, "received": received and shortened(received, _SHOWN)}]
    )
