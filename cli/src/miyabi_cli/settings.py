"""Settings of the command, read from the environment once."""

from __future__ import annotations

import sys
from pathlib import Path

from pydantic import AliasChoices, Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


def default_data_dir() -> Path:
    """Return the user's data folder for Miyabi, by the platform's convention (XDG base directories, macOS)."""
    home = Path.home()
    if sys.platform == "darwin":
        return home / "Library" / "Application Support" / "miyabi"
    return home / ".local" / "share" / "miyabi"


class CliSettings(BaseSettings):
    """What the command reads from the environment; options on the command line come first."""

    model_config = SettingsConfigDict(env_prefix="MIYABI_", frozen=True, extra="ignore")

    #: host:port of the coordinator that commands talk to.
    coordinator: str = "localhost:50051"
    #: Where the local stack keeps state, logs and repositories.
    data_dir: Path = Field(default_factory=default_data_dir)
    #: Redis or Valkey of your own; without it the stack starts an embedded one.
    redis_url: SecretStr | None = None
    #: Without it GitHub is simulated.
    github_token: SecretStr | None = Field(default=None, validation_alias=AliasChoices("GITHUB_TOKEN", "GH_TOKEN"))
    #: Without it the model is simulated.
    anthropic_api_key: SecretStr | None = Field(default=None, validation_alias="ANTHROPIC_API_KEY")
    #: Any server with the Messages API; with it and a key the model is not simulated.
    anthropic_base_url: str | None = Field(default=None, validation_alias="ANTHROPIC_BASE_URL")
    #: Bearer token for a coordinator that asks for identity.
    token: SecretStr | None = None
    #: Page of the dashboard; the alias is kept from older set-ups.
    dashboard_url: str = Field(
        default="http://localhost:3001", validation_alias=AliasChoices("MIYABI_DASHBOARD_URL", "DASHBOARD_SERVER_URL")
    )
