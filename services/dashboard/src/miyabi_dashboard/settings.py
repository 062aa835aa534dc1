"""What the dashboard reads from its environment."""

from __future__ import annotations

from pydantic import AliasChoices, Field
from pydantic_settings import SettingsConfigDict

from miyabi_core.settings import RedisSettings, ServiceSettings, ServingSettings


class DashboardSettings(ServiceSettings, RedisSettings, ServingSettings):
    """Settings of the dashboard; the prefix is `MIYABI_DASHBOARD_`."""

    model_config = SettingsConfigDict(env_prefix="MIYABI_DASHBOARD_", frozen=True, extra="ignore")

    #: host:port of the gRPC server.
    address: str = "127.0.0.1:50054"
    #: host:port of the page, the HTTP interface and the WebSocket.
    http_address: str = "127.0.0.1:3001"
    #: host:port of the coordinator.
    coordinator: str = "127.0.0.1:50051"
    #: True where GitHub or the model is simulated; the page says so.
    simulated: bool = False
    #: Largest body of a request, compressed or not.
    max_body_bytes: int = Field(default=1 << 20, ge=1024)
    #: Milliseconds that a rebuilt graph is kept; the alias is kept from older set-ups.
    graph_cache_ttl_ms: int = Field(
        default=300_000, ge=0, validation_alias=AliasChoices("GRAPH_CACHE_TTL", "MIYABI_DASHBOARD_GRAPH_CACHE_TTL_MS")
    )
