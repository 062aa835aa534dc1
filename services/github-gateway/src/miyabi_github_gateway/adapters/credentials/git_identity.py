"""Lets agents, and nobody else, through to git."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from aiohttp import web
from aiohttp.typedefs import Middleware
from pydantic import SecretStr

from miyabi_core.access.http_identity import authorise_by_secret, authorise_http
from miyabi_core.access.identities import Identities
from miyabi_core.errors import PermissionDeniedError, UnauthenticatedError
from miyabi_core.logging import get_logger
from miyabi_github_gateway.policy import GIT

#: Where git is served; webhooks prove themselves by their signature, and health is open.
GUARDED_PREFIX = "/git/"

_LOG = get_logger(__name__)


def git_guard(identities: Identities | None, secret: SecretStr | None = None) -> Middleware:
    """Return what refuses git to everyone but agents.

    Args:
        identities: None: identity is off, and the secret decides.
        secret: What the agents of this machine show where identity is off; None: everyone is let in.
    """

    @web.middleware
    async def guard(
        request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        if request.path.startswith(GUARDED_PREFIX):
            try:
                if identities is None and secret is not None:
                    authorise_by_secret(request.headers, secret.get_secret_value())
                else:
                    authorise_http(request.headers, *GIT, identities=identities)
            except UnauthenticatedError as error:
                _LOG.info("git.refused", reason=error.reason, path=request.path)
                headers = {"www-authenticate": 'Basic realm="miyabi"'}
                return web.Response(status=401, text=f"{error.message}\n", headers=headers)
            except PermissionDeniedError as error:
                _LOG.info("git.refused", reason=error.reason, path=request.path)
                return web.Response(status=403, text=f"{error.message}\n")
        return await handler(request)

    return guard
