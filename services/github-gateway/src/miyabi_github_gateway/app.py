"""Wires the gateway together and runs it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web

from miyabi.github_gateway.v1.github_gateway_service_pb2_grpc import add_GitHubGatewayServiceServicer_to_server
from miyabi_core.errors import UnavailableError
from miyabi_core.redis import connect
from miyabi_core.server import GrpcServer
from miyabi_github_gateway.adapters.git_proxy import GitProxy
from miyabi_github_gateway.adapters.http import GitHubHttp
from miyabi_github_gateway.adapters.reader import GitHubApiReader
from miyabi_github_gateway.adapters.webhooks import MAX_BYTES, Webhooks
from miyabi_github_gateway.adapters.writer import GitHubApiWriter
from miyabi_github_gateway.service.governor import Governor
from miyabi_github_gateway.service.issues import IssueLoader
from miyabi_github_gateway.servicer import GitHubGatewayServicer
from miyabi_github_gateway.settings import GatewaySettings

#: The proto's name.
SERVICE = "miyabi.github_gateway.v1.GitHubGatewayService"


class Gateway:
    """The gateway's servers: gRPC, and HTTP for git and webhooks."""

    def __init__(self, settings: GatewaySettings) -> None:
        token = settings.token.get_secret_value()
        self._settings = settings
        self.redis = connect(settings.redis_url.get_secret_value())
        self.governor = Governor(max_concurrency=settings.max_concurrency, pacing_scale=settings.pacing_scale)
        self.http = GitHubHttp(
            api_url=settings.api_url, graphql_url=settings.graphql_url, token=token, governor=self.governor
        )
        reader = GitHubApiReader(self.http)
        issues = IssueLoader(reader, cache_seconds=settings.cache_seconds)
        servicer = GitHubGatewayServicer(
            reader=reader,
            writer=GitHubApiWriter(self.http, reader),
            issues=issues,
            governor=self.governor,
            simulated=settings.simulated,
        )
        self.grpc = GrpcServer(
            service="github-gateway",
            address=settings.address,
            drain_delay=settings.drain_delay,
            health_address=settings.health_address,
        )
        self.grpc.add(add_GitHubGatewayServiceServicer_to_server, servicer, full_name=SERVICE)
        self.proxy = GitProxy(git_url=settings.git_url, token=token)
        self.webhooks = Webhooks(secret=settings.webhook_secret, on_issue_changed=issues.forget)
        self.http_port = 0
        self._runner: web.AppRunner | None = None

    async def start(self) -> None:
        """Listen on both addresses, then be ready.

        Raises:
            UnavailableError: an address is taken.
        """
        app = web.Application(client_max_size=MAX_BYTES)
        app.add_routes([*self.proxy.routes(), *self.webhooks.routes(), web.get("/healthz", _healthy)])
        await self.proxy.start()
        self._runner = web.AppRunner(app, access_log=None, auto_decompress=False, shutdown_timeout=5)
        await self._runner.setup()
        host, _, port = self._settings.http_address.rpartition(":")
        try:
            await web.TCPSite(self._runner, host, int(port)).start()
        except OSError as error:
            message = f"cannot listen on {self._settings.http_address}"
            raise UnavailableError(message, reason="ADDRESS_IN_USE") from error
        self.http_port = self._runner.addresses[0][1]
        await self.grpc.start()
        await self.grpc.set_ready(ready=True)

    async def stop(self) -> None:
        """End in order: gRPC drains, then HTTP, then the connections to GitHub."""
        await self.grpc.stop()
        if self._runner is not None:
            await self._runner.cleanup()
        await self.proxy.close()
        await self.http.close()
        await self.redis.aclose()


async def _healthy(_request: web.Request) -> web.Response:
    """Say that the process serves."""
    return web.Response(text="ok\n")


@asynccontextmanager
async def running(settings: GatewaySettings) -> AsyncIterator[Gateway]:
    """Run the gateway for the length of the block."""
    gateway = Gateway(settings)
    await gateway.start()
    try:
        yield gateway
    finally:
        await gateway.stop()


async def serve(settings: GatewaySettings, stop: asyncio.Event) -> None:
    """Run the gateway until *stop* is set."""
    async with running(settings):
        await stop.wait()
