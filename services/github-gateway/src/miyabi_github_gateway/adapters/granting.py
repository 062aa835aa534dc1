"""Puts grants together from settings, and asks for them in every RPC that writes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import redis.asyncio

from miyabi_core.access.security import ServerSecurity, is_loopback
from miyabi_core.errors import FailedPreconditionError
from miyabi_core.grants import GRANT_HEADER, GrantChecker, GrantKeys, Wanted
from miyabi_core.interceptors.calls import Call, CallInterceptor
from miyabi_core.logging import get_logger
from miyabi_github_gateway.adapters.redis_cache.fences import RedisFences
from miyabi_github_gateway.policy import WRITES
from miyabi_github_gateway.service.grants import GrantedWrites
from miyabi_github_gateway.settings import GatewaySettings

_LOG = get_logger(__name__)


def grants_of(settings: GatewaySettings, security: ServerSecurity, client: redis.asyncio.Redis) -> GrantedWrites | None:
    """Return what checks grants; None: writes ask for none, on loopback and for this machine's user only.

    Raises:
        FailedPreconditionError: callers are known, or come from elsewhere, and there is no key; or it cannot be used.
    """
    addresses = (settings.address, settings.http_address)
    for address in addresses:
        security.check(address)
    keys = GrantKeys.of(settings)
    if keys is not None:
        return GrantedWrites(GrantChecker(keys), RedisFences(client))
    if security.identities is not None or not all(map(is_loopback, addresses)):
        raise FailedPreconditionError(
            "a role alone lets nobody write: set MIYABI_GITHUB_GATEWAY_GRANT_KEY_FILE, and the coordinator's likewise",
            reason="BAD_SETTING",
        )
    _LOG.warning("grants.off", writes="asked for no grant")
    return None


class GrantInterceptor(CallInterceptor):
    """Refuses writes that no lease covers, before any handler sees them.

    Args:
        grants: None: writes ask for none.
    """

    def __init__(self, grants: GrantedWrites | None) -> None:
        self._grants = grants

    @asynccontextmanager
    async def around(self, call: Call) -> AsyncIterator[None]:
        """Add nothing around the call."""
        del call
        yield

    async def on_request(self, call: Call, request: Any) -> None:
        """Refuse.

        Raises:
            PermissionDeniedError: the call writes, and its grant does not cover that.
            UnavailableError: the state store does not answer.
        """
        write = WRITES.get(call.method)
        if write is None or self._grants is None:
            return
        wanted = Wanted(
            write,
            request.repository,
            issue=getattr(request, "number", None),
            branch=getattr(request, "head_branch", None),
            base_branch=getattr(request, "base_branch", None),
        )
        await self._grants.check(call.metadata.get(GRANT_HEADER, ""), wanted)
