"""The page of settings: every variable of every process."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

from pydantic import SecretStr
from pydantic_settings import BaseSettings

from miyabi_agents.settings import AgentsSettings, SandboxSettings
from miyabi_cli.settings import CliSettings
from miyabi_coordinator.settings import CoordinatorSettings
from miyabi_core.configuration.bad_settings import accepted, variables_of
from miyabi_core.store.cluster_keeper import KeeperSettings
from miyabi_core.telemetry.settings import OtlpSettings
from miyabi_dashboard.settings import DashboardSettings
from miyabi_github_gateway.settings import GatewaySettings
from scripts.docs.reference.comments import field_comments
from scripts.docs.reference.markdown import cell, code, table

#: Settings of each process, with what it is called.
PROCESSES: tuple[tuple[str, type[BaseSettings]], ...] = (
    ("The command and `miyabi up`", CliSettings),
    ("Coordinator", CoordinatorSettings),
    ("Agents", AgentsSettings),
    ("The sandbox's own container", SandboxSettings),
    ("GitHub gateway", GatewaySettings),
    ("Dashboard", DashboardSettings),
    ("The keeper of a cluster of stores", KeeperSettings),
    ("Telemetry of every process", OtlpSettings),
)
#: Units of a duration, the largest first, with their seconds.
_UNITS = ((86400, "days"), (3600, "h"), (60, "min"), (1, "s"))
#: How the page begins.
_HEAD = (
    "# Settings\n\nRead from the environment, once, when a process starts; `miyabi up` passes variables of a service "
    "on to it. Durations are written `20 s`, `15 min`, `1h30m`, `30 days` or `PT20S`; a bare number counts seconds. A "
    "value that cannot be used is named in one line, and the process ends with exit code 2. What OpenTelemetry's own "
    "variables do: [telemetry](../telemetry.md#traces).\n"
)


def page() -> str:
    """Return the page."""
    return "\n".join([_HEAD, *(f"## {name}\n\n{_settings(kind)}" for name, kind in PROCESSES)])


def _settings(kind: type[BaseSettings]) -> str:
    """Return the table of a process."""
    comments = field_comments(kind)
    rows = (
        (
            ", ".join(map(code, variables_of(kind, name))),
            cell(comments.get(name, "")),
            code(_shown(field.get_default(call_default_factory=True))) if not field.is_required() else "required",
            cell(accepted(name, field)),
        )
        for name, field in kind.model_fields.items()
    )
    return table(("variable", "meaning", "default", "may be"), rows)


def _shown(value: Any) -> str:
    """Return a default as one would set it; nothing where nothing is set."""
    if isinstance(value, SecretStr):
        value = value.get_secret_value()
    if isinstance(value, timedelta):
        seconds = value.total_seconds()
        size, unit = next(((size, unit) for size, unit in _UNITS if seconds and not seconds % size), (1, "s"))
        return f"{seconds / size:g} {unit}"
    if isinstance(value, Path):
        # Whose home it is differs from machine to machine.
        return str(value).replace(str(Path.home()), "~", 1)
    if isinstance(value, bool):
        return str(value).lower()
    return "" if value in (None, (), [], {}) else str(value)
