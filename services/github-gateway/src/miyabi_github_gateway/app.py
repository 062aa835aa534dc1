"""Wires the gateway together and runs it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import timedelta

from aiohttp import web

from miyabi.github_gateway.v1.github_gateway_service_pb2_grpc import add_GitHubGatewayServiceServicer_to_server
from miyabi_core.access.security import ClientSecurity, ServerSecurity
from miyabi_core.edge import names_of
from miyabi_core.errors import MiyabiError
from miyabi_core.server import GrpcServer
from miyabi_core.store.redis import connect
from miyabi_github_gateway.adapters.allowed_repositories import AllowedRepositories
from miyabi_github_gateway.adapters.calling import CallingInterceptor
from miyabi_github_gateway.adapters.coordinator import CoordinatorBatches
from miyabi_github_gateway.adapters.credentials.app_api import AppApi
from miyabi_github_gateway.adapters.credentials.app_credentials import AppCredentials
from miyabi_github_gateway.adapters.credentials.credentials import TokenCredentials
from miyabi_github_gateway.adapters.credentials.git_identity import git_guard
from miyabi_github_gateway.adapters.credentials.permissions import GitHubPermissions
from miyabi_github_gateway.adapters.credentials.secret_files import RotatingSecret
from miyabi_github_gateway.adapters.deliveries import RedisDeliveries
from miyabi_github_gateway.adapters.git.service import GitService
from miyabi_github_gateway.adapters.granting import GrantInterceptor, grants_of
from miyabi_github_gateway.adapters.listener import Listener
from miyabi_github_gateway.adapters.reading import Reading, ReadingOptions
from miyabi_github_gateway.adapters.redis_cache.locks import RedisLocks
from miyabi_github_gateway.adapters.sending.governing import caps_of, governors_of
from miyabi_github_gateway.adapters.sending.http import GitHubHttp
from miyabi_github_gateway.adapters.sending.sending import Sender
from miyabi_github_gateway.adapters.webhooks import MAX_BYTES, Webhooks
from miyabi_github_gateway.adapters.writing.writer import GitHubApiWriter
from miyabi_github_gateway.adapters.writing.written import Written
from miyabi_github_gateway.policy import POLICY
from miyabi_github_gateway.ports import Credentials
from miyabi_github_gateway.service.allow_list import AllowList
from miyabi_github_gateway.service.caching.freshness import Freshness
from miyabi_github_gateway.service.hooks.batch_triggers import BatchTriggers
from miyabi_github_gateway.service.limits import LimitBoard, WithCaps
from miyabi_github_gateway.servicer import GitHubGatewayServicer
from miyabi_github_gateway.settings import GatewaySettings

#: The proto's name.
SERVICE = "miyabi.github_gateway.v1.GitHubGatewayService"
#: What no page has any business with, ours least of all: only a look at health is let through from a browser.
FOR_PROGRAMS = ("/git/", "/webhooks/")


class Gateway:
    """The gateway's servers: gRPC, and HTTP for git and webhooks."""

    def __init__(self, settings: GatewaySettings) -> None:
        self._settings = settings
        self._allow_list = AllowList(settings.repositories.split(","))
        self.redis = connect(settings.redis_url.get_secret_value())
        self.governors = governors_of(settings, self.redis)
        self.sender = Sender(
            self.governors, max_connections=settings.max_concurrency, answer_seconds=settings.answer_seconds
        )
        self.credentials = credentials_of(settings, self.sender)
        self.http = GitHubHttp(settings.api_url, settings.graphql_url, self.credentials, self.sender)
        self.caps = caps_of(settings, self.redis, self.http)
        self.reading = Reading(self.http, reading_options(settings), credentials=self.credentials, scope=self._scope)
        self.security = ServerSecurity.of(settings)
        self._grants = grants_of(settings, self.security, self.redis)
        self.grpc = self._grpc()
        self.git = self._git()
        self.batches: CoordinatorBatches | None = None
        self.listener = self._listener()

    @property
    def http_port(self) -> int:
        """Port of the HTTP server, once it has started."""
        return self.listener.port

    def _grpc(self) -> GrpcServer:
        """Return the gRPC server with its one service."""
        settings = self._settings
        server = GrpcServer(
            service="github-gateway",
            address=settings.address,
            drain_delay=settings.drain_delay,
            health_address=settings.health_address,
            interceptors=[
                AllowedRepositories(self._allow_list),
                GrantInterceptor(self._grants),
                CallingInterceptor(),
            ],
            security=self.security,
            policy=POLICY,
        )
        servicer = GitHubGatewayServicer(
            reader=self.reading.reader,
            writer=self._writer(),
            reads=self.reading.reads,
            issues=self.reading.issues,
            limits=LimitBoard(self.governors, self.caps, asyncio.sleep),
            target=self.reading.target,
            simulated=settings.simulated,
        )
        server.add(add_GitHubGatewayServiceServicer_to_server, servicer, full_name=SERVICE)
        return server

    def _git(self) -> GitService:
        """Return the git proxy with its mirrors."""
        settings = self._settings
        return GitService(
            git_url=settings.git_url,
            credentials=self.credentials,
            allow_list=self._allow_list,
            client=self.redis,
            grants=self._grants,
            mirror_dir=settings.mirror_dir,
            mirror_bytes=settings.mirror_bytes,
        )

    def _listener(self) -> Listener:
        """Return the HTTP server: git, webhooks, health."""
        settings = self._settings
        return Listener(
            settings.http_address,
            [*self.git.routes(), *self._webhooks().routes(), web.get("/healthz", _healthy)],
            largest_body=MAX_BYTES,
            grace=timedelta(seconds=settings.transfer_grace_seconds),
            middlewares=[git_guard(self.security.identities, settings.git_secret)],
            tls=self.security.http_context(settings.http_address),
            names=names_of(settings.http_hosts),
            programs=FOR_PROGRAMS,
        )

    def _webhooks(self) -> Webhooks:
        """Return what takes webhooks; they start batches only where a coordinator is named."""
        settings = self._settings
        window = timedelta(seconds=settings.webhook_replay_seconds)
        deliveries = RedisDeliveries(self.redis, window=window)
        return Webhooks(
            secret=RotatingSecret(settings.webhook_secret, path=settings.webhook_secret_file),
            deliveries=deliveries,
            invalidator=WithCaps(self.reading.reads, self.caps),
            triggers=self._triggers(deliveries, window) if settings.webhook_coordinator else None,
        )

    def _triggers(self, deliveries: RedisDeliveries, window: timedelta) -> BatchTriggers:
        """Return what starts batches for labels and mentions."""
        settings = self._settings
        self.batches = CoordinatorBatches(settings.webhook_coordinator, security=ClientSecurity.of(settings))
        return BatchTriggers(
            permissions=GitHubPermissions(self.http),
            starter=self.batches,
            deliveries=deliveries,
            allow_list=self._allow_list,
            label=settings.webhook_label,
            word=settings.webhook_mention,
            window=window,
            per_hour=settings.webhook_batches_per_hour,
            per_hour_in_all=settings.webhook_batches_per_hour_in_all,
        )

    def _writer(self) -> GitHubApiWriter:
        """Return what writes, one replica at a time an object."""
        return GitHubApiWriter(
            self.http,
            credentials=self.credentials,
            locks=RedisLocks(self.redis),
            written=Written(self.redis),
            invalidator=self.reading.reads,
        )

    async def _scope(self, owner: str) -> str:
        """Name the credential of an owner's repositories; it is in every key of the caches."""
        return (await self.credentials.of(owner)).scope

    async def start(self) -> None:
        """Listen on both addresses, then be ready.

        Raises:
            UnavailableError: an address is taken, or the folder of the mirrors.
        """
        self._first_governor()
        await self.git.start()
        await self.listener.start()
        await self.grpc.start()
        await self.reading.start()
        await self.grpc.set_ready(ready=True)

    def _first_governor(self) -> None:
        """Make the governor of the credential that is there from the start, so that its limits can be asked for."""
        with suppress(MiyabiError):
            self.governors.of(self.credentials.first_scope())

    async def stop(self) -> None:
        """End in order: gRPC drains, git transfers end, then the connections to GitHub and the store."""
        await self.grpc.stop()
        await self.listener.stop()
        await self.git.close()
        if self.batches is not None:
            await self.batches.close()
        await self.reading.stop()
        await self.sender.close()
        await self.redis.aclose()


