"""Which hosts the fetch proxy passes: the public package indexes of `hosts.yaml`, and the operator's own."""

from __future__ import annotations

import base64
import ipaddress
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from importlib import resources
from urllib.parse import unquote, urlsplit

import yaml

#: Stands for the hosts of `hosts.yaml` in the operator's list.
DEFAULT = "default"
#: Port of the public indexes.
HTTPS_PORT = 443


@dataclass(frozen=True)
class AllowedHost:
    """One host that may be reached."""

    host: str  #: exact name in lower case, or an address in its canonical form
    port: int
    tls: bool  #: by CONNECT, and only with TLS; else by plain requests only
    #: The operator named it by its URL: it may lie on this machine or in a private network.
    named: bool = False
    #: What the proxy adds to a plain request, so that the sandbox need not know it.
    authorization: str = field(default="", repr=False)


def public_hosts() -> Mapping[str, str]:
    """Return the public hosts with the reason of each."""
    text = resources.files("miyabi_agents.environments.proxy").joinpath("hosts.yaml").read_text("utf-8")
    return {str(host): str(reason) for host, reason in yaml.safe_load(text).items()}


class AllowedHosts:
    """The list.

    Args:
        hosts: Names that are reached by TLS on port 443; `default` stands for those of `hosts.yaml`.
        indexes: URLs of the operator's own indexes; user and password may be in them.

    Raises:
        ValueError: one of the URLs is none; it is not quoted, since it may hold a password.
    """

    def __init__(self, hosts: Iterable[str] = (DEFAULT,), *, indexes: Iterable[str] = ()) -> None:
        names = [name for host in hosts if host for name in (public_hosts() if host == DEFAULT else (host.lower(),))]
        known = [AllowedHost(name, HTTPS_PORT, tls=True) for name in names]
        # What the operator names by URL comes last and wins.
        self._by_target = {(one.host, one.port): one for one in [*known, *map(index_host, indexes)]}

    def find(self, host: str, port: int, *, tls: bool) -> AllowedHost | None:
        """Return the entry for exactly this host and port, reached in this way; None where it is not allowed."""
        found = self._by_target.get((host, port))
        return found if found is not None and found.tls == tls else None

    def __iter__(self) -> Iterator[AllowedHost]:
        return iter(self._by_target.values())


def index_host(url: str) -> AllowedHost:
    """Return the entry for an index of the operator's.

    Raises:
        ValueError: the URL is not http or https, or has no host.
    """
    parts = urlsplit(url.strip())
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError("an index of the operator's is no http or https URL")
    tls = parts.scheme == "https"
    return AllowedHost(
        host=_canonical(parts.hostname),
        port=parts.port or (HTTPS_PORT if tls else 80),
        tls=tls,
        named=True,
        authorization=_authorization(parts.username, parts.password),
    )


def without_user(url: str) -> str:
    """Return a URL without user and password: what the sandbox gets to know."""
    parts = urlsplit(url.strip())
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()


def is_address(host: str) -> bool:
    """Tell whether a host is an address and no name."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _canonical(host: str) -> str:
    """Return a host in the one form in which it is compared."""
    try:
        return str(ipaddress.ip_address(host))
    except ValueError:
        return host.lower()


def _authorization(user: str | None, password: str | None) -> str:
    """Return the Basic credential (RFC 7617) of a URL; empty where it has none."""
    if user is None:
        return ""
    text = f"{unquote(user)}:{unquote(password or '')}"
    return f"Basic {base64.b64encode(text.encode()).decode()}"
