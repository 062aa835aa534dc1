"""What the gateway reads from its environment."""

from __future__ import annotations

from typing import Self

from pydantic import Field, SecretStr, model_validator
from pydantic_settings import SettingsConfigDict

from miyabi_core.settings import RedisSettings, ServiceSettings


class GatewaySettings(ServiceSettings, RedisSettings):
    """Settings of the gateway; the prefix is `MIYABI_GITHUB_GATEWAY_`."""

    model_config = SettingsConfigDict(env_prefix="MIYABI_GITHUB_GATEWAY_", frozen=True, extra="ignore")

    #: host:port of the gRPC server.
    address: str = "127.0.0.1:50053"
    #: host:port of the HTTP server: git proxy, webhooks, health.
    http_address: str = "127.0.0.1:50063"
    #: Base of GitHub's REST API.
    api_url: str = "https://api.github.com"
    #: GitHub's GraphQL endpoint.
    graphql_url: str = "https://api.github.com/graphql"
    #: Base of git over HTTP.
    git_url: str = "https://github.com"
    #: Credential; never logged, never sent anywhere but to the three addresses above.
    token: SecretStr = SecretStr("")
    #: True where the GitHub behind it is simulated; every surface says so.
    simulated: bool = False
    #: Scales the pauses between writes; anything but 1 is allowed only against a simulated GitHub.
    pacing_scale: float = Field(default=1.0, ge=0, le=1)
    #: Requests to GitHub at once; GitHub's own limit is 100.
    max_concurrency: int = Field(default=10, ge=1, le=100)
    #: Secret of webhooks; without it webhooks are refused.
    webhook_secret: SecretStr | None = None
    #: Seconds that a read issue is served from the cache.
    cache_seconds: float = Field(default=30.0, ge=0)

    @model_validator(mode="after")
    def _no_haste_on_real_github(self) -> Self:
        """Refuse to skip the pauses that GitHub asks for."""
        if self.pacing_scale != 1.0 and not self.simulated:
            raise ValueError("pacing_scale may differ from 1 only where GitHub is simulated")
        return self
