"""How a caller makes itself known to the services that it calls; imports nothing that only servers need."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, Protocol, Self
from urllib.parse import urlsplit

import grpc

from miyabi_core.access.secret_file import SecretFile, read_file
from miyabi_core.errors import FailedPreconditionError

#: A gRPC name: an optional resolver (with or without an authority), then host and port.
_TARGET = re.compile(r"^(?:(?:dns|ipv4|ipv6):(?://[^/]*/)?)?(?P<host>\[[^\]]*\]|[^:/]*)(?::\d+)?$")
#: Longest token; longer ones are a mistake in the file.
MAX_TOKEN_BYTES = 4096


class CallerValues(Protocol):
    """What of a caller's settings counts here; `CallerSettings` says what each is."""

    @property
    def tls_ca_file(self) -> Path | Literal["system"] | None:
        """Who signs the services' certificates."""

    @property
    def tls_cert_file(self) -> Path | None:
        """Own certificate."""

    @property
    def tls_key_file(self) -> Path | None:
        """Its key."""

    @property
    def identity_token_file(self) -> Path | None:
        """File with the bearer token."""

    @property
    def allow_plaintext(self) -> bool:
        """Let tokens cross a network in plain text."""

    @property
    def env_prefix(self) -> str:
        """What the names of the settings' variables begin with."""


@dataclass(frozen=True)
class ClientSecurity:
    """What a caller shows.

    Args:
        tls: None: plain text.
        token: Returns the bearer token that each call carries; None: none.
        allow_plaintext: Send the token in plain text beyond loopback.
        prefix: Of the settings, for errors.
    """

    tls: grpc.ChannelCredentials | None = None
    token: Callable[[], str] | None = None
    allow_plaintext: bool = False
    prefix: str = "MIYABI_"

    @classmethod
    def of(cls, settings: CallerValues) -> Self:
        """Read what the settings name.

        Raises:
            FailedPreconditionError: a file is missing, or a setting lacks its counterpart.
        """
        tls = None
        if settings.tls_ca_file is not None:
            from miyabi_core.access.tls import channel_credentials  # noqa: PLC0415 - callers in plain text do without its log

            tls = channel_credentials(
                settings.tls_ca_file, certificate=settings.tls_cert_file, key=settings.tls_key_file
            )
        return cls(
            tls=tls,
            token=_token_of(settings.identity_token_file) if settings.identity_token_file is not None else None,
            allow_plaintext=settings.allow_plaintext,
            prefix=settings.env_prefix,
        )

    def check(self, target: str) -> None:
        """Refuse to give the token away.

        Args:
            target: gRPC name that calls go to.

        Raises:
            FailedPreconditionError: it is not loopback and the connection is not encrypted.
        """
        if self.token is not None and self.tls is None and not self.allow_plaintext and not is_loopback(target):
            raise bad_setting(
                f"the token is not sent to {target} in plain text: set {self.prefix}TLS_CA_FILE,"
                f" or {self.prefix}ALLOW_PLAINTEXT=true where the network encrypts"
            )

    def token_for(self, url: str) -> Callable[[], str] | None:
        """Return the token for an HTTP server; None where there is none.

        Raises:
            FailedPreconditionError: the URL is plain HTTP to somewhere beyond loopback.
        """
        parts = urlsplit(url)
        if self.token is not None and parts.scheme != "https" and not self.allow_plaintext:
            replace(self, tls=None).check(parts.netloc)
        return self.token


def _token_of(path: Path) -> Callable[[], str]:
    """Return what reads a token from a file, again when it was replaced.

    Raises:
        FailedPreconditionError: the file is missing or holds no token.
    """
    content = read_file(path)
    token = content.decode("ascii", "replace").strip()
    if not token or len(content) > MAX_TOKEN_BYTES or not token.isprintable() or " " in token:
        raise bad_setting(f"{path} holds no token")
    return SecretFile(path).read


#: A caller that shows nothing.
PLAIN = ClientSecurity()


def is_loopback(address: str) -> bool:
    """Tell whether an address, or a gRPC name, is of this machine only.

    Args:
        address: For example `127.0.0.1:50051`, `[::1]:50051`, `localhost:50051`, `dns:///localhost:1`, `unix:/run/x`.
    """
    if address.startswith(("unix:", "unix-abstract:")):
        return True
    found = _TARGET.match(address)
    host = found["host"].strip("[]") if found else ""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def bad_setting(message: str) -> FailedPreconditionError:
    """A setting is missing or contradicts another one."""
    return FailedPreconditionError(message, reason="BAD_SETTING")
