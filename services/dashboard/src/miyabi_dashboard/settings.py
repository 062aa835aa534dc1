"""What the dashboard reads from its environment."""

from __future__ import annotations

from datetime import timedelta

from pydantic import AliasChoices, Field
from pydantic_settings import SettingsConfigDict

from miyabi_core.configuration.settings import RedisSettings, ServiceSettings, ServingSettings


class DashboardSettings(ServiceSettings, RedisSettings, ServingSettings):
    """Settings of the dashboard; the prefix is `MIYABI_DASHBOARD_`."""

    model_config = SettingsConfigDict(env_prefix="MIYABI_DASHBOARD_", frozen=True, extra="ignore")

    #: host:port of the gRPC server.
    address: str = "127.0.0.1:50054"
    #: host:port of the page, the HTTP interface and the WebSocket.
    http_address: str = "127.0.0.1:3001"
    #: host:port of the coordinator.
    coordinator: str = "127.0.0.1:50051"
    #: host:port of the GitHub gateway: limits, caches, previews of queries.
    gateway: str = "127.0.0.1:50053"
    #: True where GitHub or the model is simulated; the page says so.
    simulated: bool = False
    #: Which of them is: the page says it where both are set; unset: it is not told.
    simulated_github: bool | None = None
    #: As above, of the model.
    simulated_model: bool | None = None
    #: Largest body of a request, compressed or not.
    max_body_bytes: int = Field(default=1 << 20, ge=1024)
    #: Events a second that one token (one address where identity is off) may send, in the long run, to one replica.
    intake_rate: int = Field(default=2000, ge=1, le=1_000_000)
    #: Events that it may send at once; a list counts with each of its events.
    intake_burst: int = Field(default=10_000, ge=1, le=10_000_000)
    #: How long the ids that senders give their events are known: a repeat within it is stored once.
    intake_known_for: timedelta = Field(default=timedelta(hours=24), ge=timedelta(seconds=1), le=timedelta(days=30))
    #: How long measurements are kept, in the state store: minutes are folded into hours after two hours.
    measurement_retention: timedelta = Field(
        default=timedelta(days=30), ge=timedelta(seconds=1), le=timedelta(days=400)
    )
    #: Milliseconds that a rebuilt graph is kept; the alias is kept from older set-ups.
    graph_cache_ttl_ms: int = Field(
        default=300_000, ge=0, validation_alias=AliasChoices("GRAPH_CACHE_TTL", "MIYABI_DASHBOARD_GRAPH_CACHE_TTL_MS")
    )
