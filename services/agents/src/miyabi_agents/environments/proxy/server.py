"""Serves one build on a loopback port of its own: passes package indexes, and says what it refused."""

from __future__ import annotations

import asyncio
import socket
from collections import Counter as Tally
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta

from prometheus_client import Counter

from miyabi_agents.environments.proxy.client_hello import MAX_HELLO_BYTES, HelloRefusedError, parse_hello
from miyabi_agents.environments.proxy.dialling import DialFailedError, Dialler, DialRefusedError, Streams
from miyabi_agents.environments.proxy.hosts import AllowedHost, AllowedHosts, is_address
from miyabi_agents.environments.proxy.http_head import MAX_HEAD_BYTES, HeadRefusedError, RequestHead, parse_head
from miyabi_agents.environments.proxy.relay import finish, relay
from miyabi_core.logging import get_logger
from miyabi_core.metrics import REGISTRY
from miyabi_core.text import shortened

REFUSED = Counter(
    "miyabi_agents_fetch_refused_total",
    "Requests of builds that the fetch proxy did not pass on, by why.",
    ["reason"],
    registry=REGISTRY,
)
FETCHED = Counter(
    "miyabi_agents_fetch_bytes_total", "Bytes that builds sent and got through the fetch proxy.", registry=REGISTRY
)
#: Different targets that are kept of what one build was refused; the rest is counted.
MAX_NOTED = 20

_LOG = get_logger(__name__)


@dataclass(frozen=True)
class ProxyLimits:
    """What one build may use of the proxy."""

    connections: int = 128  #: at once; uv opens 50, npm fewer; more of them wait
    all_bytes: int = 8 << 30  #: both ways; a build's folder may grow to 6 GiB
    head: timedelta = timedelta(seconds=10)  #: for the whole head, and again for the ClientHello
    idle: timedelta = timedelta(seconds=60)  #: without a byte in either direction


class FetchRefusedError(Exception):
    """A request is not passed on."""

    def __init__(self, reason: str, message: str, *, target: str = "", in_tunnel: bool = False) -> None:
        super().__init__(message)
        self.reason = reason
        self.target = target
        #: The tunnel is open on our side: closing it says all that can be said.
        self.in_tunnel = in_tunnel


@dataclass
class FetchSession:
    """What one build did with its port."""

    label: str  #: for the log: which build
    port: int
    limits: ProxyLimits
    #: What was asked for and refused, with how often; at most `MAX_NOTED` different ones.
    refused: Tally[str] = field(default_factory=Tally)
    #: An allowed host could not be reached, or broke off: the build may work another time.
    network_trouble: bool = False
    carried: int = 0

    @property
    def refusals(self) -> Sequence[str]:
        """What was refused, for a person: `example.com:443 (not a package index)`."""
        return tuple(self.refused)

    def note(self, error: FetchRefusedError) -> None:
        """Note a refusal."""
        REFUSED.labels(error.reason).inc()
        text = f"{error.target or 'a request'} ({error})"
        if text in self.refused or len(self.refused) < MAX_NOTED:
            if text not in self.refused:
                _LOG.warning(
                    "fetch.refused", build=self.label, target=error.target, reason=error.reason, why=str(error)
                )
            self.refused[text] += 1

    def count(self, size: int) -> bool:
        """Count bytes; False where the build has used up what it may."""
        self.carried += size
        FETCHED.inc(size)
        if self.carried <= self.limits.all_bytes:
            return True
        self.note(FetchRefusedError("bytes", f"more than {self.limits.all_bytes >> 20} MiB", target="the rest"))
        return False


