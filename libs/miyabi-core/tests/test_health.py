"""Health where probes ask that can present neither a certificate nor a token."""

from __future__ import annotations

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from miyabi_core.health import LIVENESS, READINESS, HealthServer
from miyabi_core.server import GrpcServer

SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING


async def status(port: int, name: str) -> int:
    """Ask the health service."""
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        answer = await health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(service=name))
        return answer.status


async def test_a_process_without_a_server_answers_probes() -> None:
    """It is alive from the start and ready when it says so."""
    server = HealthServer("127.0.0.1:0")
    port = await server.start()
    try:
        assert (await status(port, LIVENESS), await status(port, READINESS)) == (SERVING, NOT_SERVING)
        await server.set_ready(ready=True)
        assert (await status(port, READINESS), await status(port, "")) == (SERVING, SERVING)
    finally:
        await server.stop()


async def test_probes_see_what_the_services_see() -> None:
    """The port for probes tells the same as the one beside the services."""
    server = GrpcServer(service="test", address="127.0.0.1:0", health_address="127.0.0.1:0")
    port = await server.start()
    try:
        assert await status(port, READINESS) == await status(server.probe_port, READINESS) == NOT_SERVING
        await server.set_ready(ready=True)
        assert await status(port, READINESS) == await status(server.probe_port, READINESS) == SERVING
        assert await status(server.probe_port, LIVENESS) == SERVING
    finally:
        await server.stop()
