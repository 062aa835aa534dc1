"""What each process of the local stack gets to know: only its own settings and its own secrets."""

from __future__ import annotations

import secrets
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from miyabi_cli.settings import CliSettings
from miyabi_cli.stack.identities import LocalIdentities
from miyabi_cli.stack.ports import Ports

#: Variables that every process gets from ours: the platform's, never a credential.
PASSED_ON = (
    "HOME", "PATH", "LANG", "LC_ALL", "TMPDIR", "TZ", "SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE",
    "HTTPS_PROXY", "HTTP_PROXY", "NO_PROXY", "https_proxy", "http_proxy", "no_proxy", "UV_DEFAULT_INDEX",
    "PIP_INDEX_URL", "UV_CACHE_DIR", "XDG_CACHE_HOME", "COVERAGE_PROCESS_START", "COVERAGE_PROCESS_CONFIG",
)  # fmt: skip
#: Variables by which package clients know the operator's indexes; only agents fetch packages.
PACKAGE_INDEXES = ("UV_INDEX", "PIP_EXTRA_INDEX_URL", "npm_config_registry", "GOPROXY")
#: A simulated GitHub is written to without pauses and without our caps of repositories: nobody there is bothered.
SIMULATED_GATEWAY = {
    "MIYABI_GITHUB_GATEWAY_PACING_SCALE": "0",
    "MIYABI_GITHUB_GATEWAY_MAX_OPEN_PULL_REQUESTS": "0",
    "MIYABI_GITHUB_GATEWAY_MAX_PULL_REQUESTS_PER_HOUR": "0",
}


@dataclass(frozen=True)
class Upstreams:
    """Where GitHub and the model are, and with which credential."""

    github_api: str
    github_graphql: str
    github_git: str
    github_token: str
    github_simulated: bool
    model_base_url: str | None
    model_key: str
    model_simulated: bool


def _secret() -> str:
    """Return 256 random bits as text."""
    return secrets.token_urlsafe(32)


@dataclass(frozen=True)
class StackSecrets:
    """What the processes of one stack know each other by: made when it starts, and in no file.

    Args:
        grant_key: Of the coordinator, which signs what a lease lets an agent write, and the gateway, which checks it.
        git_secret: Of the agents and the gateway: whoever lacks it, such as a page in a browser, uses no git proxy.
    """

    grant_key: str = field(default_factory=_secret, repr=False)
    git_secret: str = field(default_factory=_secret, repr=False)


