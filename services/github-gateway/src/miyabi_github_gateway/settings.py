"""What the gateway reads from its environment."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

from pydantic import AliasChoices, Field, SecretStr, model_validator
from pydantic_settings import SettingsConfigDict

from miyabi_core.configuration.settings import RedisSettings, ServiceSettings, ServingSettings
from miyabi_core.grants import GrantKeySettings

#: GitHub's own host; its API has a host beside it. So have the hosts of GitHub's data residency.
GITHUB_HOST, RESIDENCY_SUFFIX = "github.com", ".ghe.com"


class GatewaySettings(ServiceSettings, RedisSettings, ServingSettings, GrantKeySettings):
    """Settings of the gateway; the prefix is `MIYABI_GITHUB_GATEWAY_`."""

    model_config = SettingsConfigDict(env_prefix="MIYABI_GITHUB_GATEWAY_", frozen=True, extra="ignore")

    #: host:port of the gRPC server.
    address: str = "127.0.0.1:50053"
    #: host:port of the HTTP server: git proxy, webhooks, health.
    http_address: str = "127.0.0.1:50063"
    #: Base of GitHub: https://github.com, https://NAME.ghe.com, or a GitHub Enterprise Server. The three below follow.
    github_url: str = "https://github.com"
    #: Base of GitHub's REST API; default: what belongs to `github_url`.
    api_url: str = ""
    #: GitHub's GraphQL endpoint; default: what belongs to `github_url`.
    graphql_url: str = ""
    #: Base of git over HTTP; default: `github_url`.
    git_url: str = ""
    #: Credential; never logged, never sent anywhere but to the three addresses above.
    token: SecretStr = SecretStr("")
    #: File with the credential instead; it is read again when it is rotated.
    token_file: Path | None = None
    #: A GitHub App's id or client id, instead of a token: each owner is asked with its installation's token.
    app_id: str = ""
    #: The App's private key, PEM.
    app_key: SecretStr = SecretStr("")
    #: File with the App's private key instead; it is read again when it is rotated.
    app_key_file: Path | None = None
    #: Repositories that are served: patterns of `owner/name` as the shell matches names, separated by commas.
    repositories: str = "*"
    #: True where the GitHub behind it is simulated; every surface says so.
    simulated: bool = False
    #: Scales the pauses between writes; anything but 1 is allowed only against a simulated GitHub.
    pacing_scale: float = Field(default=1.0, ge=0, le=1)
    #: How fast GitHub's clock runs; anything but 1 is allowed only against a simulated GitHub of the same speed.
    time_scale: float = Field(default=1.0, ge=1, le=1000)
    #: Requests to GitHub at once over all replicas; GitHub's own limit is 100.
    max_concurrency: int = Field(default=10, ge=1, le=100)
    #: Seconds for one answer of GitHub, which itself gives up after ten.
    answer_seconds: float = Field(default=15.0, ge=0.1, le=60)
    #: Our open pull requests (head `miyabi/**`) that a repository may have; 0: no cap.
    max_open_pull_requests: int = Field(default=20, ge=0)
    #: Pull requests that are opened in a repository within an hour; 0: no cap.
    max_pull_requests_per_hour: int = Field(default=30, ge=0)
    #: What agents show to git where identity is off: a secret of one machine's system. Default: git asks for none.
    git_secret: SecretStr | None = None
    #: Folder of the mirrors from which clones are served; gateways that share it have parts of their own.
    #: Default: a temporary one.
    mirror_dir: Path | None = None
    #: Bytes that all mirrors may take; 0: no mirrors, every clone goes to GitHub.
    mirror_bytes: int = Field(default=10 << 30, ge=0)
    #: Seconds that git transfers under way have to end after SIGTERM.
    transfer_grace_seconds: float = Field(default=20.0, ge=0)
    #: Secret of webhooks; without it, and without the file, webhooks are refused: there is no default.
    webhook_secret: SecretStr | None = None
    #: File with the secret of webhooks instead; it is read again when it is rotated.
    webhook_secret_file: Path | None = None
    #: Seconds after which an event starts no batch any more, and for which deliveries are remembered at least.
    webhook_replay_seconds: int = Field(default=3600, ge=60, le=30 * 86400)
    #: host:port of the coordinator, where labels and mentions start batches; default: they start none.
    webhook_coordinator: str = ""
    #: Label that starts a batch for its issue.
    webhook_label: str = "agent-execute"
    #: Word in an issue or a comment that starts a batch for the issue.
    webhook_mention: str = "@miyabi"
    #: Batches that one repository may start in an hour by labels and mentions.
    webhook_batches_per_hour: int = Field(default=10, ge=0)
    #: The same for all repositories together.
    webhook_batches_per_hour_in_all: int = Field(default=60, ge=0)
    #: redis:// URL of the shared cache, which must evict by LRU; unset: the state store's.
    cache_url: SecretStr | None = None
    #: Milliseconds that a read issue counts as fresh; `GRAPH_CACHE_TTL` is its older name. 0: nothing is cached.
    cache_ttl_ms: int = Field(
        default=300_000,
        ge=0,
        validation_alias=AliasChoices("MIYABI_GITHUB_GATEWAY_CACHE_TTL_MS", "GRAPH_CACHE_TTL"),
    )
    #: The same for heads of branches and pull requests, which pushes from anywhere move.
    cache_volatile_ms: int = Field(default=2000, ge=0)
    #: Seconds beyond it that an issue is handed out, marked stale, while it is read anew.
    cache_revalidate_seconds: float = Field(default=60.0, ge=0)
    #: Seconds that old data are kept, to be handed out marked stale while GitHub limits us or is away.
    cache_spare_seconds: float = Field(default=86_400.0, ge=0)
    #: Bounds of the process's own cache.
    cache_bytes: int = Field(default=64 << 20, ge=1 << 10)
    cache_entries: int = Field(default=20_000, ge=1)
    #: Milliseconds that single reads wait for others to travel with.
    batch_window_ms: float = Field(default=5.0, ge=0, le=1000)
    #: `owner/name`s, separated by commas, that are read at the start; empty: those in use lately.
    warm_repositories: str = ""
    #: Seconds that readiness waits for them; 0: they are not read.
    warm_seconds: float = Field(default=10.0, ge=0, le=300)

    @model_validator(mode="before")
    @classmethod
    def _derive_addresses(cls, data: Any) -> Any:
        """Fill in the addresses that follow from `github_url`."""
        if not isinstance(data, dict):
            return data
        derived = addresses_of(str(data.get("github_url") or "https://github.com").rstrip("/"))
        return {**data, **{name: data.get(name) or address for name, address in derived.items()}}

    @model_validator(mode="after")
    def _one_credential(self) -> Self:
        """Refuse two credentials, and an App without its key."""
        has_key = bool(self.app_key.get_secret_value() or self.app_key_file)
        if bool(self.app_id) != has_key:
            raise ValueError("app_id and app_key (or app_key_file) belong together")
        if self.app_id and (self.token.get_secret_value() or self.token_file):
            raise ValueError("set a token or a GitHub App, not both")
        return self

    @model_validator(mode="after")
    def _no_haste_on_real_github(self) -> Self:
        """Refuse to skip the pauses that GitHub asks for."""
        if (self.pacing_scale != 1.0 or self.time_scale != 1.0) and not self.simulated:
            raise ValueError("pacing_scale and time_scale may differ from 1 only where GitHub is simulated")
        return self


def addresses_of(github_url: str) -> dict[str, str]:
    """Return the addresses that belong to a GitHub.

    Source: docs.github.com, REST and GraphQL endpoints of GitHub Enterprise Server and of data residency.
    """
    parts = urlsplit(github_url)
    host = parts.hostname or ""
    if host == GITHUB_HOST or host.endswith(RESIDENCY_SUFFIX):
        api = f"{parts.scheme}://api.{parts.netloc}"
        return {"api_url": api, "graphql_url": f"{api}/graphql", "git_url": github_url}
    return {"api_url": f"{github_url}/api/v3", "graphql_url": f"{github_url}/api/graphql", "git_url": github_url}
