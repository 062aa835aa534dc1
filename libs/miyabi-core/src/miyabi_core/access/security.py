"""How servers know their callers, put together from settings; how callers make themselves known: `client_security`."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from typing import Self

from miyabi_core.access.client_security import PLAIN, ClientSecurity, bad_setting, is_loopback
from miyabi_core.access.identities import Identities
from miyabi_core.access.tls import CertificateFiles, http_context
from miyabi_core.configuration.settings import ServingSettings

__all__ = ["LOCAL_ONLY", "PLAIN", "ClientSecurity", "ServerSecurity", "is_loopback"]


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
            raise bad_setting(f"{prefix}TLS_CERT_FILE and {prefix}TLS_KEY_FILE go together")
        if settings.tls_client_ca_file is not None and certificate is None:
            raise bad_setting(f"{prefix}TLS_CLIENT_CA_FILE needs {prefix}TLS_CERT_FILE and {prefix}TLS_KEY_FILE")
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
                raise bad_setting(
                    f"{address} is not loopback, so callers have to be known: set {self.prefix}IDENTITIES_FILE,"
                    f" or {self.prefix}ALLOW_ANONYMOUS=true where the network itself lets in only whom it should"
                )
        elif self.certificates is None and not self.allow_plaintext:
            raise bad_setting(
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
