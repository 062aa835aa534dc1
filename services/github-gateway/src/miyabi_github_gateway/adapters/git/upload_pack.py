"""Serves clones and fetches from a mirror by git's own `upload-pack`."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from pathlib import Path

from aiohttp import web

from miyabi_core.logging import get_logger
from miyabi_core.text import shortened
from miyabi_github_gateway.adapters.git.asked import is_v2
from miyabi_github_gateway.adapters.git.bodies import CHUNK, BodyError
from miyabi_github_gateway.adapters.git.pktline import FLUSH, encode
from miyabi_github_gateway.adapters.git.process import complaint, started

#: Clones that are packed at once; each takes up to some 100 MB and a core.
PACKING_AT_ONCE = 8
#: Values of `Git-Protocol` that are passed to git (gitprotocol-v2).
_PROTOCOL = re.compile(r"[A-Za-z0-9=:._-]{1,100}")

_LOG = get_logger(__name__)


class UploadPack:
    """Runs `git upload-pack`, no more of them at once than the machine bears."""

    def __init__(self) -> None:
        self._slots = asyncio.Semaphore(PACKING_AT_ONCE)

    async def advertise(self, request: web.Request, mirror: Path) -> web.StreamResponse:
        """Answer what the mirror has."""
        response = _response("application/x-git-upload-pack-advertisement")
        response.enable_compression()  # a list of refs compresses well, and only where the client says that it may
        # The advertisement of protocol version 2 names no service.
        prefix = b"" if is_v2(request) else encode(b"# service=git-upload-pack\n") + FLUSH
        arguments = ("upload-pack", "--strict", "--stateless-rpc", "--http-backend-info-refs", str(mirror))
        return await self._run(request, response, arguments, feed=None, prefix=prefix)

    async def serve(self, request: web.Request, mirror: Path, body: AsyncIterator[bytes]) -> web.StreamResponse:
        """Answer a fetch whose body is *body*."""
        arguments = ("upload-pack", "--strict", "--stateless-rpc", str(mirror))
        response = _response("application/x-git-upload-pack-result")
        async with self._slots:
            return await self._run(request, response, arguments, feed=body, prefix=b"")

    async def _run(
        self, request: web.Request, response: web.StreamResponse, arguments: tuple[str, ...], *,
        feed: AsyncIterator[bytes] | None, prefix: bytes,
    ) -> web.StreamResponse:  # fmt: skip
        """Run git between the request's body and the response, neither of which is held in memory."""
        protocol = request.headers.get("git-protocol", "")
        variables = {"GIT_PROTOCOL": protocol} if _PROTOCOL.fullmatch(protocol) else {}
        async with started(*arguments, variables=variables) as process, asyncio.TaskGroup() as tasks:
            complaining = tasks.create_task(complaint(process))
            feeding = tasks.create_task(_feed(process, feed))
            assert process.stdout is not None
            first = await process.stdout.read(CHUNK)
            if not first and await process.wait():
                feeding.cancel()
                _LOG.warning("upload_pack.failed", error=shortened(await complaining, 500))
                return web.Response(status=500, text="the mirror cannot be read\n")
            await response.prepare(request)
            await response.write(prefix + first)
            while chunk := await process.stdout.read(CHUNK):
                await response.write(chunk)
            # git may answer before it has read everything; what is left is nobody's.
            feeding.cancel()
            await response.write_eof()
        return response


async def _feed(process: asyncio.subprocess.Process, body: AsyncIterator[bytes] | None) -> None:
    """Copy a body to git, no faster than it reads."""
    assert process.stdin is not None
    try:
        if body is not None:
            async for chunk in body:
                process.stdin.write(chunk)
                await process.stdin.drain()
    except (ConnectionError, BodyError) as error:
        # git has ended by itself, or gets half a request, which it refuses.
        _LOG.debug("git.request_ended_early", error_type=type(error).__name__)
    finally:
        process.stdin.close()


def _response(content_type: str) -> web.StreamResponse:
    """Return the head of an answer that nobody caches."""
    return web.StreamResponse(
        headers={"content-type": content_type, "cache-control": "no-cache, max-age=0, must-revalidate"}
    )
