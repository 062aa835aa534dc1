"""Settings of the command, read from the environment once."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

from pydantic import AliasChoices, Field, SecretStr, ValidationError
from pydantic_settings import SettingsConfigDict

from miyabi_cli.caller import Caller, caller_of
from miyabi_cli.errors import SettingsError
from miyabi_core.access.client_security import ClientSecurity
from miyabi_core.configuration.bad_settings import problems_of
from miyabi_core.configuration.settings import CallerSettings


def default_data_dir() -> Path:
    """Return the user's data folder for Miyabi, by the platform's convention (XDG base directories, macOS)."""
    home = Path.home()
    if sys.platform == "darwin":
        return home / "Library" / "Application Support" / "miyabi"
    return home / ".local" / "share" / "miyabi"


class CliSettings(CallerSettings):
    """What the command reads from the environment; options on the command line come first."""

    model_config = SettingsConfigDict(env_prefix="MIYABI_", frozen=True, extra="ignore", populate_by_name=True)

    #: host:port of the coordinator that commands talk to.
    coordinator: str = Caller.coordinator
    #: host:port of the GitHub gateway that `miyabi doctor` asks about a repository.
    gateway: str = "localhost:50053"
    #: host:port of the dashboard's gRPC, which `miyabi report` and `miyabi perf` ask.
    dashboard: str = Caller.dashboard
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
    #: File that holds it; comes first, and is kept out of the environment.
    identity_token_file: Path | None = Field(default=None, validation_alias="MIYABI_TOKEN_FILE")
    #: Page of the dashboard; the alias is kept from older set-ups.
    dashboard_url: str = Field(
        default=Caller.dashboard_url, validation_alias=AliasChoices("MIYABI_DASHBOARD_URL", "DASHBOARD_SERVER_URL")
    )

    @classmethod
    def read(cls, given: Mapping[str, Any]) -> Self:
        """Read the environment, with the settings of the command line before it.

        Raises:
            SettingsError: some cannot be used.
        """
        try:
            return cls(**given)
        except ValidationError as error:
            raise SettingsError(problems_of(cls, error)) from error

    def security(self) -> ClientSecurity:
        """Return what calls show.

        Raises:
            FailedPreconditionError: a file cannot be used.
        """
        return caller_of(self).security()
