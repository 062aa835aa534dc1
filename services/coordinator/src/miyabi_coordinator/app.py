"""Puts the coordinator together."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any

from miyabi.coordinator.v1 import dispatch_service_pb2_grpc
from miyabi.keda.v1 import external_scaler_pb2_grpc
from miyabi_coordinator.adapters import gateway
from miyabi_coordinator.adapters.redis_store import (
    Durability,
    RedisAudit,
    RedisKeeper,
    RedisStore,
    RedisTranscripts,
    ShardConnection,
    open_primaries,
)
from miyabi_coordinator.adapters.redis_store.paces import RedisPaces
from miyabi_coordinator.adapters.redis_store.places import RedisPlaces
from miyabi_coordinator.adapters.redis_store.primaries import Primaries
from miyabi_coordinator.models import TaskKind
from miyabi_coordinator.models.pacing import PaceBounds
from miyabi_coordinator.models.transcript import CallLimits
from miyabi_coordinator.policy import POLICY
from miyabi_coordinator.service.dispatching.dispatch import Timing
from miyabi_coordinator.service.limiting.feedback import Feedback, FeedbackOptions
from miyabi_coordinator.service.limiting.limits import Configured, Limits
from miyabi_coordinator.service.limiting.quotas import Quotas
from miyabi_coordinator.service.shard import Shard, ShardTable
from miyabi_coordinator.service.telling.audit import AuditLog
from miyabi_coordinator.service.telling.counting import show_queues
from miyabi_coordinator.servicer import (
    AuditInterceptor,
    CoordinatorServicer,
    DispatchServicer,
    ExternalScalerServicer,
)
from miyabi_coordinator.servicer.relay import add_coordinator
from miyabi_coordinator.settings import CoordinatorSettings
from miyabi_core.access.security import ClientSecurity, ServerSecurity
from miyabi_core.channel import open_channel
from miyabi_core.grants import GrantKeys
from miyabi_core.server import GrpcServer

_PACKAGE = "miyabi.coordinator.v1"


@asynccontextmanager
async def running(settings: CoordinatorSettings) -> AsyncIterator[int]:
    """Serve for the length of the block; yields the port. At the end agents are told, then calls are ended."""
    security = ServerSecurity.of(settings)
    security.check(settings.address)
    channel = open_channel(settings.gateway, service=gateway.SERVICE, security=ClientSecurity.of(settings))
    primaries = open_primaries(settings.redis_url.get_secret_value(), shards=settings.shards)
    try:
        parts = _Parts(settings, primaries, gateway.GatewayClient(channel))
        server = _server(settings, parts, security)
        async with asyncio.TaskGroup() as group:
            serving = [group.create_task(loop) for loop in parts.loops()]
            port = await server.start()
            await server.set_ready(ready=True)
            try:
                yield port
            finally:
                for shard in parts.shards.all:
                    shard.dispatcher.drain_all("The coordinator is shutting down.")
                await server.stop()
                await parts.audit.flush()
                await _end(serving)
    finally:
        await primaries.aclose()
        await channel.close()


class _Parts:
    """What serves behind the server: the shards, the limits that hold over all of them, the audit."""

    def __init__(self, settings: CoordinatorSettings, primaries: Primaries, client: gateway.GatewayClient) -> None:
        durability = Durability(settings.min_replicas, settings.store_patience)
        ways = [ShardConnection(primaries, number, durability=durability) for number in range(settings.shards)]
        self._stores = [RedisStore(way, shard=number) for number, way in enumerate(ways)]
        calls = CallLimits(settings.transcript_bytes)
        timing = Timing(settings.lease_duration, settings.heartbeat_interval, settings.task_deadline)
        self._quotas = Quotas(client)
        self._limits = Limits(RedisPlaces(ways[0]), _configured(settings), self._quotas, stores=self._stores)
        self.shards = ShardTable(
            [
                Shard(
                    store,
                    client,
                    RedisKeeper(way, shard=number),
                    RedisTranscripts(way, shard=number, limits=calls),
                    timing=timing,
                    retention=settings.retention,
                    limits=self._limits,
                    stores=self._stores,
                )
                for number, (store, way) in enumerate(zip(self._stores, ways, strict=True))
            ]
        )
        for shard in self.shards.all:
            self._quotas.listeners.append(shard.dispatcher.wake)
            self._limits.listeners.append(shard.dispatcher.wake)
        self.trail = RedisAudit(ways[0])
        self.audit = AuditLog(self.trail)
        self.paces = RedisPaces(ways[0])
        self.feedback = Feedback(self.paces, _feedback_options(settings))
        self._quotas.listeners.append(lambda: self.feedback.measured(self._quotas.query_sizes()))

    def loops(self) -> list[Coroutine[Any, Any, None]]:
        """Return what serves until it is cancelled."""
        of_shards = [loop for shard in self.shards.all for loop in shard.loops()]
        committing = [store.committer.run() for store in self._stores]
        over_all = [self.audit.run(), self._quotas.run(), self._limits.run(), self.feedback.run()]
        return [*of_shards, *committing, *over_all, show_queues(self._stores)]


def _configured(settings: CoordinatorSettings) -> Configured:
    """Return the operator's limits."""
    kinds = {int(TaskKind[name]): limit for name, limit in settings.kind_limits.items()}
    return Configured(kinds, settings.repository_limits, settings.repository_limit)


def _feedback_options(settings: CoordinatorSettings) -> FeedbackOptions:
    """Return how limits are found."""
    bounds = PaceBounds(settings.model_calls_min, settings.model_calls_max)
    return FeedbackOptions(settings.feedback, bounds, settings.heartbeat_interval)


async def _end(tasks: list[asyncio.Task[None]]) -> None:
    """Cancel until all have ended: a cancellation that meets a timeout of the Redis client may be lost in it."""
    pending = set(tasks)
    while pending:
        for task in pending:
            task.cancel()
        _, pending = await asyncio.wait(pending, timeout=0.5)


async def serve(settings: CoordinatorSettings, stop: asyncio.Event) -> None:
    """Serve until *stop* is set."""
    async with running(settings):
        await stop.wait()


def _server(settings: CoordinatorSettings, parts: _Parts, security: ServerSecurity) -> GrpcServer:
    """Return the server with both services."""
    server = GrpcServer(
        service="coordinator",
        address=settings.address,
        drain_delay=settings.drain_delay,
        health_address=settings.health_address,
        security=security,
        policy=POLICY,
        outer=[AuditInterceptor(parts.audit)],
    )
    operators = CoordinatorServicer(parts.shards, parts.trail, parts.paces, simulated=settings.simulated)
    server.add(add_coordinator, operators, full_name=f"{_PACKAGE}.CoordinatorService")
    grants = GrantKeys.of(settings)
    register_dispatch = dispatch_service_pb2_grpc.add_DispatchServiceServicer_to_server
    server.add(
        register_dispatch,
        DispatchServicer(parts.shards, parts.feedback, grants),
        full_name=f"{_PACKAGE}.DispatchService",
    )
    register_scaler = external_scaler_pb2_grpc.add_ExternalScalerServicer_to_server
    server.add(register_scaler, ExternalScalerServicer(parts.shards), full_name="externalscaler.ExternalScaler")
    return server
