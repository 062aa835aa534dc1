"""Puts git's parts together: what agents reach, what our own git reaches, and what lies on disk."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import redis.asyncio
from aiohttp import web

from miyabi_github_gateway.adapters.git.mirrors import Mirrors
from miyabi_github_gateway.adapters.git.own_heads import OwnHeads
from miyabi_github_gateway.adapters.git.proxy import GitProxy
from miyabi_github_gateway.adapters.git.receive_pack import ReceivePack
from miyabi_github_gateway.adapters.git.upstream import GitUpstream
from miyabi_github_gateway.adapters.listener import Listener
from miyabi_github_gateway.ports import Credentials
from miyabi_github_gateway.service.allow_list import AllowList
from miyabi_github_gateway.service.grants import GrantedWrites

#: Our own git runs on this machine, and nothing else may reach what is for it.
_PRIVATE_ADDRESS = "127.0.0.1:0"
#: Requests of git have no body that is read at once.
_LARGEST_BODY = 1 << 20


class GitService:
    """The git side of the gateway.

    Args:
        git_url: Base of git over HTTP at GitHub.
        credentials: Added to what goes there.
        allow_list: Repositories that are served.
        client: State store; knows which branches are ours.
        grants: Checks the grants of pushes; None: pushes ask for none.
        mirror_dir: Folder of the mirrors; None: a temporary one.
        mirror_bytes: What the mirrors may take; 0: none are kept.
    """

    def __init__(
        self, *, git_url: str, credentials: Credentials, allow_list: AllowList, client: redis.asyncio.Redis,
        grants: GrantedWrites | None, mirror_dir: Path | None, mirror_bytes: int,
    ) -> None:  # fmt: skip
        self._upstream = GitUpstream(git_url=git_url, credentials=credentials, allow_list=allow_list)
        self._mirrors: Mirrors | None = None
        if mirror_bytes:
            self._mirrors = Mirrors(
                mirror_dir, limit_bytes=mirror_bytes, upstream=self._upstream, fetch_url=self._fetch_url
            )
        self._proxy = GitProxy(
            upstream=self._upstream,
            mirrors=self._mirrors,
            receive_pack=ReceivePack(upstream=self._upstream, own_heads=OwnHeads(client), grants=grants),
            allow_list=allow_list,
        )
        self._private = Listener(
            _PRIVATE_ADDRESS, self._proxy.private_routes(), largest_body=_LARGEST_BODY, grace=timedelta(0)
        )

    def routes(self) -> list[web.RouteDef]:
        """Return the routes for agents."""
        return self._proxy.routes()

    def _fetch_url(self, repository: str) -> str:
        """Return the address from which our own git fetches."""
        return f"http://127.0.0.1:{self._private.port}{self._proxy.private_path}/{repository}.git"

    async def start(self) -> None:
        """Open connections and take the folder of the mirrors.

        Raises:
            UnavailableError: another gateway uses the folder.
        """
        await self._upstream.start()
        if self._mirrors is not None:
            await self._private.start()
            await self._mirrors.start()

    async def close(self) -> None:
        """End; transfers have ended before."""
        await self._private.stop()
        if self._mirrors is not None:
            await self._mirrors.close()
        await self._upstream.close()
