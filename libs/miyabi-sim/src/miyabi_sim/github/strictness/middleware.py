"""What happens to every request on its way: record, faults, credentials, limits, latency and ETags."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import re
import time
import uuid
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime
from functools import partial

from aiohttp import web

from miyabi_core.logging import get_logger
from miyabi_sim.credentials import SeenCredentials
from miyabi_sim.github.apps import Apps
from miyabi_sim.github.errors import GitHubError, not_found
from miyabi_sim.github.routes.issues import CONTENT_OPERATIONS, VIEWER_KEY
from miyabi_sim.github.routes.wire import READ_METHODS, SERVER_SECONDS, read_json
from miyabi_sim.github.strictness.dials import Dials, Fault
from miyabi_sim.github.strictness.faults import KEEPING_FAULTS, broken
from miyabi_sim.github.strictness.limits import RateLimiter

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

#: Records that are kept; older ones go first.
MAX_RECORDS = 100_000

#: Points that a REST request takes off the minute.
READ_POINTS, WRITE_POINTS = 1, 5

_OPERATION = re.compile(r"\b(query|mutation|subscription)\b\s*(\w*)")

_log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class RequestRecord:
    """A request that was answered; `status` is 0 where the connection was dropped instead."""

    method: str
    path: str
    operation: str
    status: int
    is_write: bool
    moment: float = 0.0  #: at which it arrived, on the limits' clock


class Pipeline:
    """The one middleware; control routes and pages pass through it untouched."""

    def __init__(
        self,
        dials: Dials,
        limiter: RateLimiter,
        *,
        token: str | None,
        apps: Apps,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.records: list[RequestRecord] = []
        self.credentials = SeenCredentials()
        self._dials = dials
        self._limiter = limiter
        self._token = token
        self._apps = apps
        self._clock = clock

    async def handle(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Answer a request."""
        name = request.match_info.route.name or ""
        if name.startswith(("sim.", "page.")):
            return await _answered(request, handler)
        arrived = self._clock()
        operation, is_write = await _operation(request, name)
        admitted = partial(self._admitted, handler=handler, operation=operation, is_write=is_write)
        fault = self._dials.take_fault(request.method, request.path, operation=operation)
        if fault is not None and not fault.after_handling:
            response: web.StreamResponse | None = None
        else:
            response = await _answered(request, admitted)
        if fault is not None:
            response = await self._broken(request, fault, handler=admitted, answered=response)
        status = 0 if response is None else response.status
        self._record(RequestRecord(request.method, request.path, operation, status, is_write, arrived))
        if response is None:
            # The connection is gone already; this answer is never sent.
            return web.Response()
        if not response.prepared:
            # GitHub's own time: callers reckon with it when a window begins anew.
            now = datetime.fromtimestamp(self._clock(), UTC)
            response.headers["Date"] = format_datetime(now, usegmt=True)
        return response

    async def _broken(
        self,
        request: web.Request,
        fault: Fault,
        *,
        handler: Handler,
        answered: web.StreamResponse | None,
    ) -> web.StreamResponse | None:
        """Return the answer that a fault gives; None after it has cut the connection."""
        if answered is not None and answered.prepared and fault.kind != "drop":
            # Git's answers are streamed: this one is with the client already and can only be dropped.
            return answered
        if answered is None and fault.kind in KEEPING_FAULTS:
            # These spoil a right answer on its way, so it has to be there first.
            answered = await _answered(request, handler)
        resource = "graphql" if request.path == "/graphql" else "core"
        return await broken(request, fault, answered=answered, healthy=self._limiter.headers(resource))

    def _record(self, record: RequestRecord) -> None:
        self.records.append(record)
        if len(self.records) > MAX_RECORDS:
            del self.records[: MAX_RECORDS // 10]

    async def _admitted(
        self, request: web.Request, handler: Handler, *, operation: str, is_write: bool
    ) -> web.StreamResponse:
        is_git = operation.startswith("git.") and request.path.split("/")[2].endswith(".git")
        if not is_git and "User-Agent" not in request.headers:
            raise GitHubError(403, "Please make sure your request has a User-Agent header")
        if operation.startswith("apps."):
            return await self._as_app(request, handler)
        self._check_token(request, is_git=is_git)
        self.credentials.note(_credential(request.headers.get("Authorization", "")))
        if not (is_git or operation == "rate_limit.get" or request.path == "/graphql"):
            handler = partial(self._limited, handler=handler, operation=operation)
        with ExitStack() as slot:
            if not is_git:
                slot.enter_context(self._limiter.concurrent())
                slot.enter_context(self._limiter.busy("graphql" if request.path == "/graphql" else "core"))
            if is_git or is_write:
                await asyncio.sleep(self._dials.latency)
                return await handler(request)
            return await self._in_time(request, handler)

    async def _in_time(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Answer a read when its time has passed; our own work is a part of it, and not on top of it."""
        loop = asyncio.get_running_loop()
        due = loop.time() + self._dials.latency
        try:
            response = await handler(request)
        except (GitHubError, web.HTTPException):
            await asyncio.sleep(due - loop.time())
            raise
        await asyncio.sleep(due + request.get(SERVER_SECONDS, 0.0) - loop.time())
        return response

    async def _as_app(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Answer an App's own request within the limits of a minute; its headers say nothing of limits."""
        self._apps.check_jwt(_credential(request.headers.get("Authorization", "")))
        with self._limiter.concurrent():
            await asyncio.sleep(self._dials.latency)
            points = READ_POINTS if request.method in READ_METHODS else WRITE_POINTS
            self._limiter.pace("app", points, content=False)
            return await handler(request)

    async def _limited(self, request: web.Request, handler: Handler, *, operation: str) -> web.StreamResponse:
        """Answer a REST request within its limits; what has not changed is answered 304 and costs nothing."""
        if self._limiter.exhausted("core"):
            raise self._limiter.refuse_primary("core")
        points = READ_POINTS if request.method in READ_METHODS else WRITE_POINTS
        self._limiter.spend("core", 1)
        try:
            content, writes = operation in CONTENT_OPERATIONS, request.method not in READ_METHODS
            self._limiter.pace("core", points, content=content, writes=writes)
            response = await handler(request)
        except GitHubError as error:
            response = error.response()
        if request.method == "GET" and response.status == 200:
            response = _with_etag(request, response)
            if response.status == 304:
                self._limiter.refund("core", 1)
        response.headers.update(self._limiter.headers("core") | self._scopes(request))
        return response

    def _scopes(self, request: web.Request) -> dict[str, str]:
        """Return the header by which a classic token tells its scopes; an App's token has none."""
        is_classic = bool(self._dials.scopes) and VIEWER_KEY not in request
        return {"X-OAuth-Scopes": self._dials.scopes} if is_classic else {}

    def _check_token(self, request: web.Request, *, is_git: bool) -> None:
        """Compare the credential with the one that is demanded.

        Raises:
            GitHubError: 401 if there is none or another one.
        """
        if self._token is None and self._apps.app is None:
            return
        given = _credential(request.headers.get("Authorization", ""))
        if given and self._token and hmac.compare_digest(given.encode(), self._token.encode()):
            return
        account = self._apps.account_of(given or "")
        if account is not None:
            # What the installation may not see is not there.
            if request.match_info.get("owner", account).casefold() != account.casefold():
                raise not_found()
            request[VIEWER_KEY] = self._apps.login
            return
        message = "Requires authentication" if given is None else "Bad credentials"
        raise GitHubError(401, message, headers={"WWW-Authenticate": 'Basic realm="GitHub"'} if is_git else {})


async def _operation(request: web.Request, route: str) -> tuple[str, bool]:
    """Return the name of what is asked for and whether it writes."""
    if route != "graphql":
        is_write = request.method not in READ_METHODS and route != "git.upload_pack"
        return route or "unknown", is_write
    try:
        body = await read_json(request)
    except GitHubError:
        return route, False
    found = _OPERATION.search(str(body.get("query", "")))
    name = body.get("operationName") or (found.group(2) if found else "")
    return str(name or route), found is not None and found.group(1) == "mutation"


async def _answered(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Return the handler's answer, or what its error looks like."""
    try:
        response = await handler(request)
    except GitHubError as error:
        response = error.response()
    except (web.HTTPNotFound, web.HTTPMethodNotAllowed):
        response = not_found().response()
    except web.HTTPRequestEntityTooLarge:
        response = GitHubError(413, "Payload too big").response()
    except Exception:  # noqa: BLE001 - the last boundary: a defect of ours is an answer 500 and a logged trace
        _log.exception("request_failed", method=request.method, path=request.path)
        response = GitHubError(500, "Server Error").response()
    if not response.prepared:
        response.headers["X-GitHub-Request-Id"] = uuid.uuid4().hex[:16].upper()
    return response


def _with_etag(request: web.Request, response: web.StreamResponse) -> web.StreamResponse:
    assert isinstance(response, web.Response)
    assert isinstance(response.body, bytes)
    material = response.body + response.headers.get("Link", "").encode()
    etag = f'W/"{hashlib.sha256(material).hexdigest()}"'
    headers = {"ETag": etag, "Cache-Control": "private, max-age=60, s-maxage=60"}
    known = [value.strip().removeprefix("W/") for value in request.headers.get("If-None-Match", "").split(",")]
    if etag.removeprefix("W/") in known:
        return web.Response(status=304, headers=headers)
    response.headers.update(headers)
    return response


def _credential(header: str) -> str | None:
    """Return the token of an `Authorization` header: a bearer, GitHub's own `token`, or a basic password."""
    scheme, _, value = header.partition(" ")
    match scheme.lower():
        case "bearer" | "token":
            return value.strip()
        case "basic":
            try:
                return base64.b64decode(value, validate=True).decode().partition(":")[2]
            except ValueError:
                return ""
        case _:
            return None
