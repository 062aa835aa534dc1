"""Reading requests and writing pages the way GitHub does: JSON bodies, numbers in paths, and `Link` headers."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from aiohttp import web

from miyabi_sim.github.errors import GitHubError, not_found, validation_failed

T = TypeVar("T")

#: Where a handler says how many seconds its request takes GitHub beside the way there and back.
SERVER_SECONDS = web.RequestKey("server_seconds", float)
#: Methods that change nothing.
READ_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
#: Items on a page where the request does not say, and at most.
DEFAULT_PAGE, MAX_PAGE = 30, 100


async def read_json(request: web.Request) -> dict[str, Any]:
    """Return the JSON object of a request; an empty body is an empty object.

    Raises:
        GitHubError: 400 if the body is no JSON object.
    """
    body = await request.read()
    try:
        if request.headers.get("Content-Encoding", "").lower() == "gzip":
            body = gzip.decompress(body)
        value = json.loads(body) if body else {}
    except (ValueError, OSError, EOFError, zlib.error) as error:
        raise GitHubError(400, "Problems parsing JSON") from error
    if not isinstance(value, dict):
        raise GitHubError(400, "Body should be a JSON object")
    return value


def text_of(body: dict[str, Any], name: str, *, resource: str, default: str | None = None) -> str:
    """Return a text of the body; null counts as missing.

    Raises:
        GitHubError: 422 if it is missing without a default, or no text.
    """
    value = body.get(name)
    if value is None:
        if default is None:
            raise validation_failed(resource, "missing_field", field=name)
        return default
    if not isinstance(value, str):
        raise validation_failed(resource, "invalid", field=name)
    return value


def texts_of(body: dict[str, Any], name: str, *, resource: str) -> list[str]:
    """Return a list of texts; objects with a `name` count as their name, as GitHub takes labels.

    Raises:
        GitHubError: 422 if it is no such list.
    """
    value = body.get(name) or []
    if not isinstance(value, list):
        raise validation_failed(resource, "invalid", field=name)
    texts = [entry.get("name") if isinstance(entry, dict) else entry for entry in value]
    named = [text for text in texts if isinstance(text, str)]
    if len(named) < len(texts):
        raise validation_failed(resource, "invalid", field=name)
    return named


def number_in_path(request: web.Request, name: str = "number") -> int:
    """Return a number of the path.

    Raises:
        GitHubError: 404 if it is none.
    """
    text = request.match_info[name]
    if not text.isdecimal() or len(text) > 18:
        raise not_found()
    return int(text)


def page_response(request: web.Request, items: Sequence[T], shape: Callable[[T], Any]) -> web.Response:
    """Return the page that the query asks for, with the `Link` header that leads to the others."""
    per_page = min(_positive(request, "per_page", DEFAULT_PAGE), MAX_PAGE)
    page = _positive(request, "page", 1)
    last = max(1, -(-len(items) // per_page))
    shown = items[(page - 1) * per_page : page * per_page]
    response = web.json_response([shape(item) for item in shown])
    link = _link(request, page=page, last=last)
    if link:
        response.headers["Link"] = link
    return response


def _positive(request: web.Request, name: str, default: int) -> int:
    text = request.query.get(name, "")
    return int(text) if text.isdecimal() and 0 < int(text) < 10**9 else default


def _link(request: web.Request, *, page: int, last: int) -> str:
    targets = []
    if page > 1:
        targets += [("prev", min(page - 1, last)), ("first", 1)]
    if page < last:
        targets += [("next", page + 1), ("last", last)]
    order = {"prev": 0, "next": 1, "last": 2, "first": 3}
    targets.sort(key=lambda target: order[target[0]])
    return ", ".join(
        f'<{request.url.update_query(page=str(number))}>; rel="{relation}"' for relation, number in targets
    )