@dataclass(frozen=True)
class Environments:
    """Builds the environment of each process."""

    settings: CliSettings
    inherited: Mapping[str, str]
    ports: Ports
    upstreams: Upstreams
    redis_url: str
    data_dir: Path
    #: None: identity is off, which is fine on loopback.
    identities: LocalIdentities | None = None
    secrets: StackSecrets = field(default_factory=StackSecrets)

    def _identity(self, prefix: str, name: str) -> dict[str, str]:
        """Return what a process knows its callers by, and what it shows to those that it calls."""
        if self.identities is None:
            return {}
        return {
            f"{prefix}IDENTITIES_FILE": str(self.identities.path),
            f"{prefix}IDENTITY_TOKEN_FILE": str(self.identities.token_file(name)),
        }

    def _base(self) -> dict[str, str]:
        passed = {name: self.inherited[name] for name in PASSED_ON if name in self.inherited}
        own = {name: value for name, value in self.inherited.items() if name.startswith("OTEL_")}
        return {**passed, **own, "PYTHONUNBUFFERED": "1"}

    def _overrides(self, prefix: str) -> dict[str, str]:
        """Return what the caller set for that service, which wins over what the stack sets."""
        return {name: value for name, value in self.inherited.items() if name.startswith(prefix)}

    def _github_url(self) -> dict[str, str]:
        """Return where GitHub is for agents, which take submodules of no other host: where the caller put it."""
        found = self.inherited.get("MIYABI_GITHUB_GATEWAY_GITHUB_URL", "")
        return {"MIYABI_AGENTS_GITHUB_URL": found} if found else {}

    def gateway(self) -> dict[str, str]:
        """Return the gateway's environment: the one with the GitHub credential."""
        up = self.upstreams
        return {
            **self._base(),
            "MIYABI_REDIS_URL": self.redis_url,
            "MIYABI_GITHUB_GATEWAY_ADDRESS": f"127.0.0.1:{self.ports.gateway}",
            "MIYABI_GITHUB_GATEWAY_HTTP_ADDRESS": f"127.0.0.1:{self.ports.gateway_http}",
            "MIYABI_GITHUB_GATEWAY_API_URL": up.github_api,
            "MIYABI_GITHUB_GATEWAY_GRAPHQL_URL": up.github_graphql,
            "MIYABI_GITHUB_GATEWAY_GIT_URL": up.github_git,
            "MIYABI_GITHUB_GATEWAY_TOKEN": up.github_token,
            "MIYABI_GITHUB_GATEWAY_GRANT_KEY": self.secrets.grant_key,
            "MIYABI_GITHUB_GATEWAY_GIT_SECRET": self.secrets.git_secret,
            "MIYABI_GITHUB_GATEWAY_MIRROR_DIR": str(self.data_dir / "mirrors"),
            "MIYABI_GITHUB_GATEWAY_SIMULATED": str(up.github_simulated).lower(),
            **(SIMULATED_GATEWAY if up.github_simulated else {}),
            **self._identity("MIYABI_GITHUB_GATEWAY_", "github-gateway"),
            **{name: self.inherited[name] for name in ("GRAPH_CACHE_TTL",) if name in self.inherited},
            **self._overrides("MIYABI_GITHUB_GATEWAY_"),
        }

    def coordinator(self) -> dict[str, str]:
        """Return the coordinator's environment: the key of grants, but no credential of anything outside."""
        return {
            **self._base(),
            "MIYABI_REDIS_URL": self.redis_url,
            "MIYABI_COORDINATOR_ADDRESS": f"127.0.0.1:{self.ports.coordinator}",
            "MIYABI_COORDINATOR_GATEWAY": f"127.0.0.1:{self.ports.gateway}",
            "MIYABI_COORDINATOR_GRANT_KEY": self.secrets.grant_key,
            "MIYABI_COORDINATOR_SIMULATED": str(
                self.upstreams.github_simulated or self.upstreams.model_simulated
            ).lower(),
            **self._identity("MIYABI_COORDINATOR_", "coordinator"),
            **self._overrides("MIYABI_COORDINATOR_"),
        }

    def agents(self, agent_id: str) -> dict[str, str]:
        """Return an agent's environment: the model key; no token of GitHub's, no key of grants, no store's address."""
        up = self.upstreams
        return {
            **self._base(),
            "MIYABI_AGENTS_COORDINATOR": f"127.0.0.1:{self.ports.coordinator}",
            "MIYABI_AGENTS_GATEWAY": f"127.0.0.1:{self.ports.gateway}",
            "MIYABI_AGENTS_GIT_URL": f"http://127.0.0.1:{self.ports.gateway_http}/git",
            "MIYABI_AGENTS_GIT_SECRET": self.secrets.git_secret,
            "MIYABI_AGENTS_DATA_DIR": str(self.data_dir / "agents" / agent_id),
            "MIYABI_AGENTS_ENVIRONMENTS_DIR": str(self.data_dir / "environments"),
            "MIYABI_AGENTS_REPOSITORY_CONFIG_DIR": str(self.data_dir / "repositories"),
            "MIYABI_AGENTS_AGENT_ID": agent_id,
            "MIYABI_AGENTS_SIMULATED_MODEL": str(up.model_simulated).lower(),
            "MIYABI_AGENTS_SIMULATED_GITHUB": str(up.github_simulated).lower(),
            "ANTHROPIC_API_KEY": up.model_key,
            **({"ANTHROPIC_BASE_URL": up.model_base_url} if up.model_base_url else {}),
            **self._github_url(),
            **{name: self.inherited[name] for name in PACKAGE_INDEXES if name in self.inherited},
            **self._identity("MIYABI_AGENTS_", "local"),
            **self._overrides("MIYABI_AGENTS_"),
        }

    def dashboard(self) -> dict[str, str]:
        """Return the dashboard's environment: no credential at all."""
        up = self.upstreams
        return {
            **self._base(),
            "MIYABI_REDIS_URL": self.redis_url,
            "MIYABI_DASHBOARD_ADDRESS": f"127.0.0.1:{self.ports.dashboard_grpc}",
            "MIYABI_DASHBOARD_HTTP_ADDRESS": f"127.0.0.1:{self.ports.dashboard}",
            "MIYABI_DASHBOARD_COORDINATOR": f"127.0.0.1:{self.ports.coordinator}",
            "MIYABI_DASHBOARD_GATEWAY": f"127.0.0.1:{self.ports.gateway}",
            "MIYABI_DASHBOARD_SIMULATED": str(up.github_simulated or up.model_simulated).lower(),
            "MIYABI_DASHBOARD_SIMULATED_GITHUB": str(up.github_simulated).lower(),
            "MIYABI_DASHBOARD_SIMULATED_MODEL": str(up.model_simulated).lower(),
            **{name: self.inherited[name] for name in ("GRAPH_CACHE_TTL",) if name in self.inherited},
            **self._identity("MIYABI_DASHBOARD_", "dashboard"),
            **self._overrides("MIYABI_DASHBOARD_"),
        }

    def simulator(self) -> dict[str, str]:
        """Return a simulator's environment: no credential at all."""
        return self._base()


def python_module(module: str, *arguments: str) -> list[str]:
    """Return the command that runs *module* with this interpreter."""
    return [sys.executable, "-m", module, *arguments]
