"""Reads from the GitHub gateway: limits, caches, what a query matches. The dashboard writes nothing there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from miyabi.github_gateway.v1.github_gateway_service_pb2_grpc import GitHubGatewayServiceStub
from miyabi_core.access.security import PLAIN, ClientSecurity
from miyabi_core.channel import open_channel

if TYPE_CHECKING:
    from miyabi.github_gateway.v1.github_gateway_service_pb2_grpc import GitHubGatewayServiceAsyncStub

#: Full name of the service whose calls may be repeated: all that is called here reads.
_SERVICE = "miyabi.github_gateway.v1.GitHubGatewayService"


class GatewayClient:
    """The gateway, as the dashboard sees it.

    Args:
        target: host:port.
        security: What the dashboard shows.
    """

    def __init__(self, target: str, security: ClientSecurity = PLAIN) -> None:
        self._channel = open_channel(target, service=_SERVICE, security=security)
        self.stub: GitHubGatewayServiceAsyncStub = GitHubGatewayServiceStub(self._channel)

    async def close(self) -> None:
        """Close the channel."""
        await self._channel.close()
