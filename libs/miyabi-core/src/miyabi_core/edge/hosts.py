"""Reads what a request says of the server that it is for (`Host`, `Origin`), and tells whether that is us."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable
from dataclasses import dataclass

from miyabi_core.access.security import is_loopback
from miyabi_core.errors import FailedPreconditionError
from miyabi_core.text import shortened

#: Longer than any name (RFC 1035: 253), brackets, colon and port.
MAX_AUTHORITY = 300
#: The name of this machine for itself; browsers and resolvers keep it to loopback (RFC 6761).
LOCALHOST = "localhost"
#: A port where none is written, by the origin's scheme.
DEFAULT_PORTS = {"http": 80, "https": 443}
_LABEL = r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
_NAME = re.compile(rf"(?=.{{1,253}}\Z){_LABEL}(?:\.{_LABEL})*")
_PATTERN = re.compile(rf"(?:\*\.)?{_LABEL}(?:\.{_LABEL})*")
#: What browsers take for a number and rewrite to an address (WHATWG URL, "ends in a number").
_NUMBER = re.compile(r"(?:[0-9]+|0x[0-9a-f]*)")
_PORT = re.compile(r"[0-9]{0,5}")

_Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class BadHostError(ValueError):
    """The text names no host; RFC 9110 section 7.2 has its form."""


@dataclass(frozen=True, slots=True)
class Authority:
    """A host, and its port where one is written.

    Args:
        host: A name in lower case without a dot at its end, or an address in its one usual form without brackets.
        port: None where none is written.
    """

    host: str
    port: int | None = None

    @property
    def address(self) -> _Address | None:
        """The host as an address; None where it is a name."""
        try:
            return ipaddress.ip_address(self.host)
        except ValueError:
            return None

    def port_by(self, scheme: str) -> int:
        """Return the port, that of the scheme where none is written."""
        return DEFAULT_PORTS[scheme] if self.port is None else self.port


def parse_authority(text: str) -> Authority:
    """Read `host`, `host:port`, `[IPv6]` or `[IPv6]:port`, in any case, with or without a dot at the end of a name.

    Raises:
        BadHostError: it is none of these; also user information, zones, and addresses in forms that no browser sends.
    """
    if len(text) > MAX_AUTHORITY or not text.isascii():
        raise BadHostError("too long, or not ASCII")
    lowered = text.lower()
    if lowered.startswith("["):
        inside, bracket, rest = lowered[1:].partition("]")
        if not bracket or (rest and not rest.startswith(":")):
            raise BadHostError("a bracket is open")
        return Authority(_ipv6(inside), _port(rest[1:]))
    host, _, port = lowered.partition(":")
    return Authority(_name(host.removesuffix(".")), _port(port))


def parse_origin(text: str) -> tuple[str, Authority]:
    """Read an origin of the web: scheme and authority.

    Raises:
        BadHostError: it is none, is opaque (`null`), or is of another scheme than http and https.
    """
    scheme, separator, authority = text[: MAX_AUTHORITY + 10].partition("://")
    if not separator or scheme.lower() not in DEFAULT_PORTS:
        raise BadHostError("no origin of http or https")
    return scheme.lower(), parse_authority(authority)


def _ipv6(text: str) -> str:
    """Return an address in its usual form."""
    try:
        if "%" in text:
            raise BadHostError("an address with a zone")
        found = ipaddress.IPv6Address(text)
    except ipaddress.AddressValueError as error:
        raise BadHostError("no IPv6 address") from error
    return str(found.ipv4_mapped or found)


def _name(text: str) -> str:
    """Return a name, or an IPv4 address in its usual form."""
    if _NUMBER.fullmatch(text.rpartition(".")[2]):
        try:
            return str(ipaddress.IPv4Address(text))
        except ipaddress.AddressValueError as error:
            raise BadHostError("no IPv4 address") from error
    if _NAME.fullmatch(text) is None:
        raise BadHostError("no name of a host")
    return text


def _port(text: str) -> int | None:
    """Return a port; None where none is written."""
    if _PORT.fullmatch(text) is None or int(text or 0) > 65535:
        raise BadHostError("no port")
    return int(text) if text else None


class ServedHosts:
    """What a server serves as.

    Loopback addresses and `localhost` always; other addresses where it listens beyond loopback, since nobody can make a
    browser take an address for a page of his; and the names that are configured. A name that is not configured is
    refused, wherever the server listens: it may be a stranger's that points here (DNS rebinding).

    Args:
        address: host:port to listen at.
        names: Names beside it; `*.example.org` stands for every name below `example.org`.

    Raises:
        FailedPreconditionError: one of the names is none.
    """

    def __init__(self, address: str, names: Iterable[str] = ()) -> None:
        self._beyond_loopback = not is_loopback(address)
        exact, suffixes = {LOCALHOST, _listening_name(address)}, []
        for name in names:
            pattern = name.strip().lower().removesuffix(".")
            if _PATTERN.fullmatch(pattern) is None:
                raise FailedPreconditionError(
                    f"HTTP_HOSTS: {shortened(name, 100)!r} is no name of a host (no scheme, no port)",
                    reason="BAD_SETTING",
                )
            if pattern.startswith("*."):
                suffixes.append(pattern[1:])
            else:
                exact.add(pattern)
        self._exact = frozenset(exact)
        self._suffixes = tuple(suffixes)

    def __contains__(self, authority: Authority) -> bool:
        found = authority.address
        if found is not None:
            return found.is_loopback or (self._beyond_loopback and not found.is_multicast)
        return authority.host in self._exact or authority.host.endswith(self._suffixes)


def _listening_name(address: str) -> str:
    """Return the name to listen at; that of this machine where it is an address."""
    try:
        found = parse_authority(address)
    except BadHostError:
        return LOCALHOST
    return found.host if found.address is None else LOCALHOST


def names_of(setting: str) -> tuple[str, ...]:
    """Return the names of a setting that separates them by commas."""
    return tuple(name.strip() for name in setting.split(",") if name.strip())