class FetchProxy:
    """Gives each build a loopback port of its own, for as long as a step of it runs.

    A port a build, and no password: what connects there is that build, whatever its client can or cannot do.

    Args:
        hosts: What is passed.
        dialler: Opens connections to it.
        limits: What one build may use.
    """

    def __init__(
        self, hosts: AllowedHosts, *, dialler: Dialler | None = None, limits: ProxyLimits | None = None
    ) -> None:
        self._hosts = hosts
        self._dialler = dialler or Dialler()
        self._limits = limits or ProxyLimits()

    @asynccontextmanager
    async def session(self, label: str) -> AsyncIterator[FetchSession]:
        """Listen for one build; every connection of it ends with the block.

        Raises:
            OSError: no port can be had.
        """
        with socket.create_server(("127.0.0.1", 0), backlog=self._limits.connections) as listener:
            listener.setblocking(False)
            session = FetchSession(label, listener.getsockname()[1], self._limits)
            failure: Exception | None = None
            async with asyncio.TaskGroup() as group:
                serving = group.create_task(self._serve(listener, session))
                try:
                    yield session
                except Exception as error:  # noqa: BLE001 - it goes on below, not wrapped into the group's
                    failure = error
                finally:
                    serving.cancel()
            if failure is not None:
                raise failure

    async def _serve(self, listener: socket.socket, session: FetchSession) -> None:
        """Accept connections, as many as may be open at once."""
        loop = asyncio.get_running_loop()
        places = asyncio.Semaphore(self._limits.connections)

        async def serve_one(accepted: socket.socket) -> None:
            try:
                await self._connected(accepted, session)
            except Exception:  # noqa: BLE001 - what one connection meets must not end the build and all others
                session.network_trouble = True
                _LOG.exception("fetch.connection_crashed", label=session.label)
            finally:
                places.release()

        async with asyncio.TaskGroup() as group:
            while True:
                await places.acquire()
                try:
                    accepted, _ = await loop.sock_accept(listener)
                except OSError:
                    # Out of descriptors, or the peer is gone already: the next one may work.
                    places.release()
                    await asyncio.sleep(0.05)
                    continue
                group.create_task(serve_one(accepted))

    async def _connected(self, accepted: socket.socket, session: FetchSession) -> None:
        """Serve one connection: one request, or one tunnel."""
        reader, writer = await asyncio.open_connection(sock=accepted, limit=MAX_HEAD_BYTES)
        try:
            await self._request((reader, writer), session)
        except FetchRefusedError as error:
            session.note(error)
            if not error.in_tunnel:
                _answer(writer, 403, f"refused: {error}")
        except DialFailedError as error:
            session.network_trouble = True
            _answer(writer, 502, str(error))
        except (OSError, TimeoutError):
            # The client went away, or kept a connection that it does not use; it says so itself where that matters.
            pass
        finally:
            await finish(writer, patience=self._limits.head)

    async def _request(self, client: Streams, session: FetchSession) -> None:
        """Read what is wanted, and pass it on where it may be.

        Raises:
            FetchRefusedError: it may not.
            DialFailedError: the host cannot be reached.
            TimeoutError: nobody said anything for too long.
        """
        head = await self._head(client[0])
        if head is None:
            return
        tls = head.method == "CONNECT"
        allowed = self._hosts.find(head.host, head.port, tls=tls)
        if allowed is None:
            raise FetchRefusedError("host", "not a package index", target=head.target)
        try:
            server = await self._dialler.open(allowed)
        except DialRefusedError as error:
            raise FetchRefusedError("address", str(error), target=head.target) from error
        try:
            first = await self._opening(client, head) if tls else self._plain(head, allowed)
            if not session.count(len(first)):
                return
            server[1].write(first)
            if not await relay(client, server, idle=self._limits.idle, count=session.count):
                session.network_trouble = True
        finally:
            if not server[1].transport.is_closing():
                server[1].transport.abort()

    async def _head(self, reader: asyncio.StreamReader) -> RequestHead | None:
        """Read a head; None where the client hung up without one.

        Raises:
            FetchRefusedError: it is late, too long or malformed.
        """
        try:
            async with asyncio.timeout(self._limits.head.total_seconds()):
                return parse_head(await reader.readuntil(b"\r\n\r\n"))
        except asyncio.IncompleteReadError:
            return None
        except asyncio.LimitOverrunError as error:
            raise FetchRefusedError("head", "the head is too long") from error
        except TimeoutError as error:
            raise FetchRefusedError("slow", "the head came too slowly") from error
        except HeadRefusedError as error:
            raise FetchRefusedError("head", str(error), target=error.target) from error

    async def _opening(self, client: Streams, head: RequestHead) -> bytes:
        """Open the tunnel on our side, and return the ClientHello that comes through it, once it names the host.

        Raises:
            FetchRefusedError: it names another, or none, or is no ClientHello.
        """
        reader, writer = client
        writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        await writer.drain()
        data, hello = b"", None
        try:
            async with asyncio.timeout(self._limits.head.total_seconds()):
                while hello is None:
                    chunk = await reader.read(MAX_HELLO_BYTES)
                    data += chunk
                    if not chunk or len(data) > 2 * MAX_HELLO_BYTES:
                        raise FetchRefusedError("tls", "no ClientHello came", target=head.target, in_tunnel=True)
                    hello = parse_hello(data)
        except TimeoutError as error:
            raise FetchRefusedError("slow", "no ClientHello in time", target=head.target, in_tunnel=True) from error
        except HelloRefusedError as error:
            raise FetchRefusedError("tls", str(error), target=head.target, in_tunnel=True) from error
        # An address is never named there (RFC 6066, section 3).
        if hello.name != ("" if is_address(head.host) else head.host):
            raise FetchRefusedError("tls", f"TLS names {_plain_name(hello.name)}", target=head.target, in_tunnel=True)
        return data

    def _plain(self, head: RequestHead, allowed: AllowedHost) -> bytes:
        """Write the head of a plain request as it goes to the index, or to the machine's proxy."""
        outer = self._dialler.outer_for(allowed)
        authority = head.host if head.port == 80 else head.target
        fields = {name: value for name, value in head.fields.items() if name != "authorization"}
        fields |= {"host": authority, "connection": "close"}
        if allowed.authorization:
            fields["authorization"] = allowed.authorization
        if outer is not None and outer.authorization:
            fields["proxy-authorization"] = outer.authorization
        target = f"http://{authority}{head.path}" if outer is not None else head.path
        lines = [f"{head.method} {target} HTTP/1.1", *(f"{name}: {value}" for name, value in fields.items())]
        return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


def _plain_name(name: str) -> str:
    """Return a server's name as it may be shown."""
    return shortened("".join(char if char.isalnum() or char in ".-_" else "?" for char in name), 100) or "no server"


def _answer(writer: asyncio.StreamWriter, status: int, text: str) -> None:
    """Write an answer of the proxy's own; where a tunnel is open already, closing it says enough."""
    body = f"miyabi's fetch proxy: {text}\n".encode()
    reason = {403: "Forbidden", 502: "Bad Gateway"}[status]
    head = f"HTTP/1.1 {status} {reason}\r\nContent-Type: text/plain\r\nContent-Length: {len(body)}\r\nConnection: close"
    writer.write(f"{head}\r\n\r\n".encode() + body)
