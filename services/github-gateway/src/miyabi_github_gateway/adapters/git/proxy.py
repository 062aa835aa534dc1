"""Git over HTTP for agents: fetches come from mirrors, pushes go to `miyabi/**` only, no credential comes near them."""

from __future__ import annotations

import re
import secrets
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import aclosing

import aiohttp
from aiohttp import web

from miyabi_core.errors import (
    MiyabiError,
    NotFoundError,
    PermissionDeniedError,
    ResourceExhaustedError,
    UnavailableError,
)
from miyabi_core.logging import get_logger
from miyabi_github_gateway.adapters.git import metrics
from miyabi_github_gateway.adapters.git.asked import Asked, asked_of, is_v2
from miyabi_github_gateway.adapters.git.bodies import CHUNK, BodyError, decoded
from miyabi_github_gateway.adapters.git.mirrors import Mirrors
from miyabi_github_gateway.adapters.git.receive_pack import ReceivePack
from miyabi_github_gateway.adapters.git.upload_pack import UploadPack
from miyabi_github_gateway.adapters.git.upstream import GitUpstream
from miyabi_github_gateway.errors import RateLimitedError
from miyabi_github_gateway.service.allow_list import AllowList

#: Services of git's smart protocol that are passed on (gitprotocol-http); the dumb one is not.
SERVICES = ("git-upload-pack", "git-receive-pack")
#: Request headers that git needs at the other side; nothing else is passed on.
PASSED_REQUEST_HEADERS = ("content-type", "content-encoding", "accept", "accept-encoding", "git-protocol", "user-agent")
#: Answer headers that git needs here.
PASSED_ANSWER_HEADERS = ("content-type", "content-encoding", "cache-control", "expires", "pragma")
#: Repository names as GitHub has them.
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,38}/(?!\.{1,2}$)[A-Za-z0-9._-]{1,100}")
_SERVER_FAULT = 500

