"""How servers know their callers and how callers make themselves known, put together from settings."""

from __future__ import annotations

import ipaddress
import re
import ssl
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

import grpc

from miyabi_core.errors import FailedPreconditionError
from miyabi_core.identities import Identities
from miyabi_core.secret_file import SecretFile
from miyabi_core.settings import CallerSettings, ServingSettings
from miyabi_core.tls import CertificateFiles, channel_credentials, http_context, read_file

#: A gRPC name: an optional resolver (with or without an authority), then host and port.
_TARGET = re.compile(r"^(?:(?:dns|ipv4|ipv6):(?://[^/]*/)?)?(?P<host>\[[^\]]*\]|[^:/]*)(?::\d+)?$")
#: Longest token; longer ones are a mistake in the file.
MAX_TOKEN_BYTES = 4096


@dataclass(frozen=True)
class ServerSecurity:
    """Who may call a server, and over what.

    Args:
        identities: None: identity is off, everyone is `local`.
        certificates: None: plain text.
        allow_anonymous: Serve beyond loopback without identity.
        allow_plaintext: Serve beyond loopback in plain text with identity.
        prefix: Of the settings, for errors.
    """

    identities: Identities | None = None
    certificates: CertificateFiles | None = None
    allow_anonymous: bool = False
    allow_plaintext: bool = False
    prefix: str = "MIYABI_"

    @classmethod
    def of(cls, settings: ServingSettings) -> Self:
        """Read what the settings name.

        Raises:
            FailedPreconditionError: a file is missing or cannot be understood, or a setting lacks its counterpart.
        """
        prefix = str(settings.model_config.get("env_prefix", ""))
        certificate, key = settings.tls_cert_file, settings.tls_key_file
        if (certificate is None) != (key is None):
            raise _bad(f"{prefix}TLS_CERT_FILE and {prefix}TLS_KEY_FILE go together")
        if settings.tls_client_ca_file is not None and certificate is None:
            raise _bad(f"{prefix}TLS_CLIENT_CA_FILE needs {prefix}TLS_CERT_FILE and {prefix}TLS_KEY_FILE")
        files = None
        if certificate is not None and key is not None:
            files = CertificateFiles(certificate, key, settings.tls_client_ca_file)
        return cls(
            identities=Identities(settings.identities_file) if settings.identities_file is not None else None,
            certificates=files,
            allow_anonymous=settings.allow_anonymous,
            allow_plaintext=settings.allow_plaintext,
            prefix=prefix,
        )

    def check(self, address: str) -> None:
        """Refuse to serve strangers.

        Args:
            address: host:port to serve at.

        Raises:
            FailedPreconditionError: it is not loopback, and identity is off or the connection is not encrypted.
        """
        if is_loopback(address):
            return
        if self.identities is None:
            if not self.allow_anonymous:
                raise _bad(
                    f"{address} is not loopback, so callers have to be known: set {self.prefix}IDENTITIES_FILE,"
                    f" or {self.prefix}ALLOW_ANONYMOUS=true where the network itself lets in only whom it should"
                )
        elif self.certificates is None and not self.allow_plaintext:
            raise _bad(
                f"{address} is not loopback, so tokens must not cross it in plain text: set {self.prefix}TLS_CERT_FILE"
                f" and {self.prefix}TLS_KEY_FILE, or {self.prefix}ALLOW_PLAINTEXT=true where the network encrypts"
            )

    def http_context(self, address: str) -> ssl.SSLContext | None:
        """Return what encrypts an HTTP server; None: plain text.

        Args:
            address: host:port to serve at.

        Raises:
            FailedPreconditionError: as `check`, or a file cannot be used.
        """
        self.check(address)
        return http_context(self.certificates) if self.certificates is not None else None


#: A server on loopback for the person at this machine; anywhere else it refuses to start.
LOCAL_ONLY = ServerSecurity()


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
    def of(cls, settings: CallerSettings) -> Self:
        """Read what the settings name.

        Raises:
            FailedPreconditionError: a file is missing, or a setting lacks its counterpart.
        """
        tls = None
        if settings.tls_ca_file is not None:
            tls = channel_credentials(
                settings.tls_ca_file, certificate=settings.tls_cert_file, key=settings.tls_key_file
            )
        return cls(
            tls=tls,
            token=_token_of(settings.identity_token_file) if settings.identity_token_file is not None else None,
            allow_plaintext=settings.allow_plaintext,
            prefix=str(settings.model_config.get("env_prefix", "")),
        )

    def check(self, target: str) -> None:
        """Refuse to give the token away.

        Args:
            target: gRPC name that calls go to.

        Raises:
            FailedPreconditionError: it is not loopback and the connection is not encrypted.
        """
        if self.token is not None and self.tls is None and not self.allow_plaintext and not is_loopback(target):
            raise _bad(
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
        raise _bad(f"{path} holds no token")
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


def _bad(message: str) -> FailedPreconditionError:
    """A setting is missing or contradicts another one."""
    return FailedPreconditionError(message, reason="BAD_SETTING")
