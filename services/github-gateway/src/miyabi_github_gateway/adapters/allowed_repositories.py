"""Refuses RPCs on repositories that are not on the gateway's list, before any handler sees them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from miyabi_core.interceptors.calls import Call, CallInterceptor
from miyabi_github_gateway.service.allow_list import AllowList


class AllowedRepositories(CallInterceptor):
    """Looks at `repository` and `repositories` of every request."""

    def __init__(self, allow_list: AllowList) -> None:
        self._allow_list = allow_list

    @asynccontextmanager
    async def around(self, call: Call) -> AsyncIterator[None]:
        """Add nothing around the call."""
        del call
        yield

    async def on_request(self, call: Call, request: Any) -> None:
        """Refuse.

        Raises:
            RepositoryNotAllowedError: a repository of the request is not on the list.
        """
        del call
        named = [getattr(request, "repository", "")] if hasattr(request, "repository") else []
        for repository in [*named, *getattr(request, "repositories", ())]:
            self._allow_list.check(repository)