def credentials_of(settings: GatewaySettings, sender: Sender) -> Credentials:
    """Return what GitHub is asked with: a GitHub App where one is set, else the token."""
    if settings.app_id:
        key = RotatingSecret(settings.app_key, path=settings.app_key_file)
        return AppCredentials(AppApi(settings.app_id, key, api_url=settings.api_url, sender=sender))
    return TokenCredentials(RotatingSecret(settings.token, path=settings.token_file))


def reading_options(settings: GatewaySettings) -> ReadingOptions:
    """Return how reads are cached and batched."""
    freshness = Freshness(
        fresh=timedelta(milliseconds=settings.cache_ttl_ms),
        volatile=timedelta(milliseconds=settings.cache_volatile_ms),
        revalidate=timedelta(seconds=settings.cache_revalidate_seconds),
        spare=timedelta(seconds=settings.cache_spare_seconds),
    )
    return ReadingOptions(
        cache_url=(settings.cache_url or settings.redis_url).get_secret_value(),
        api_url=settings.api_url,
        freshness=freshness,
        max_bytes=settings.cache_bytes,
        max_entries=settings.cache_entries,
        window=timedelta(milliseconds=settings.batch_window_ms),
        at_once=settings.max_concurrency,
        warm=tuple(name.strip() for name in settings.warm_repositories.split(",") if name.strip()),
        warm_time=timedelta(seconds=settings.warm_seconds),
    )


async def _healthy(_request: web.Request) -> web.Response:
    """Say that the process serves."""
    return web.Response(text="ok\n")


@asynccontextmanager
async def running(settings: GatewaySettings) -> AsyncIterator[Gateway]:
    """Run the gateway for the length of the block."""
    gateway = Gateway(settings)
    try:
        await gateway.start()
        yield gateway
    finally:
        await gateway.stop()


async def serve(settings: GatewaySettings, stop: asyncio.Event) -> None:
    """Run the gateway until *stop* is set."""
    async with running(settings):
        await stop.wait()
