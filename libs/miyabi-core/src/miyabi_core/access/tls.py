"""TLS from files: certificates of servers are read again when they are rotated."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Literal

import grpc

from miyabi_core.access.secret_file import bad_file, read_file
from miyabi_core.access.watched_file import CHECK_INTERVAL, WatchedFiles
from miyabi_core.errors import FailedPreconditionError
from miyabi_core.logging import get_logger

#: Stands for the certificate authorities that the platform trusts.
SYSTEM = "system"
_LOG = get_logger(__name__)


@dataclass(frozen=True)
class CertificateFiles:
    """A server's certificate with its chain and key (PEM), and who signs its clients' certificates."""

    certificate: Path
    key: Path
    client_ca: Path | None = None
    #: How often the files are looked at.
    interval: timedelta = CHECK_INTERVAL


def server_credentials(files: CertificateFiles) -> grpc.ServerCredentials:
    """Return credentials that follow the files: each handshake asks whether they were replaced.

    With a client CA every client has to show a certificate that it signed.

    Raises:
        FailedPreconditionError: a file is missing.
    """
    paths = [path for path in (files.certificate, files.key, files.client_ca) if path is not None]
    watched = WatchedFiles(paths, interval=files.interval)

    def fetch() -> Any:
        if not watched.changed():
            return None  # gRPC keeps the one that it has
        try:
            return _configuration(files)
        except FailedPreconditionError as error:
            _LOG.error("certificates.refused", problem=error.message)
            return None

    credentials: grpc.ServerCredentials = grpc.dynamic_ssl_server_credentials(
        _configuration(files), fetch, require_client_authentication=files.client_ca is not None
    )
    return credentials


def _configuration(files: CertificateFiles) -> Any:
    """Read the files for gRPC."""
    pair = (read_file(files.key), read_file(files.certificate))
    roots = read_file(files.client_ca) if files.client_ca is not None else None
    return grpc.ssl_server_certificate_configuration([pair], root_certificates=roots)


def channel_credentials(
    ca: Path | Literal["system"], *, certificate: Path | None = None, key: Path | None = None
) -> grpc.ChannelCredentials:
    """Return credentials of a client; gRPC reads them once, so a rotated client certificate wants a restart.

    Args:
        ca: Who signs the servers' certificates; `system`: whom the platform trusts.
        certificate: The client's own certificate with its chain, for servers that ask for one.
        key: Its key.

    Raises:
        FailedPreconditionError: a file is missing, or only one of certificate and key is given.
    """
    if (certificate is None) != (key is None):
        raise FailedPreconditionError("a certificate needs its key, and a key its certificate", reason="BAD_SETTING")
    return grpc.ssl_channel_credentials(
        root_certificates=None if ca == SYSTEM else read_file(Path(ca)),
        private_key=read_file(key) if key is not None else None,
        certificate_chain=read_file(certificate) if certificate is not None else None,
    )


def http_context(files: CertificateFiles) -> ssl.SSLContext:
    """Return a context for an HTTP server that follows the files; HTTP clients show tokens, not certificates.

    Raises:
        FailedPreconditionError: a file is missing or is no certificate with its key.
    """
    watched = WatchedFiles([files.certificate, files.key], interval=files.interval)
    current = _http_context(files)

    def hello(socket: ssl.SSLObject | ssl.SSLSocket, _name: str | None, _context: ssl.SSLContext) -> None:
        nonlocal current
        if watched.changed():
            try:
                current = _http_context(files)
            except FailedPreconditionError as error:
                _LOG.error("certificates.refused", problem=error.message)
        socket.context = current

    outer = _http_context(files)
    outer.sni_callback = hello
    return outer


def _http_context(files: CertificateFiles) -> ssl.SSLContext:
    """Read the files for the standard library."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    try:
        context.load_cert_chain(files.certificate, files.key)
    except OSError as error:  # ssl.SSLError is one
        raise bad_file(files.certificate, error) from error
    return context