_LOG = get_logger(__name__)
_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class GitProxy:
    """Serves `/git/OWNER/REPO.git`.

    Args:
        upstream: Git at GitHub.
        mirrors: Fetches are served from them; None: every fetch goes to GitHub.
        receive_pack: Takes pushes.
        allow_list: Repositories that are served.
    """

    def __init__(
        self, *, upstream: GitUpstream, mirrors: Mirrors | None, receive_pack: ReceivePack, allow_list: AllowList
    ) -> None:
        self._upstream = upstream
        self._mirrors = mirrors
        self._receive_pack = receive_pack
        self._allow_list = allow_list
        self._upload_pack = UploadPack()
        #: Keeps what is for our own git apart from what is for agents.
        self.private_path = f"/{secrets.token_urlsafe(16)}"

    def routes(self) -> list[web.RouteDef]:
        """Return the routes for agents; the application must not decompress requests."""
        base = "/git/{owner}/{repository}.git"
        return [
            web.get(f"{base}/info/refs", self._told(self._info_refs)),
            web.post(f"{base}/git-upload-pack", self._told(_of_git(self._fetch))),
            web.post(f"{base}/git-receive-pack", self._told(_of_git(self._push))),
        ]

    def private_routes(self) -> list[web.RouteDef]:
        """Return the routes for our own git, which fetches mirrors through them, so that it needs no credential."""
        base = f"{self.private_path}/{{owner}}/{{repository}}.git"
        return [
            web.get(f"{base}/info/refs", self._told(self._pass_refs_on)),
            web.post(f"{base}/git-upload-pack", self._told(_of_git(self._pass_fetch_on))),
        ]

    def _told(self, handler: _Handler) -> _Handler:
        """Return a handler whose errors are answers that git shows to a person."""

        async def answered(request: web.Request) -> web.StreamResponse:
            service = request.query.get("service") or request.path.rpartition("/")[2]
            service = service if service in SERVICES else "none"
            try:
                response = await handler(request)
            except BodyError as error:
                response = _text(400, str(error))
            except MiyabiError as error:
                response = _text(_status(error), error.message)
                _LOG.warning("git.refused", reason=error.reason, path=_shown(request))
            except (ConnectionError, aiohttp.ClientError):
                # The agent has hung up, or GitHub has in the middle: what was begun is ended.
                metrics.TRANSFERS.labels(service, "ended early").inc()
                raise
            result = "ok" if response.status < 400 else "unavailable" if response.status >= _SERVER_FAULT else "refused"
            metrics.TRANSFERS.labels(service, result).inc()
            return response

        return answered

    def _repository(self, request: web.Request) -> str:
        """Return the repository of the path.

        Raises:
            RepositoryNotAllowedError: it is not on the list.
            HTTPNotFound: it is no name of a repository.
        """
        name = f"{request.match_info['owner']}/{request.match_info['repository']}"
        if _NAME.fullmatch(name) is None:
            raise web.HTTPNotFound(text="no such repository\n")
        self._allow_list.check(name)
        return name

    async def _info_refs(self, request: web.Request) -> web.StreamResponse:
        """Answer what there is to fetch or to push to."""
        repository = self._repository(request)
        service = request.query.get("service", "")
        if service not in SERVICES:
            return _text(403, "only git's smart protocol is served")
        if service == "git-receive-pack" or self._mirrors is None:
            return await self._pass_on(request, repository, f"info/refs?service={service}", body=None)
        async with self._mirrors.current(repository, new_look=True) as mirror:
            return await self._upload_pack.advertise(request, mirror)

    async def _fetch(self, request: web.Request) -> web.StreamResponse:
        """Serve a clone or a fetch."""
        repository = self._repository(request)
        if self._mirrors is None:
            return await self._pass_fetch_on(request)
        async with aclosing(decoded(request)) as body:
            asked = await asked_of(body) if is_v2(request) else Asked()
            async with self._mirrors.current(repository, new_look=False, asked=asked) as mirror:
                return await self._upload_pack.serve(request, mirror, asked.whole(body))

    async def _push(self, request: web.Request) -> web.StreamResponse:
        """Take a push."""
        return await self._receive_pack.take(request, self._repository(request))

    async def _pass_refs_on(self, request: web.Request) -> web.StreamResponse:
        """Pass a question for refs on to GitHub."""
        repository = self._repository(request)
        return await self._pass_on(request, repository, "info/refs?service=git-upload-pack", body=None)

    async def _pass_fetch_on(self, request: web.Request) -> web.StreamResponse:
        """Pass a fetch on to GitHub, compressed or not, as it came."""
        repository = self._repository(request)
        async with aclosing(_raw(request)) as body:
            return await self._pass_on(request, repository, "git-upload-pack", body=body)

    async def _pass_on(
        self, request: web.Request, repository: str, rest: str, *, body: AsyncIterator[bytes] | None
    ) -> web.StreamResponse:
        """Send a request on with the credential and stream the answer back; headers are copied by name."""
        headers = {key: request.headers[key] for key in PASSED_REQUEST_HEADERS if key in request.headers}
        headers.setdefault("accept-encoding", "identity")
        async with self._upstream.request(request.method, repository, rest, headers=headers, body=body) as answer:
            await self._upstream.check(answer, repository)
            passed = {key: answer.headers[key] for key in PASSED_ANSWER_HEADERS if key in answer.headers}
            response = web.StreamResponse(headers=passed)
            await response.prepare(request)
            async for chunk in answer.content.iter_chunked(CHUNK):
                metrics.UPSTREAM_BYTES.inc(len(chunk))
                await response.write(chunk)
            await response.write_eof()
            return response


def _of_git(handler: _Handler) -> _Handler:
    """Return a handler that reads a body only where it says to be git's: no form and no page sends that unasked."""

    async def checked(request: web.Request) -> web.StreamResponse:
        expected = f"application/x-{request.path.rpartition('/')[2]}-request"
        if request.headers.getall("content-type", []) != [expected]:
            return _text(415, f"the content type must be {expected}")
        return await handler(request)

    return checked


async def _raw(request: web.Request) -> AsyncGenerator[bytes, None]:
    """Yield a request's body as it came."""
    async for chunk in request.content.iter_chunked(CHUNK):
        yield chunk


def _shown(request: web.Request) -> str:
    """Return the request's path without the part that is ours alone."""
    return "/".join(["", *request.path.split("/")[2:]])


def _status(error: MiyabiError) -> int:
    """Return the HTTP status of an error: 5xx is what git's callers may repeat."""
    match error:
        case NotFoundError():
            return 404
        case PermissionDeniedError():
            return 403
        case RateLimitedError():
            return 503
        case ResourceExhaustedError():
            return 507
        case UnavailableError():
            return 502
        case _:
            return 500


def _text(status: int, message: str) -> web.Response:
    """Return an answer whose text git shows after `remote:`."""
    return web.Response(status=status, text=f"miyabi: {message}\n", content_type="text/plain")
