"""What an agent reads from its environment."""

from __future__ import annotations

import secrets
import socket
from datetime import timedelta
from pathlib import Path

from pydantic import Field, SecretStr
from pydantic_settings import SettingsConfigDict

from miyabi_core.settings import CallerSettings, ServiceSettings


def _default_id() -> str:
    """Return an id that no other agent has."""
    return f"{socket.gethostname()[:60]}-{secrets.token_hex(3)}"


class AgentsSettings(ServiceSettings, CallerSettings):
    """Settings of an agent; the prefix is `MIYABI_AGENTS_`."""

    model_config = SettingsConfigDict(env_prefix="MIYABI_AGENTS_", frozen=True, extra="ignore")

    #: host:port of the coordinator.
    coordinator: str = "127.0.0.1:50051"
    #: host:port of the gateway.
    gateway: str = "127.0.0.1:50053"
    #: Base of the gateway's git proxy.
    git_url: str = "http://127.0.0.1:50063/git"
    #: Mirrors, worktrees, test environments.
    data_dir: Path = Path("/var/lib/miyabi/agents")
    #: Worktrees and test environments, where a sandbox in a container of its own reaches them; unset: below `data_dir`.
    workspace_dir: Path | None = None
    #: Unix socket of the sandbox in a container of its own; unset: the sandbox is a child process.
    sandbox_socket: Path | None = None
    #: Tasks at once.
    slots: int = Field(default=4, ge=1, le=1000)
    #: Kept through reconnects.
    agent_id: str = Field(default_factory=_default_id, pattern=r"^[A-Za-z0-9._-]{1,128}$")
    #: Operator's `OWNER/NAME.yaml` files for repositories without a `.miyabi.yaml`.
    repository_config_dir: Path | None = None
    #: Run tests without Landlock and seccomp where the machine has none.
    unsafe_sandbox: bool = False
    simulated_model: bool = False
    simulated_github: bool = False
    #: Key of the model API; without it triage and plan go by rules and changes cannot be made.
    anthropic_api_key: SecretStr | None = Field(default=None, validation_alias="ANTHROPIC_API_KEY")
    #: File with that key instead; read again whenever it changes.
    model_key_file: Path | None = None
    #: Any server with the Messages API.
    anthropic_base_url: str | None = Field(default=None, validation_alias="ANTHROPIC_BASE_URL")
    #: Model for triage, plan, documentation, remarks.
    cheap_model: str = "claude-haiku-4-5"
    #: Model for changes and tests.
    strong_model: str = "claude-sonnet-4-6"
    #: How long a task may go on after SIGTERM before it is handed back.
    drain: timedelta = timedelta(seconds=20)

    @property
    def shared_dir(self) -> Path:
        """Where worktrees and test environments go."""
        return self.workspace_dir or self.data_dir


class SandboxSettings(ServiceSettings):
    """Settings of the sandbox in a container of its own; the prefix is `MIYABI_SANDBOX_`."""

    model_config = SettingsConfigDict(env_prefix="MIYABI_SANDBOX_", frozen=True, extra="ignore")
    #: What git shows to the proxy where identity is off: a secret of this machine's system. Default: nothing.
    git_secret: SecretStr | None = None

    #: Unix socket to listen on.
    socket: Path = Path("/workspace/control/sandbox.sock")
    #: The only user who is served.
    agent_uid: int = Field(default=65532, ge=0)
    #: Commands may be given nothing to write to but what lies below it.
    workspace: Path = Path("/workspace")
