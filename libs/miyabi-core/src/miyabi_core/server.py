"""Builds gRPC servers: interceptors, health, reflection, keepalive and an orderly end in one place."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any, TypeVar

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from miyabi_core.access.security import LOCAL_ONLY, ServerSecurity
from miyabi_core.access.tls import server_credentials
from miyabi_core.channel import KEEPALIVE_TIMEOUT, MAX_MESSAGE_BYTES
from miyabi_core.errors import UnavailableError
from miyabi_core.health import LIVENESS, READINESS, HealthServer
from miyabi_core.interceptors import (
    ContextInterceptor,
    ErrorInterceptor,
    IdentityInterceptor,
    Policy,
    TelemetryInterceptor,
    ValidationInterceptor,
)
from miyabi_core.lifecycle import run_until_signal
from miyabi_core.logging import get_logger

#: Connections are renewed this often so that new replicas get their share; streams on them run to their end.
MAX_CONNECTION_AGE = timedelta(minutes=30)
#: Calls that still run this long after the drain began are ended.
STOP_GRACE = timedelta(seconds=10)

_LOG = get_logger(__name__)
_Servicer = TypeVar("_Servicer")


class GrpcServer:
    """A grpc.aio server with everything that ours have in common.

    Args:
        service: Short name, for example `coordinator`; the error domain is `SERVICE.miyabi.dev`.
        address: host:port; port 0 takes a free one.
        domain: Another error domain.
        interceptors: Run inside the common ones.
        outer: Run around those that know and check the caller: they see refused calls too.
        drain_delay: How long the server serves on after readiness is off, so that callers notice first.
        health_address: host:port where health alone is served in plain text, for probes that can neither present a
            certificate nor a token (Kubernetes' gRPC probes); None: only beside the services.
        security: Who may call, over what. Default: everyone, on loopback only.
        policy: Which call asks for which role, where callers are known.
    """

    def __init__(
        self,
        *,
        service: str,
        address: str,
        domain: str | None = None,
        interceptors: Sequence[grpc.aio.ServerInterceptor] = (),
        outer: Sequence[grpc.aio.ServerInterceptor] = (),
        drain_delay: timedelta = timedelta(0),
        health_address: str | None = None,
        security: ServerSecurity = LOCAL_ONLY,
        policy: Policy | None = None,
    ) -> None:
        self._service = service
        self._security = security
        self._address = address
        self._drain_delay = drain_delay
        self._names: list[str] = []
        self._health = health.aio.HealthServicer()
        self._probes = HealthServer(health_address, self._health) if health_address else None
        domain = domain or f"{service}.miyabi.dev"
        common: list[grpc.aio.ServerInterceptor] = [
            ContextInterceptor(),
            TelemetryInterceptor(),
            *outer,
            IdentityInterceptor(domain=domain, policy=policy or {}, identities=security.identities),
            ValidationInterceptor(domain=domain),
            ErrorInterceptor(domain=domain),
        ]
        self._server = grpc.aio.server(interceptors=[*common, *interceptors], options=_options())
        self.port = 0

    @property
    def probe_port(self) -> int:
        """Port where health alone is served; 0 where it is not."""
        return self._probes.port if self._probes is not None else 0

    def add(self, registrar: Callable[[_Servicer, Any], object], servicer: _Servicer, *, full_name: str) -> None:
        """Serve *servicer*; *registrar* is the generated `add_XServicer_to_server`, *full_name* the proto's name."""
        registrar(servicer, self._server)
        self._names.append(full_name)

    async def start(self) -> int:
        """Listen and return the port; `liveness` serves from now on, `readiness` does not yet.

        Raises:
            UnavailableError: the address is taken.
            FailedPreconditionError: it is not loopback, and callers are not known or the connection is not encrypted.
        """
        self._security.check(self._address)
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        names = [*self._names, health.SERVICE_NAME, reflection.SERVICE_NAME]
        reflection.enable_server_reflection(names, self._server)
        try:
            self.port = self._listen()
        except RuntimeError as error:
            raise UnavailableError(f"cannot listen on {self._address}", reason="ADDRESS_IN_USE") from error
        await self._server.start()
        await self._health.set(LIVENESS, health_pb2.HealthCheckResponse.SERVING)
        await self.set_ready(ready=False)
        if self._probes is not None:
            await self._probes.start()
        _LOG.info("server.started", address=self._address, port=self.port)
        return self.port

    def _listen(self) -> int:
        """Listen, with TLS where there are certificates; returns the port."""
        if self._security.certificates is None:
            return self._server.add_insecure_port(self._address)
        return self._server.add_secure_port(self._address, server_credentials(self._security.certificates))

    async def set_ready(self, ready: bool = True) -> None:
        """Say whether calls should be sent here: health `readiness` and the unnamed one."""
        serving = health_pb2.HealthCheckResponse.SERVING
        status = serving if ready else health_pb2.HealthCheckResponse.NOT_SERVING
        await self._health.set(READINESS, status)
        await self._health.set("", status)

    async def stop(self, *, grace: timedelta = STOP_GRACE) -> None:
        """End in order: readiness off, serve on for the drain delay, refuse new calls, let running ones end."""
        await self.set_ready(ready=False)
        await asyncio.sleep(self._drain_delay.total_seconds())
        await self._server.stop(grace.total_seconds())
        if self._probes is not None:
            await self._probes.stop()
        _LOG.info("server.stopped", port=self.port)

    async def serve_until_signal(self) -> None:
        """Start, be ready, serve until SIGTERM or SIGINT, then stop in order."""

        async def serve(stop: asyncio.Event) -> None:
            await self.start()
            await self.set_ready(ready=True)
            await stop.wait()
            await self.stop()

        await run_until_signal(serve)


def _options() -> list[tuple[str, Any]]:
    """Return channel arguments; clients ping every 20 s (channel.py), which gRPC would punish by default."""
    return [
        ("grpc.keepalive_time_ms", 30_000),
        ("grpc.keepalive_timeout_ms", int(KEEPALIVE_TIMEOUT.total_seconds() * 1000)),
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.http2.min_recv_ping_interval_without_data_ms", 5_000),
        ("grpc.http2.max_pings_without_data", 0),
        # A starved server reads several pings at once, takes them for a flood, and would cut the connection (seen).
        ("grpc.http2.max_ping_strikes", 0),
        # On a busy machine the pings with which clients measure bandwidth arrive in a row, after our data was sent, and
        # count as too many (github.com/grpc/grpc-swift-2/issues/5): connections would end for nothing.
        ("grpc.http2.max_ping_strikes", 0),
        ("grpc.max_connection_age_ms", int(MAX_CONNECTION_AGE.total_seconds() * 1000)),
        ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
        ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
        ("grpc.so_reuseport", 0),
    ]
