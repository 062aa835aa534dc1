"""What every service reads from its environment."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr

from miyabi_core.configuration.environment import EnvironmentSettings


class ServiceSettings(EnvironmentSettings):
    """Base of a service's settings: frozen, from the environment only; subclasses set `env_prefix`.

    Source of the rules: twelve-factor configuration; pydantic-settings.
    """

    #: From which level on is logged.
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    #: JSON lines; unset: unless standard error is a terminal.
    log_json: bool | None = None
    #: host:port for Prometheus; unset: no metrics server.
    metrics_address: str | None = None
    #: Names, separated by commas, by which what this service serves over HTTP is reached, beside loopback's names and
    #: (where it listens beyond loopback) addresses; `*.example.org` is every name below. Others are refused.
    http_hosts: str = ""
    #: host:port where gRPC health alone is served in plain text, for probes; unset: no such server.
    health_address: str | None = None
    #: How long a server serves on after SIGTERM made it unready; on Kubernetes longer than its DNS keeps an address.
    drain_delay: timedelta = Field(default=timedelta(0), ge=timedelta(0))


class RedisSettings(EnvironmentSettings):
    """Where the state store is, for services that have one."""

    #: redis:// or rediss:// URL of a Redis ≥ 7.2 or Valkey ≥ 8; it may hold a password, so it is a secret.
    redis_url: SecretStr = Field(default=SecretStr("redis://127.0.0.1:6379/0"), validation_alias="MIYABI_REDIS_URL")


class CallerSettings(EnvironmentSettings):
    """How a process shows who it is to the services that it calls; subclasses set `env_prefix`."""

    #: PEM of who signs the certificates of the services that are called, or `system`; unset: calls go in plain text.
    tls_ca_file: Path | Literal["system"] | None = None
    #: PEM of the own certificate with its chain: a server serves with it, a client shows it.
    tls_cert_file: Path | None = None
    #: PEM of its key.
    tls_key_file: Path | None = None
    #: File with the bearer token that calls carry; read again when it is replaced.
    identity_token_file: Path | None = None
    #: Let tokens cross a network in plain text: for a network that encrypts by itself, such as a service mesh.
    allow_plaintext: bool = False

    @property
    def env_prefix(self) -> str:
        """What the names of the variables begin with."""
        return str(self.model_config.get("env_prefix", ""))

    @property
    def tls_ca_path(self) -> Path | None:
        """The file of `tls_ca_file`; None where the platform's authorities count."""
        return self.tls_ca_file if isinstance(self.tls_ca_file, Path) else None


class ServingSettings(CallerSettings):
    """Who may call a server; subclasses set `env_prefix`."""

    #: YAML of identities with roles; unset: identity is off, which is refused on any address but loopback.
    identities_file: Path | None = None
    #: PEM of who signs client certificates; with it every client has to show one.
    tls_client_ca_file: Path | None = None
    #: Serve on an address that is not loopback without identity: for a network that lets in only whom it should.
    allow_anonymous: bool = False
