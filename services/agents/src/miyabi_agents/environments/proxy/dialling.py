"""Connects the fetch proxy to an allowed host: to an address that was checked, or by the machine's own proxy."""

from __future__ import annotations

import asyncio
import re
import socket
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from urllib.parse import urlsplit

from miyabi_agents.environments.proxy.addresses import is_near
from miyabi_agents.environments.proxy.hosts import AllowedHost, index_host, without_user

#: Longest wait for an address to answer, and for a name to be looked up.
CONNECT_TIMEOUT = timedelta(seconds=15)
#: Longest wait for one of several addresses: where IPv6 leads nowhere, IPv4 gets its turn.
ADDRESS_TIMEOUT = timedelta(seconds=5)
#: Most addresses of a name that are tried.
MAX_ADDRESSES = 6
#: Longest answer of the machine's proxy to CONNECT.
_MAX_ANSWER_BYTES = 16 * 1024
_ANSWER = re.compile(rb"HTTP/1\.[01] 2[0-9]{2}[ \r]")

#: A connection.
Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]
#: Looks a name up: host and port to addresses as the system writes them.
Resolve = Callable[[str, int], Awaitable[Sequence[str]]]


class DialRefusedError(Exception):
    """The host must not be connected to; the message says why."""


class DialFailedError(Exception):
    """The host could not be reached; worth another try."""


async def resolve_by_system(host: str, port: int) -> Sequence[str]:
    """Look a name up by the system's resolver.

    Raises:
        OSError: there is no such name, or no resolver.
    """
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(entry[4][0]) for entry in found]


@dataclass(frozen=True)
class OuterProxy:
    """The machine's own proxy, by which it reaches the network."""

    host: str
    port: int
    tls: bool
    authorization: str = field(default="", repr=False)
    #: Hosts that are reached without it: names, `.example.org` with all below, or `*`.
    without: Sequence[str] = ()

    @classmethod
    def of(cls, url: str, *, no_proxy: str = "") -> OuterProxy | None:
        """Read the values of HTTPS_PROXY and NO_PROXY; None where there is no proxy.

        Raises:
            ValueError: the URL is not http or https.
        """
        if not url.strip():
            return None
        entry = index_host(url if "://" in url else f"http://{url}")
        without = tuple(part.strip().lower() for part in no_proxy.split(",") if part.strip())
        default = 443 if entry.tls else 80
        port = urlsplit(without_user(url if "://" in url else f"http://{url}")).port or default
        return cls(entry.host, port, entry.tls, entry.authorization, without)

    def serves(self, host: str) -> bool:
        """Tell whether a host is reached by the proxy."""
        return not any(
            one == "*" or host == one.removeprefix(".") or host.endswith(f".{one.removeprefix('.')}")
            for one in self.without
        )


@dataclass(frozen=True)
class Dialler:
    """Opens connections.

    Args:
        outer: The machine's own proxy; it looks names up by itself, so that their addresses are its care.
        resolve: Looks names up.
    """

    outer: OuterProxy | None = None
    resolve: Resolve = resolve_by_system

    def outer_for(self, allowed: AllowedHost) -> OuterProxy | None:
        """Return the proxy by which a host is reached; None where it is reached directly."""
        return self.outer if self.outer is not None and self.outer.serves(allowed.host) else None

    async def open(self, allowed: AllowedHost) -> Streams:
        """Connect to a host; by the machine's proxy a tunnel is asked for where TLS is to be spoken.

        Raises:
            DialRefusedError: its name leads to an address near us, and the operator has not named it.
            DialFailedError: it could not be reached.
        """
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT.total_seconds()):
                outer = self.outer_for(allowed)
                if outer is None:
                    return await self._directly(allowed)
                return await _by_proxy(outer, allowed)
        except (OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError) as error:
            raise DialFailedError(f"{allowed.host}:{allowed.port} could not be reached") from error

    async def _directly(self, allowed: AllowedHost) -> Streams:
        """Look the name up once, check every address, and connect to one of those."""
        addresses = list(dict.fromkeys(await self.resolve(allowed.host, allowed.port)))[:MAX_ADDRESSES]
        if not allowed.named and any(map(is_near, addresses)):
            raise DialRefusedError("the name leads to an address on this machine or in a private network")
        failure: OSError = OSError("the name has no address")
        for address in addresses:
            try:
                async with asyncio.timeout(ADDRESS_TIMEOUT.total_seconds()):
                    return await asyncio.open_connection(address, allowed.port)
            except OSError as error:
                failure = error
        raise failure


async def _by_proxy(outer: OuterProxy, allowed: AllowedHost) -> Streams:
    """Connect to the machine's proxy, and through it where TLS is to be spoken."""
    reader, writer = await asyncio.open_connection(
        outer.host, outer.port, ssl=True if outer.tls else None, limit=_MAX_ANSWER_BYTES
    )
    try:
        if allowed.tls:
            target = f"{allowed.host}:{allowed.port}"
            shown = f"Proxy-Authorization: {outer.authorization}\r\n" if outer.authorization else ""
            writer.write(f"CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n{shown}\r\n".encode("latin-1"))
            _refuse_unless_open(await reader.readuntil(b"\r\n\r\n"))
    except BaseException:
        writer.close()
        raise
    return reader, writer


def _refuse_unless_open(answer: bytes) -> None:
    """Read the answer of the machine's proxy.

    Raises:
        ConnectionRefusedError: it has opened no tunnel.
    """
    if _ANSWER.match(answer) is None:
        raise ConnectionRefusedError("the machine's proxy refused")
