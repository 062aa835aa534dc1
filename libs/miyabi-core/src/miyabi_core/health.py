"""Serves gRPC health alone: what probes of Kubernetes ask, which can present neither a certificate nor a token."""

from __future__ import annotations

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from miyabi_core.errors import UnavailableError

#: Health name that says whether the process should be restarted.
LIVENESS = "liveness"
#: Health name that says whether calls should be sent here.
READINESS = "readiness"


class HealthServer:
    """A plain-text gRPC server with the health service and nothing else.

    Args:
        address: host:port; port 0 takes a free one.
        servicer: Answers; None makes one that is alive from the start and ready when `set_ready` says so.

    Source: github.com/grpc/grpc/blob/master/doc/health-checking.md; Kubernetes, "Define a gRPC liveness probe".
    """

    def __init__(self, address: str, servicer: health.aio.HealthServicer | None = None) -> None:
        self._address = address
        self._owned = servicer is None
        self._servicer = servicer or health.aio.HealthServicer()
        self._server = grpc.aio.server(options=[("grpc.so_reuseport", 0)])
        self.port = 0

    async def start(self) -> int:
        """Listen and return the port.

        Raises:
            UnavailableError: the address is taken.
        """
        health_pb2_grpc.add_HealthServicer_to_server(self._servicer, self._server)
        try:
            self.port = self._server.add_insecure_port(self._address)
        except RuntimeError as error:
            raise UnavailableError(f"cannot listen on {self._address}", reason="ADDRESS_IN_USE") from error
        await self._server.start()
        if self._owned:
            await self._servicer.set(LIVENESS, health_pb2.HealthCheckResponse.SERVING)
            await self.set_ready(ready=False)
        return self.port

    async def set_ready(self, *, ready: bool) -> None:
        """Say whether the process can do its work: health `readiness` and the unnamed one."""
        serving = health_pb2.HealthCheckResponse.SERVING
        status = serving if ready else health_pb2.HealthCheckResponse.NOT_SERVING
        await self._servicer.set(READINESS, status)
        await self._servicer.set("", status)

    async def stop(self) -> None:
        """Stop at once: who asks for health asks again."""
        await self._server.stop(None)
