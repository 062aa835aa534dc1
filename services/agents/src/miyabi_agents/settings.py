"""What an agent reads from its environment."""

from __future__ import annotations

import os
import secrets
import socket
from datetime import timedelta
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

from pydantic import AliasChoices, Field, SecretStr, model_validator
from pydantic_settings import SettingsConfigDict

from miyabi_core.configuration.environment import EnvironmentSettings
from miyabi_core.configuration.settings import CallerSettings, ServiceSettings

#: The deep model where nobody chose one: the deepest that is neither deprecated nor dearer than it is better.
_DEEP_MODEL = "claude-opus-4-8"


def _default_id() -> str:
    """Return an id that no other agent has."""
    return f"{socket.gethostname()[:60]}-{secrets.token_hex(3)}"


class PackageSettings(EnvironmentSettings):
    """Where environments are fetched from, and how much of them is kept; subclasses set `env_prefix`."""

    #: Names, separated by commas, of hosts that builds may reach by TLS on port 443; `default` stands for the public
    #: indexes of `environments/proxy/hosts.yaml`. Empty: none but the operator's own indexes.
    package_hosts: str = "default"
    #: URLs, separated by commas or blanks, of the operator's own indexes. Each opens its host and port alone, on this
    #: machine or in a private network too; over http a user and password in it are shown to the index by the proxy.
    package_indexes: SecretStr = SecretStr("")
    #: What all environments of this machine may take on disk, in bytes; the least recently used are removed.
    environments_bytes: int = Field(default=10 << 30, ge=0)
    #: What the download caches of all ecosystems may take on disk, in bytes; one that is too large is begun anew.
    package_cache_bytes: int = Field(default=10 << 30, ge=0)
    #: More folders, separated by colons, to find interpreters, compilers and package managers in.
    toolchain_dirs: str = ""
    #: Where programs are found, after `toolchain_dirs`.
    program_path: str = Field(default=os.defpath, validation_alias="PATH")
    #: Variables by which clients know the operator's index; those that are set open their hosts too, and builds get
    #: them without user and password.
    uv_default_index: SecretStr | None = Field(default=None, validation_alias="UV_DEFAULT_INDEX")
    uv_index: SecretStr | None = Field(default=None, validation_alias="UV_INDEX")
    pip_index_url: SecretStr | None = Field(default=None, validation_alias="PIP_INDEX_URL")
    pip_extra_index_url: SecretStr | None = Field(default=None, validation_alias="PIP_EXTRA_INDEX_URL")
    npm_registry: SecretStr | None = Field(default=None, validation_alias="npm_config_registry")
    goproxy: SecretStr | None = Field(default=None, validation_alias="GOPROXY")
    #: Certificates that clients trust beside the system's; builds may read them.
    ssl_cert_file: Path | None = Field(default=None, validation_alias="SSL_CERT_FILE")
    ssl_cert_dir: Path | None = Field(default=None, validation_alias="SSL_CERT_DIR")
    #: The machine's own proxy, by which the fetch proxy reaches indexes; builds never see it.
    https_proxy: SecretStr | None = Field(
        default=None, validation_alias=AliasChoices("https_proxy", "HTTPS_PROXY", "http_proxy", "HTTP_PROXY")
    )
    #: Hosts, separated by commas, that are reached without it.
    no_proxy: str = Field(default="", validation_alias=AliasChoices("no_proxy", "NO_PROXY"))


