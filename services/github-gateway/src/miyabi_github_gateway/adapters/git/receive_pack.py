"""Takes pushes: looks at every ref before anything is sent on, and answers in a way that git shows."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import aclosing

import aiohttp
from aiohttp import web

from miyabi_core.errors import MiyabiError, PermissionDeniedError, UnavailableError
from miyabi_core.grants import GRANT_HEADER, Wanted, Write
from miyabi_core.logging import get_logger
from miyabi_github_gateway.adapters.git import push
from miyabi_github_gateway.adapters.git.bodies import CHUNK, decoded, discard
from miyabi_github_gateway.adapters.git.own_heads import OwnHeads
from miyabi_github_gateway.adapters.git.push import HeadReader, PushHead, PushRefusedError, RefUpdate
from miyabi_github_gateway.adapters.git.upstream import GitUpstream
from miyabi_github_gateway.service.grants import GrantedWrites

#: The list of ref updates at the head of a push; git sends one line a ref, ours push one.
MAX_COMMANDS_BYTES = 64 << 10
#: What is kept of GitHub's answer to see which refs it took; hooks may say more, which is only passed on.
_KEPT_BYTES = 64 << 10
_RESULT = "application/x-git-receive-pack-result"
#: What the full name of a branch begins with; grants have the rest.
_HEADS = "refs/heads/"
#: Why a branch that someone else moved is left alone.
_NOT_OURS = (
    "the branch stands at a commit that did not come through this gateway, and the update cannot be shown to keep it"
)

_LOG = get_logger(__name__)


class ReceivePack:
    """Passes pushes on that go where agents may push.

    Args:
        upstream: Git at GitHub.
        own_heads: Which commits this system pushed.
        grants: Checks that a lease covers the branch; None: pushes ask for no grant.
    """

    def __init__(self, *, upstream: GitUpstream, own_heads: OwnHeads, grants: GrantedWrites | None) -> None:
        self._upstream = upstream
        self._own_heads = own_heads
        self._grants = grants

    async def take(self, request: web.Request, repository: str) -> web.StreamResponse:
        """Take a push: refuse it whole, or pass it on whole.

        Raises:
            UnavailableError: the state store or GitHub does not answer.
        """
        async with aclosing(decoded(request)) as body:
            try:
                head = await _head(body)
            except PushRefusedError as error:
                await discard(request)
                return web.Response(status=403, text=f"miyabi: {error}\n")
            if head.is_probe:
                # Before a large push git asks with an empty one whether it would have to log in.
                return web.Response(content_type=_RESULT)
            reasons = await self._reasons(repository, head, grant=request.headers.get(GRANT_HEADER, ""))
            if reasons:
                await discard(request)
                return _refused(head, reasons, repository=repository)
            return await self._pass_on(request, repository, head, body=body)

    async def _reasons(self, repository: str, head: PushHead, *, grant: str) -> dict[str, str]:
        """Return why refs are refused; empty where none is."""
        reasons = {update.ref: why for update in head.updates if (why := push.refusal(update))}
        for update in head.updates:
            if update.ref not in reasons and (why := await self._not_granted(repository, update, grant)):
                reasons[update.ref] = why
        moved = [update for update in head.updates if not update.creates and update.ref not in reasons]
        ours = await self._own_heads.are(repository, moved)
        for update in moved:
            if ours.get(update.ref) != update.old:
                reasons[update.ref] = _NOT_OURS
        return reasons

    async def _not_granted(self, repository: str, update: RefUpdate, grant: str) -> str:
        """Return why no lease covers an update; empty where one does."""
        if self._grants is None:
            return ""
        branch = update.ref.removeprefix(_HEADS)
        try:
            await self._grants.check(grant, Wanted(Write.PUSH, repository, branch=branch))
        except PermissionDeniedError as error:
            return f"{error.message} ({error.reason})"
        return ""

    async def _pass_on(
        self, request: web.Request, repository: str, head: PushHead, *, body: AsyncIterator[bytes]
    ) -> web.StreamResponse:
        """Send a push on and stream the answer back; GitHub's refusals become answers that git shows."""
        headers = {"content-type": "application/x-git-receive-pack-request", "accept": _RESULT}
        headers |= {key: request.headers[key] for key in ("user-agent", "git-protocol") if key in request.headers}
        # GitHub may answer before it has read everything; git reads no answer before it has sent everything.
        try:
            async with self._upstream.request(
                "POST", repository, "git-receive-pack", headers=headers, body=_whole(head, body)
            ) as answer:
                await self._upstream.check(answer, repository)
                return await self._stream_back(request, repository, head, answer=answer)
        except MiyabiError as error:
            await discard(request)
            return _refused(head, push.all_refused(head.updates, error.message), repository=repository)

    async def _stream_back(
        self, request: web.Request, repository: str, head: PushHead, *, answer: aiohttp.ClientResponse
    ) -> web.StreamResponse:
        """Stream GitHub's answer, and remember what it took before git hears the end."""
        response = web.StreamResponse(headers={"content-type": answer.headers.get("content-type", _RESULT)})
        await response.prepare(request)
        kept = b""
        async for chunk in answer.content.iter_chunked(CHUNK):
            kept += chunk[: _KEPT_BYTES - len(kept)]
            await response.write(chunk)
        done = push.accepted(head, kept)
        if done:
            await self._remember(repository, done)
        await response.write_eof()
        return response

    async def _remember(self, repository: str, done: list[RefUpdate]) -> None:
        """Take note of what GitHub took; where that fails, the branch is not rewritten later, and nothing else."""
        _LOG.info("push.passed_on", repository=repository, refs=[update.ref for update in done])
        try:
            await self._own_heads.pushed(repository, done)
        except UnavailableError:
            _LOG.warning("push.not_remembered", repository=repository)


async def _head(body: AsyncIterator[bytes]) -> PushHead:
    """Read a push up to the end of its ref updates.

    Raises:
        PushRefusedError: it cannot be understood, or the list does not end.
    """
    reader = HeadReader(most_bytes=MAX_COMMANDS_BYTES)
    async for chunk in body:
        head = reader.feed(chunk)
        if head is not None:
            return head
    raise PushRefusedError("the push cannot be understood")


async def _whole(head: PushHead, rest: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Yield a push from its beginning."""
    yield head.raw
    async for chunk in rest:
        yield chunk


def _refused(head: PushHead, reasons: dict[str, str], *, repository: str) -> web.Response:
    """Answer with the reason for each ref, which git shows as `! [remote rejected]`."""
    _LOG.warning("push.refused", repository=repository, reasons=reasons)
    return web.Response(body=push.report(head, reasons), content_type=_RESULT)
