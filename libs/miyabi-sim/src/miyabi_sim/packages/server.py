"""Serves a folder of wheels as a package index.

Source: PyPA, Simple repository API (PEP 503).
"""

from __future__ import annotations

import hashlib
import html
import re
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

from aiohttp import web

from miyabi_core.edge import HttpDoor


def application(folder: Path, *, door: HttpDoor) -> web.Application:
    """Return the index over the wheels that *folder* holds now, behind the door; their hashes are read once."""
    found: defaultdict[str, list[tuple[str, str]]] = defaultdict(list)
    for path in sorted(folder.glob("*.whl")):
        found[_normalised(path.name.partition("-")[0])].append((path.name, _sha256(path)))

    async def index(_request: web.Request) -> web.Response:
        return _page(f'<a href="/simple/{name}/">{name}</a>' for name in sorted(found))

    async def project(request: web.Request) -> web.Response:
        files = found.get(_normalised(request.match_info["name"]))
        if files is None:
            raise web.HTTPNotFound
        return _page(
            f'<a href="/wheels/{html.escape(name)}#sha256={sha}">{html.escape(name)}</a>' for name, sha in files
        )

    async def healthy(_request: web.Request) -> web.Response:
        return web.Response(text="ok\n")

    app = web.Application(middlewares=[door.middleware()])
    app.add_routes([web.get("/simple/", index), web.get("/simple/{name}/", project), web.get("/healthz", healthy)])
    app.router.add_static("/wheels/", folder)
    return app


def _normalised(name: str) -> str:
    """Return a project's name as the index writes it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def _sha256(path: Path) -> str:
    """Return a file's hash."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _page(links: Iterable[str]) -> web.Response:
    """Return a page of links."""
    body = "\n".join(links)
    return web.Response(text=f"<!DOCTYPE html><html><body>\n{body}\n</body></html>\n", content_type="text/html")