class AgentsSettings(ServiceSettings, CallerSettings, PackageSettings):
    """Settings of an agent; the prefix is `MIYABI_AGENTS_`."""

    model_config = SettingsConfigDict(env_prefix="MIYABI_AGENTS_", frozen=True, extra="ignore")

    #: host:port of the coordinator.
    coordinator: str = "127.0.0.1:50051"
    #: host:port of the gateway.
    gateway: str = "127.0.0.1:50053"
    #: Base of the gateway's git proxy.
    git_url: str = "http://127.0.0.1:50063/git"
    #: Base of GitHub, as the gateway has it: submodules of other hosts are not fetched. Nothing is sent there.
    github_url: str = Field(default="https://github.com", pattern=r"^https?://[^/@\s]+(/[^@\s]*)?$")
    #: `.git/modules` of a checkout on this machine: submodules that are there are not fetched. Unset: all are.
    local_submodules_dir: Path | None = None
    #: What git shows to the proxy where identity is off: a secret of this machine's system. Default: nothing.
    git_secret: SecretStr | None = None
    #: Mirrors, worktrees, test environments.
    data_dir: Path = Path("/var/lib/miyabi/agents")
    #: Worktrees and test environments, where a sandbox in a container of its own reaches them; unset: below `data_dir`.
    workspace_dir: Path | None = None
    #: Where environments and download caches are kept, shared by all agents of a machine; unset: beside the worktrees.
    environments_dir: Path | None = None
    #: Unix socket of the sandbox in a container of its own; unset: the sandbox is a child process.
    sandbox_socket: Path | None = None
    #: Tasks at once.
    slots: int = Field(default=4, ge=1, le=1000)
    #: Tasks at once at least, while the machine is short of memory or processors.
    slots_min: int = Field(default=1, ge=1, le=1000)
    #: Whether this agent's limits follow what their targets bear; `off`: `slots` and `model_calls_max` hold.
    feedback: bool = True
    #: Calls of the model API at once by this agent, at least, where the coordinator does not say.
    model_calls_min: int = Field(default=1, ge=1, le=10_000)
    #: Calls of the model API at once by this agent, at most, where the coordinator does not say.
    model_calls_max: int = Field(default=256, ge=1, le=10_000)
    #: Kept through reconnects.
    agent_id: str = Field(default_factory=_default_id, pattern=r"^[A-Za-z0-9._-]{1,128}$")
    #: What is known of repositories' files, by which likely ones are found, may take so many bytes on disk.
    index_bytes: int = Field(default=1 << 30, ge=0)
    #: Operator's `OWNER/NAME.yaml` files for repositories without a `.miyabi.yaml`.
    repository_config_dir: Path | None = None
    #: Advisories in OSV's format, by which reviews audit dependencies: a folder or a zip, as published for an
    #: ecosystem. Unset: package indexes are asked, where they give advisories.
    osv_database: Path | None = None
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
    #: Model for triage, plan, documentation, remarks, and the first round of small changes; empty: `cheap_model`.
    fast_model: str = ""
    #: Model for changes and tests; empty: `strong_model`.
    standard_model: str = ""
    #: Model for what the others did not bring about: fix rounds, and work that was stopped.
    #: Empty: Claude Opus 4.8 where the others are this program's own choice, else `standard_model`.
    deep_model: str = ""
    #: Earlier name of `fast_model`.
    cheap_model: str = "claude-haiku-4-5"
    #: Earlier name of `standard_model`.
    strong_model: str = "claude-sonnet-4-6"
    #: Tokens of a conversation at most, for servers that take less than the models' own windows; 0: their own.
    model_window_tokens: int = Field(default=0, ge=0)
    #: How long a task may go on after SIGTERM before it is handed back.
    drain: timedelta = Field(default=timedelta(seconds=20), ge=timedelta(0))

    @model_validator(mode="after")
    def _bounds_in_order(self) -> Self:
        """Refuse bounds that nothing lies between."""
        if self.model_calls_min > self.model_calls_max:
            raise ValueError(
                f"model_calls_min: {self.model_calls_min} is above model_calls_max, {self.model_calls_max}"
            )
        return self

    @property
    def github_host(self) -> str:
        """Host of GitHub."""
        return urlsplit(self.github_url).hostname or ""

    @property
    def models(self) -> tuple[str, str, str]:
        """The fast, the standard and the deep model."""
        standard = self.standard_model or self.strong_model
        deep = _DEEP_MODEL if standard == type(self).model_fields["strong_model"].default else standard
        return self.fast_model or self.cheap_model, standard, self.deep_model or deep

    @property
    def shared_dir(self) -> Path:
        """Where worktrees go."""
        return self.workspace_dir or self.data_dir

    @property
    def environments_root(self) -> Path:
        """Where the folders of environments and of download caches go."""
        return self.environments_dir or self.shared_dir

    @property
    def kept_runs_dir(self) -> Path:
        """Where runs of base's own tests are kept: nothing that runs in the sandbox may write there."""
        return (self.environments_dir or self.data_dir) / "base-runs"

    @property
    def indexes_dir(self) -> Path:
        """Where it is kept what is known of repositories' files: nothing that runs in the sandbox may write there."""
        return (self.environments_dir or self.data_dir) / "indexes"


class SandboxSettings(ServiceSettings):
    """Settings of the sandbox in a container of its own; the prefix is `MIYABI_SANDBOX_`."""

    model_config = SettingsConfigDict(env_prefix="MIYABI_SANDBOX_", frozen=True, extra="ignore")

    #: Unix socket to listen on.
    socket: Path = Path("/workspace/control/sandbox.sock")
    #: The only user who is served.
    agent_uid: int = Field(default=65532, ge=0)
    #: Commands may be given nothing to write to but what lies below it.
    workspace: Path = Path("/workspace")
