"""The page's own files, compressed once each, and what asks whether the process serves."""

from __future__ import annotations

import asyncio
import mimetypes
from dataclasses import dataclass, field
from pathlib import Path

from aiohttp import web
from prometheus_client import generate_latest

from miyabi_core import metrics
from miyabi_dashboard.serving.answers import LEAST_COMPRESSED_BYTES, compressed, encoding_for, etag_of, is_known

#: Where the built page lies.
STATIC = Path(__file__).parents[1] / "static"
#: Files whose names tell their content: a browser need never ask again.
_IMMUTABLE = "public, max-age=31536000, immutable"
#: Types that are compressed; others are as small as they get.
_COMPRESSED = ("text/", "application/javascript", "application/json", "application/manifest+json", "image/svg+xml")


@dataclass
class _File:
    """A file as it is sent.

    Args:
        stamp: Time and size, which tell a new build.
        bodies: By encoding, empty for none.
    """

    stamp: tuple[int, int]
    etag: str
    kind: str
    bodies: dict[str, bytes] = field(default_factory=dict)


class Pages:
    """Serves the page's files from memory, as they are on disk now.

    Args:
        folder: Of the built page.
    """

    def __init__(self, folder: Path = STATIC) -> None:
        self._folder = folder
        self._files: dict[Path, _File] = {}

    def routes(self) -> list[web.RouteDef]:
        """Return the routes; what is none of the others' is looked for among the files."""
        return [web.get("/", self._page), web.get("/{path:.+}", self._file)]

    async def _page(self, request: web.Request) -> web.StreamResponse:
        """Answer the page, or how to build it."""
        page = self._folder / "index.html"
        if not page.is_file():
            return web.Response(text="The page is not built: run `make setup`.\n", status=503)
        return await self._answer(request, page)

    async def _file(self, request: web.Request) -> web.StreamResponse:
        """Answer a file of the page's folder, and of nowhere else."""
        try:
            path = (self._folder / request.match_info["path"]).resolve()
            found = path.is_relative_to(self._folder.resolve()) and path.is_file()
        except (OSError, ValueError) as error:
            # No file can have the name: it is too long, or holds a NUL.
            raise web.HTTPNotFound from error
        if not found:
            raise web.HTTPNotFound
        return await self._answer(request, path)

    async def _answer(self, request: web.Request, path: Path) -> web.StreamResponse:
        """Send a file, compressed where the client takes it, or say that the client has it."""
        file = await asyncio.to_thread(self._read, path)
        immutable = path.parent.name == "assets"
        headers = {
            "etag": file.etag, "vary": "accept-encoding", "cache-control": _IMMUTABLE if immutable else "no-cache",
        }  # fmt: skip
        if is_known(request, file.etag):
            return web.Response(status=304, headers=headers)
        encoding = encoding_for(request.headers.get("accept-encoding", ""))
        if not file.kind.startswith(_COMPRESSED) or len(file.bodies[""]) < LEAST_COMPRESSED_BYTES:
            encoding = ""
        if encoding not in file.bodies:
            file.bodies[encoding] = await asyncio.to_thread(compressed, file.bodies[""], encoding)
        if encoding:
            headers["content-encoding"] = encoding
        headers["content-type"] = f"{file.kind}; charset=utf-8" if file.kind.startswith("text/") else file.kind
        return web.Response(body=file.bodies[encoding], headers=headers)

    def _read(self, path: Path) -> _File:
        """Read a file, unless it is as it was."""
        status = path.stat()
        stamp = (status.st_mtime_ns, status.st_size)
        known = self._files.get(path)
        if known is None or known.stamp != stamp:
            body = path.read_bytes()
            kind = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
            kind = "text/javascript" if kind == "application/javascript" else kind
            known = self._files[path] = _File(stamp, etag_of(body), kind, {"": body})
        return known


class Probes:
    """Answers what asks whether the process serves."""

    def __init__(self) -> None:
        self.ready = False

    def routes(self) -> list[web.RouteDef]:
        """Return the routes."""
        return [
            web.get("/healthz", self._healthy), web.get("/readyz", self._is_ready), web.get("/metrics", self._metrics),
        ]  # fmt: skip

    async def _healthy(self, _request: web.Request) -> web.Response:
        """Say that the process serves."""
        return web.Response(text="ok\n")

    async def _is_ready(self, _request: web.Request) -> web.Response:
        """Say whether requests should come here."""
        return web.Response(text="ready\n" if self.ready else "not ready\n", status=200 if self.ready else 503)

    async def _metrics(self, _request: web.Request) -> web.Response:
        """Answer Prometheus."""
        return web.Response(body=generate_latest(metrics.REGISTRY), content_type="text/plain")
