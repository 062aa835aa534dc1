"""Git over smart HTTP: the real `git http-backend`, with bodies streamed both ways."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Iterable, Mapping
from contextlib import suppress

from aiohttp import ClientPayloadError, web

from miyabi_core.logging import get_logger
from miyabi_sim.github import gitrepo
from miyabi_sim.github.errors import not_found
from miyabi_sim.github.kept.forge import Forge
from miyabi_sim.github.kept.models import Repository
from miyabi_sim.github.routes.issues import VIEWER, VIEWER_KEY, viewer_of
from miyabi_sim.github.rules.pushes import check_pushable, hooked, with_reasons
from miyabi_sim.github.strictness.dials import Dials

#: Bytes that travel at a time.
CHUNK = 65_536

#: Seconds that the backend has to end after its output ended.
EXIT_TIMEOUT = 30.0

#: Headers of the request that the backend reads, by their CGI names.
CGI_HEADERS = {
    "CONTENT_TYPE": "Content-Type",
    "CONTENT_LENGTH": "Content-Length",
    "HTTP_CONTENT_ENCODING": "Content-Encoding",
    "HTTP_ACCEPT": "Accept",
    "HTTP_USER_AGENT": "User-Agent",
    "GIT_PROTOCOL": "Git-Protocol",
}

_log = get_logger(__name__)

_GIT = "/{owner}/{repo}.git"


class GitHttp:
    """Serves every repository at `/OWNER/NAME.git`; the server must hand over bodies as they came, still gzipped."""

    def __init__(self, forge: Forge, dials: Dials) -> None:
        self._forge = forge
        self._dials = dials

    def routes(self) -> Iterable[web.RouteDef]:
        """Return the routes of the smart protocol; the dumb one is not served, as GitHub does not serve it."""
        return [
            web.route("GET", f"{_GIT}/info/refs", self.advertise, name="git.info_refs"),
            web.route("POST", f"{_GIT}/git-upload-pack", self.upload_pack, name="git.upload_pack"),
            web.route("POST", f"{_GIT}/git-receive-pack", self.receive_pack, name="git.receive_pack"),
        ]

    async def advertise(self, request: web.Request) -> web.StreamResponse:
        """Answer what there is to fetch or push to."""
        if request.query.get("service") not in ("git-upload-pack", "git-receive-pack"):
            raise not_found()
        repository = self._repository(request)
        if request.query["service"] == "git-receive-pack":
            check_pushable(repository, viewer_of(request))
        return await self._backend(request, repository, ending="info/refs")

    async def upload_pack(self, request: web.Request) -> web.StreamResponse:
        """Serve a clone or a fetch."""
        return await self._backend(request, self._repository(request), ending="git-upload-pack")

    async def receive_pack(self, request: web.Request) -> web.StreamResponse:
        """Take a push; the open pull requests have moved along when the client hears the end."""
        repository = self._repository(request)
        check_pushable(repository, viewer_of(request))
        await self._settle(repository)
        page = f"{self._forge.shapes.repository_url(repository)}/rules"
        is_app, workflows = VIEWER_KEY in request, self._may_change_workflows(request)
        with hooked(repository, page=page, workflows=workflows, is_app=is_app) as variables:
            return await self._backend(request, repository, ending="git-receive-pack", pushing=variables)

    def _may_change_workflows(self, request: web.Request) -> bool:
        """Return whether the credential may; an App by its permission, a token by its scope."""
        return self._dials.workflows if VIEWER_KEY in request else self._dials.may_change_workflows

    async def _backend(
        self, request: web.Request, repository: Repository, *, ending: str, pushing: Mapping[str, str] | None = None
    ) -> web.StreamResponse:
        process = await asyncio.create_subprocess_exec(
            "git",
            "http-backend",
            env=self._environment(request, repository, ending=ending) | dict(pushing or {}),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            limit=CHUNK,
            start_new_session=True,
        )
        try:
            async with asyncio.TaskGroup() as tasks:
                feeding = tasks.create_task(_feed(request, process))
                response = await _answer(request, process, pushing=pushing)
                # The backend may end before it has read everything; what is left is nobody's.
                feeding.cancel()
            if pushing is not None:
                await self._settle(repository)
            async with asyncio.timeout(EXIT_TIMEOUT):
                await process.wait()
            # Last of all: once the client hears the end, everything about the request is settled.
            with suppress(ConnectionResetError):
                await response.write_eof()
        finally:
            await _end(process)
        return response

    async def _settle(self, repository: Repository) -> None:
        """Let pull requests and webhooks see the branches as they are now."""
        async with self._forge.pull_lock(repository):
            await self._forge.follow_branches(repository)

    def _environment(self, request: web.Request, repository: Repository, *, ending: str) -> dict[str, str]:
        root = self._forge.store.git_root
        cgi = {name: request.headers[header] for name, header in CGI_HEADERS.items() if header in request.headers}
        return gitrepo.git_environment(
            cgi
            | {
                "GIT_PROJECT_ROOT": str(root.resolve()),
                "GIT_HTTP_EXPORT_ALL": "1",
                "PATH_INFO": f"/{repository.owner}/{repository.name}.git/{ending}",
                "QUERY_STRING": request.query_string,
                "REQUEST_METHOD": request.method,
                "REMOTE_ADDR": request.remote or "",
                "REMOTE_USER": VIEWER,
                "SERVER_PROTOCOL": "HTTP/1.1",
                "GATEWAY_INTERFACE": "CGI/1.1",
            }
        )

    def _repository(self, request: web.Request) -> Repository:
        return self._forge.store.repository(request.match_info["owner"], request.match_info["repo"])


async def _feed(request: web.Request, process: asyncio.subprocess.Process) -> None:
    """Copy the request's body to the backend, no faster than it reads."""
    assert process.stdin is not None
    try:
        async for chunk in request.content.iter_chunked(CHUNK):
            process.stdin.write(chunk)
            await process.stdin.drain()
    except (ConnectionError, ClientPayloadError, web.RequestPayloadError) as error:
        # Either the backend has ended by itself, and its answer says why, or the client broke off, and the backend
        # will refuse the half request.
        _log.debug("git_request_ended_early", error=repr(error))
    finally:
        process.stdin.close()


async def _end(process: asyncio.subprocess.Process) -> None:
    """Kill a backend that is still there, with the git that it has started, and take what its pipes hold."""
    assert process.stdin is not None
    assert process.stdout is not None
    if process.returncode is None:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    process.stdin.close()
    while await process.stdout.read(CHUNK):
        pass
    await process.wait()


async def _answer(
    request: web.Request, process: asyncio.subprocess.Process, *, pushing: Mapping[str, str] | None
) -> web.StreamResponse:
    """Copy the backend's answer to the client, up to but without its end; that to a push gets GitHub's reasons."""
    assert process.stdout is not None
    response = web.StreamResponse()
    while line := (await process.stdout.readline()).decode("latin-1").rstrip("\r\n"):
        name, _, value = line.partition(":")
        if name.lower() == "status":
            response.set_status(int(value.split()[0]))
        else:
            response.headers[name] = value.strip()
    await response.prepare(request)
    if pushing:
        with suppress(ConnectionResetError):
            await response.write(with_reasons(await process.stdout.read(), pushing))
        return response
    gone = False
    while chunk := await process.stdout.read(CHUNK):
        # A client that goes away does not stop what the backend has begun.
        try:
            if not gone:
                await response.write(chunk)
        except ConnectionResetError:
            gone = True
    return response
