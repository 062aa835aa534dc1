"""Wires the dashboard together and runs it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

from aiohttp import web

from miyabi.coordinator.v1.event_pb2 import BatchEvent
from miyabi.dashboard.v1.telemetry_service_pb2_grpc import add_TelemetryServiceServicer_to_server
from miyabi_core.access.security import ClientSecurity, ServerSecurity
from miyabi_core.edge import ServedHosts, names_of
from miyabi_core.errors import UnavailableError
from miyabi_core.server import GrpcServer
from miyabi_core.store.redis import connect
from miyabi_dashboard.actions.batches import Actions
from miyabi_dashboard.door.door import Door
from miyabi_dashboard.gateway import GatewayClient
from miyabi_dashboard.intake.buckets import Buckets
from miyabi_dashboard.intake.receive import Receiver
from miyabi_dashboard.intake.store import IntakeStore
from miyabi_dashboard.live.event_socket import EventSocket
from miyabi_dashboard.live.hub import Hub
from miyabi_dashboard.live.snapshots import Snapshots
from miyabi_dashboard.live.told import Told
from miyabi_dashboard.merging import Merged
from miyabi_dashboard.monitor.following import Follower
from miyabi_dashboard.monitor.reporting import Reports
from miyabi_dashboard.monitor.storing import MeasurementStore
from miyabi_dashboard.policy import POLICY
from miyabi_dashboard.reads.batches import BatchReads
from miyabi_dashboard.reads.live_batches import LiveBatches
from miyabi_dashboard.reads.measurements import Measurements
from miyabi_dashboard.reads.preview import Previews
from miyabi_dashboard.reads.system import SystemReads
from miyabi_dashboard.servicer import TelemetryServicer
from miyabi_dashboard.serving.application import HttpInterface
from miyabi_dashboard.settings import DashboardSettings
from miyabi_dashboard.upstream import Upstream

#: The proto's name.
SERVICE = "miyabi.dashboard.v1.TelemetryService"


class Dashboard:
    """The dashboard's servers and what feeds them."""

    def __init__(self, settings: DashboardSettings) -> None:
        self._settings = settings
        self.security = ServerSecurity.of(settings)
        self._redis = connect(settings.redis_url.get_secret_value(), max_connections=8)
        self.hub = Hub()
        self.upstream = Upstream(settings.coordinator, ClientSecurity.of(settings))
        self.gateway = GatewayClient(settings.gateway, ClientSecurity.of(settings))
        self.intake = IntakeStore(self._redis, known_for=settings.intake_known_for)
        measurements = MeasurementStore(self._redis)
        self.monitor = Follower(self.upstream.stub, measurements, retention=settings.measurement_retention)
        self.reports = Reports(self.upstream, self.gateway.stub, measurements)
        lifetime = timedelta(milliseconds=settings.graph_cache_ttl_ms)
        self.batches = LiveBatches(self.upstream, lifetime=lifetime)
        self.http = self._interface(Door(self.security.identities))
        self._tls = self.security.http_context(settings.http_address)
        self.grpc = GrpcServer(
            service="dashboard",
            address=settings.address,
            drain_delay=settings.drain_delay,
            health_address=settings.health_address,
            security=self.security,
            policy=POLICY,
        )
        servicer = TelemetryServicer(Merged(self.upstream, self.intake, self._redis), self.reports)
        self.grpc.add(add_TelemetryServiceServicer_to_server, servicer, full_name=SERVICE)
        self.http_port = 0
        self._runner: web.AppRunner | None = None

    def _interface(self, door: Door) -> HttpInterface:
        """Put the parts of the HTTP interface together."""
        settings, upstream, known = self._settings, self.upstream, door.knows_callers
        simulated = settings.simulated
        buckets = Buckets(rate=settings.intake_rate, burst=settings.intake_burst)
        either = {"github": settings.simulated_github, "model": settings.simulated_model}
        parts = (
            Receiver(self.intake, self.hub, buckets, knows_callers=known),
            BatchReads(upstream, self.batches, simulated=simulated),
            SystemReads(upstream, self.gateway, simulated=either, knows_callers=known),
            Measurements(self.reports),
            Previews(upstream, self.gateway),
            Actions(upstream),
        )
        return HttpInterface(
            [route for part in parts for route in part.routes()],
            socket=EventSocket(self.hub, Snapshots(self.hub, upstream, simulated=simulated), door=door),
            door=door,
            hosts=ServedHosts(settings.http_address, names_of(settings.http_hosts)),
            max_body_bytes=settings.max_body_bytes,
        )

    def _take(self, events: list[BatchEvent]) -> None:
        """Show events of the coordinator."""
        self.batches.take(events)
        self.hub.publish(Told.of_coordinator(event) for event in events)

    def _reached(self, connected: bool) -> None:
        """Show that the coordinator is there, or away: without it nothing new can be shown."""
        if not connected:
            self.batches.forget()
        self.hub.publish([Told.of_dashboard({"coordinator": connected})])

    async def start(self) -> None:
        """Listen on both addresses, then be ready.

        Raises:
            UnavailableError: an address is taken.
        """
        self._runner = web.AppRunner(self.http.application(), access_log=None, shutdown_timeout=2)
        await self._runner.setup()
        host, _, port = self._settings.http_address.rpartition(":")
        try:
            await web.TCPSite(self._runner, host, int(port), ssl_context=self._tls).start()
        except OSError as error:
            message = f"cannot listen on {self._settings.http_address}"
            raise UnavailableError(message, reason="ADDRESS_IN_USE") from error
        self.http_port = self._runner.addresses[0][1]
        await self.grpc.start()
        await self._redis.ping()
        self.http.probes.ready = True
        await self.grpc.set_ready(ready=True)

    async def stop(self) -> None:
        """Serve no more; what is under way comes to its end, and is fed until then."""
        self.http.probes.ready = False
        await self.grpc.stop()
        if self._runner is not None:
            await self._runner.cleanup()

    async def close(self) -> None:
        """Hang up, when nothing calls any more."""
        await self.upstream.close()
        await self.gateway.close()
        await self._redis.aclose()

    async def feed(self) -> None:
        """Run what feeds the servers, until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self.intake.run())
            tasks.create_task(self.hub.run())
            tasks.create_task(self.upstream.follow(self._take, self._reached))
            tasks.create_task(self.monitor.run())


@asynccontextmanager
async def running(settings: DashboardSettings) -> AsyncIterator[Dashboard]:
    """Run the dashboard for the length of the block."""
    dashboard = Dashboard(settings)
    async with asyncio.TaskGroup() as tasks:
        feeding = tasks.create_task(dashboard.feed())
        try:
            await dashboard.start()
            yield dashboard
        finally:
            await dashboard.stop()
            feeding.cancel()
            # Whatever feeds has let go of its calls before their channels are closed.
            await asyncio.wait([feeding])
            await dashboard.close()


async def serve(settings: DashboardSettings, stop: asyncio.Event) -> None:
    """Run the dashboard until *stop* is set."""
    async with running(settings):
        await stop.wait()
