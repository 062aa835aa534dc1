"""Git over HTTP for agents: injects the credential, streams both ways, lets pushes go to `miyabi/**` only."""

from __future__ import annotations

import base64
import re
from collections.abc import AsyncIterator

import aiohttp
from aiohttp import web

from miyabi_core.logging import get_logger

#: Services of git's smart protocol that are passed on (gitprotocol-http).
SERVICES = ("git-upload-pack", "git-receive-pack")
#: Where agents may push.
ALLOWED_REFS = "refs/heads/miyabi/"
#: Request headers that git needs at the other side; nothing else is passed on.
PASSED_REQUEST_HEADERS = ("content-type", "content-encoding", "accept", "git-protocol", "user-agent")
#: Answer headers that git needs here.
PASSED_ANSWER_HEADERS = ("content-type", "cache-control", "expires", "pragma")
#: The list of ref updates at the head of a push; git sends one line a ref, ours push one.
MAX_COMMANDS_BYTES = 64 * 1024
#: A clone of a large repository may take long, but not be silent for long.
SILENCE_SECONDS = 120
#: Repository names as GitHub has them.
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,38}/[A-Za-z0-9._-]{1,100}")
_ZERO = re.compile(rb"0+")

_LOG = get_logger(__name__)


class PushRefusedError(Exception):
    """A push goes where agents may not push, or cannot be understood."""


def check_push(head: bytes) -> bool:
    """Check the ref updates at the head of a push; returns whether the list is whole.

    Args:
        head: What has arrived of the request's body: pkt-lines up to a flush (gitprotocol-pack).

    Raises:
        PushRefusedError: a ref outside `miyabi/**`, a deletion, or no ref update at all.
    """
    position = 0
    while position + 4 <= len(head):
        try:
            size = int(head[position : position + 4], 16)
        except ValueError as error:
            raise PushRefusedError("the push cannot be understood") from error
        if size == 0:
            if position == 0:
                raise PushRefusedError("the push updates nothing")
            return True
        if size < 4 or position + size > len(head):
            return False
        _check_command(head[position + 4 : position + size])
        position += size
    return False


def _check_command(line: bytes) -> None:
    """Check one `old new ref` line; capabilities follow a NUL on the first."""
    if line.startswith((b"shallow ", b"push-cert")):
        raise PushRefusedError("shallow and signed pushes are not taken")
    parts = line.split(b"\0", 1)[0].strip().split(b" ", 2)
    if len(parts) != 3:
        raise PushRefusedError("the push cannot be understood")
    ref = parts[2].decode("utf-8", "replace")
    if not ref.startswith(ALLOWED_REFS) or ".." in ref:
        raise PushRefusedError(f"agents push to {ALLOWED_REFS}** only, not to {ref}")
    if _ZERO.fullmatch(parts[1]):
        raise PushRefusedError(f"agents delete no branch, not {ref} either")


class GitProxy:
    """Passes git's HTTP requests on to GitHub.

    Args:
        git_url: Base of git over HTTP at GitHub.
        token: Credential; sent as the password of `x-access-token`, never passed back.
    """

    def __init__(self, *, git_url: str, token: str) -> None:
        self._git_url = git_url.rstrip("/")
        credential = base64.b64encode(f"x-access-token:{token}".encode()).decode()
        self._authorization = f"Basic {credential}" if token else ""
        self._session: aiohttp.ClientSession | None = None

    async def start(self) -> None:
        """Open the connection pool."""
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=10, sock_read=SILENCE_SECONDS)
        self._session = aiohttp.ClientSession(timeout=timeout, auto_decompress=False)

    async def close(self) -> None:
        """Close every connection."""
        if self._session is not None:
            await self._session.close()

    def routes(self) -> list[web.RouteDef]:
        """Return the routes; the application must not decompress requests."""
        base = "/git/{owner}/{repository}.git"
        return [
            web.get(f"{base}/info/refs", self._info_refs),
            web.post(f"{base}/git-upload-pack", self._upload_pack),
            web.post(f"{base}/git-receive-pack", self._receive_pack),
        ]

    async def _info_refs(self, request: web.Request) -> web.StreamResponse:
        """Pass the list of refs on."""
        service = request.query.get("service", "")
        if service not in SERVICES:
            return web.Response(status=403, text="only git's smart protocol is served\n")
        return await self._pass_on(request, f"info/refs?service={service}", body=None)

    async def _upload_pack(self, request: web.Request) -> web.StreamResponse:
        """Pass a fetch on."""
        return await self._pass_on(request, "git-upload-pack", body=request.content.iter_any())

    async def _receive_pack(self, request: web.Request) -> web.StreamResponse:
        """Pass a push on, once its ref updates were looked at."""
        if request.headers.get("content-encoding"):
            return web.Response(status=415, text="a push may not be compressed\n")
        try:
            head = await _commands(request)
        except PushRefusedError as error:
            _LOG.warning("push.refused", reason=str(error), path=request.path)
            return web.Response(status=403, text=f"{error}\n")

        async def whole() -> AsyncIterator[bytes]:
            yield head
            async for chunk in request.content.iter_any():
                yield chunk

        return await self._pass_on(request, "git-receive-pack", body=whole())

    async def _pass_on(
        self, request: web.Request, rest: str, *, body: AsyncIterator[bytes] | None
    ) -> web.StreamResponse:
        """Send the request on with the credential and stream the answer back."""
        assert self._session is not None, "not started"
        name = f"{request.match_info['owner']}/{request.match_info['repository']}"
        if _NAME.fullmatch(name) is None:
            return web.Response(status=404, text="no such repository\n")
        headers = {key: request.headers[key] for key in PASSED_REQUEST_HEADERS if key in request.headers}
        if self._authorization:
            headers["authorization"] = self._authorization
        url = f"{self._git_url}/{name}.git/{rest}"
        try:
            async with self._session.request(
                request.method, url, headers=headers, data=body, allow_redirects=False
            ) as answer:
                return await _stream_back(request, answer)
        except (aiohttp.ClientError, TimeoutError) as error:
            _LOG.warning("git.unavailable", error_type=type(error).__name__, path=request.path)
            return web.Response(status=502, text="GitHub is not available\n")


async def _commands(request: web.Request) -> bytes:
    """Read a push up to the end of its ref updates.

    Raises:
        PushRefusedError: one of them is not allowed, or the list does not end.
    """
    head = b""
    while not check_push(head):
        chunk = await request.content.readany()
        if not chunk or len(head) > MAX_COMMANDS_BYTES:
            raise PushRefusedError("the push cannot be understood")
        head += chunk
    return head


async def _stream_back(request: web.Request, answer: aiohttp.ClientResponse) -> web.StreamResponse:
    """Stream an answer; headers are copied by name, so that nothing of the credential's side leaks."""
    headers = {key: answer.headers[key] for key in PASSED_ANSWER_HEADERS if key in answer.headers}
    if "content-encoding" in answer.headers:
        headers["content-encoding"] = answer.headers["content-encoding"]
    # A redirect or a demand for a password means nothing to an agent.
    status = answer.status if answer.status < 300 or answer.status >= 404 else 404
    response = web.StreamResponse(status=status, headers=headers)
    await response.prepare(request)
    async for chunk in answer.content.iter_any():
        await response.write(chunk)
    await response.write_eof()
    return response
