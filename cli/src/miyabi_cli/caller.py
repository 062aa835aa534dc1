"""Settings of a word that only calls services, read without the library that reads those of whole processes."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from miyabi_core.access.client_security import ClientSecurity

if TYPE_CHECKING:
    from miyabi_cli.settings import CliSettings

#: What is plainly a page's address; anything else is left to `CliSettings`.
_PAGE = re.compile(r"https?://[A-Za-z0-9.-]+(:[0-9]{1,4})?(/[!-~]*)?", re.ASCII)
#: Words for yes and no that are plain; anything else is left to `CliSettings`.
_YES_OR_NO = {"true": True, "1": True, "false": False, "0": False}


@dataclass(frozen=True)
class Caller:
    """What a call needs of `CliSettings`, which says what each is; a test holds the two together."""

    #: host:port.
    coordinator: str = "localhost:50051"
    #: host:port.
    dashboard: str = "localhost:50054"
    #: http:// or https:// address.
    dashboard_url: str = "http://localhost:3001"
    #: PEM, or `system`; None: calls go in plain text.
    tls_ca_file: Path | Literal["system"] | None = None
    #: PEM.
    tls_cert_file: Path | None = None
    #: PEM.
    tls_key_file: Path | None = None
    #: Bearer token of the environment; None: none. Never shown.
    token: Callable[[], str] | None = None
    #: File that holds it; comes first.
    identity_token_file: Path | None = None
    #: Let the token cross a network in plain text.
    allow_plaintext: bool = False

    @property
    def env_prefix(self) -> str:
        """What the names of the variables begin with."""
        return "MIYABI_"

    @property
    def tls_ca_path(self) -> Path | None:
        """The file of `tls_ca_file`; None where the platform's authorities count."""
        return self.tls_ca_file if isinstance(self.tls_ca_file, Path) else None

    def security(self) -> ClientSecurity:
        """Return what calls show.

        Raises:
            FailedPreconditionError: a file cannot be used.
        """
        security = ClientSecurity.of(self)
        return replace(security, token=self.token) if security.token is None else security


#: Variables of each setting, the first that counts before the others.
VARIABLES: Mapping[str, tuple[str, ...]] = {
    **{field.name: (f"MIYABI_{field.name.upper()}",) for field in fields(Caller)},
    "dashboard_url": ("MIYABI_DASHBOARD_URL", "DASHBOARD_SERVER_URL"),
    "identity_token_file": ("MIYABI_TOKEN_FILE",),
}


def caller_of(settings: CliSettings) -> Caller:
    """Return what calls need of all settings."""
    found = {field.name: getattr(settings, field.name) for field in fields(Caller)}
    token = settings.token.get_secret_value if settings.token is not None else None
    return Caller(**{**found, "token": token})


def read_caller(environment: Mapping[str, str], given: Mapping[str, Any]) -> Caller:
    """Read what calls need; a value that is not plainly one is left to `CliSettings`, which takes or refuses it.

    Args:
        environment: The process's variables; their case does not matter.
        given: Settings of the command line, by name; they come first.

    Raises:
        SettingsError: some cannot be used.
    """
    plain = _plain(environment, given)
    if plain is not None:
        return plain
    from miyabi_cli.settings import CliSettings  # noqa: PLC0415 - it costs more than all that a call needs

    return caller_of(CliSettings.read(given))


def _plain(environment: Mapping[str, str], given: Mapping[str, Any]) -> Caller | None:
    """Return what calls need; None where a value is not plainly one."""
    known = {name.upper(): value for name, value in environment.items()}
    found: dict[str, Any] = {}
    for name, variables in VARIABLES.items():
        text = given.get(name, next((known[variable] for variable in variables if variable in known), None))
        if text is None:
            continue
        value = _value(name, str(text))
        if value is None:
            return None
        found[name] = value
    return Caller(**found)


def _value(name: str, text: str) -> Any:
    """Return a setting's value; None where it is not plain."""
    if name == "allow_plaintext":
        return _YES_OR_NO.get(text.lower())
    if name == "dashboard_url":
        return text if _PAGE.fullmatch(text) else None
    if name == "token":
        return lambda: text
    if name == "tls_ca_file" and text == "system":
        return text
    return Path(text) if name.endswith("_file") else text
