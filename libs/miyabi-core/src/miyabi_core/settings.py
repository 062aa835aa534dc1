"""What every service reads from its environment."""

from __future__ import annotations

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


class ServiceSettings(BaseSettings):
    """Base of a service's settings: frozen, from the environment only; subclasses set `env_prefix`.

    Source of the rules: twelve-factor configuration; pydantic-settings.
    """

    model_config = SettingsConfigDict(frozen=True, extra="ignore", populate_by_name=True)

    #: DEBUG, INFO, WARNING or ERROR.
    log_level: str = Field(default="INFO", pattern="^(DEBUG|INFO|WARNING|ERROR)$")
    #: JSON lines; unset: unless standard error is a terminal.
    log_json: bool | None = None
    #: host:port for Prometheus; unset: no metrics server.
    metrics_address: str | None = None


class RedisSettings(BaseSettings):
    """Where the state store is, for services that have one."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore", populate_by_name=True)

    #: redis:// or rediss:// URL of a Redis ≥ 7.2 or Valkey ≥ 8; it may hold a password, so it is a secret.
    redis_url: SecretStr = Field(default=SecretStr("redis://127.0.0.1:6379/0"), validation_alias="MIYABI_REDIS_URL")
