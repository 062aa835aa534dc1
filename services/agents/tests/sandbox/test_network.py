"""What a command may connect to: nothing, its own loopback, or one port of a proxy."""

from __future__ import annotations

import asyncio
import os
import socket
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from miyabi_agents.errors import SandboxError
from miyabi_agents.ports import Network


@asynccontextmanager
async def echo(host: str = "127.0.0.1") -> AsyncIterator[tuple[int, list[int]]]:
    """Serve on this machine's loopback, answering in upper case; gives the port and what came, in bytes."""
    heard: list[int] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.append(0)
        while chunk := await reader.read(65536):
            heard[-1] += len(chunk)
            writer.write(chunk.upper())
            await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, host, 0)
    async with server:
        yield server.sockets[0].getsockname()[1], heard


TRY = """
import socket, sys
for family, kind, protocol in {sockets}:
    try: socket.socket(family, kind, protocol); print('GOT', family, kind)
    except OSError as error: print(error.strerror)
"""
#: Families, types and protocols that no command has: netlink, packet, vsock, AF_ALG, Bluetooth, raw, SCTP, MPTCP, Unix.
NEVER = "[(16, 3, 0), (17, 3, 0), (40, 1, 0), (38, 5, 0), (31, 1, 0), (2, 3, 1), (2, 1, 132), (2, 1, 262), (1, 1, 0), (1, 2, 0), (10, 3, 58), (1, 5, 0)]"
INTERNET = "[(2, 1, 0), (10, 1, 0), (2, 2, 0), (10, 2, 0)]"


@pytest.mark.parametrize("network", [Network.NONE, Network.LOOPBACK, Network.PROXY])
async def test_families_that_nobody_has(any_box: Any, network: Network) -> None:
    """Neither Unix sockets nor netlink, packets, raw sockets and the like can be opened."""
    result = await any_box.python(TRY.format(sockets=NEVER), network=network, proxy_port=9)
    assert (result.exit_code, "GOT" in result.output) == (0, False), result.output
    assert result.output.count("Permission denied") == 12


async def test_none_is_none(any_box: Any) -> None:
    """Without a network there is no TCP and no UDP."""
    result = await any_box.python(TRY.format(sockets=INTERNET), network=Network.NONE)
    assert (result.exit_code, result.output.count("Permission denied")) == (0, 4), result.output


async def test_loopback_is_missed_without_namespaces(box_of: Any) -> None:
    """Where there is no network namespace a loopback is refused rather than shared, and the result says so."""
    result = await box_of("plain").python(TRY.format(sockets=INTERNET))
    assert result.output.count("Permission denied") == 4
    assert "net-namespace" in result.missing_layers


async def test_loopback_of_its_own(apart_box: Any) -> None:
    """Servers and clients of a command meet, over IPv4 and IPv6, TCP and UDP; ours are not there."""
    code = """
import asyncio, socket, sys
async def main():
    async def answer(r, w):
        w.write((await r.readline()).upper()); await w.drain(); w.close()
    for host in ('127.0.0.1', '::1', 'localhost'):
        async with await asyncio.start_server(answer, host, 0) as server:
            r, w = await asyncio.open_connection(host, server.sockets[0].getsockname()[1])
            w.write(b'hello\\n'); print((await r.readline()).decode().strip()); w.close()
asyncio.run(main())
a = socket.socket(type=socket.SOCK_DGRAM); a.bind(('127.0.0.1', 0))
socket.socket(type=socket.SOCK_DGRAM).sendto(b'datagram', a.getsockname()); print(a.recv(20).decode())
try: socket.create_connection(('127.0.0.1', int(sys.argv[1])), 2); print('GOT')
except OSError as error: print(error.strerror)
"""
    async with echo() as (port, heard):
        result = await apart_box.python(code, str(port))
    assert result.output == "HELLO\nHELLO\nHELLO\ndatagram\nConnection refused\n"
    assert not heard


async def test_no_way_out(apart_box: Any) -> None:
    """Other addresses of this machine, and of others, are out of reach."""
    code = """
import socket
for address in ('10.0.0.1', '169.254.169.254', '8.8.8.8', '192.168.1.1'):
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
        s = socket.socket(type=kind); s.settimeout(2)
        try: s.connect((address, 53)); print('GOT', address)
        except OSError as error: print(error.strerror)
try: socket.getaddrinfo('example.com', 80); print('GOT name')
except OSError: print('no name')
"""
    result = await apart_box.python(code)
    assert result.output == "Network is unreachable\n" * 8 + "no name\n"


async def test_proxy_is_reached_and_nothing_else(any_box: Any) -> None:
    """One port of our loopback answers, through and through; others, UDP and listening do not."""
    code = """
import socket, sys, threading
proxy, other = int(sys.argv[1]), int(sys.argv[2])
def ask(n):
    s = socket.create_connection(('127.0.0.1', proxy), 20)
    sent = b'x' * n
    t = threading.Thread(target=lambda: (s.sendall(sent), s.shutdown(socket.SHUT_WR))); t.start()
    got = b''
    while chunk := s.recv(65536): got += chunk
    t.join(); print(len(got) == n and set(got) <= set(b'X'))
ask(5); ask(3_000_000)
for _ in range(20): ask(10)
for attempt in (lambda: socket.create_connection(('127.0.0.1', other), 2),
                lambda: socket.socket(type=socket.SOCK_DGRAM),
                lambda: socket.create_server(('127.0.0.1', 0)),
                lambda: socket.socket().listen(),
                lambda: socket.socket().sendto(b'x', 0x20000000, ('127.0.0.1', other))):
    try: attempt(); print('GOT')
    except OSError as error: print(error.errno in (1, 13))
"""
    async with echo() as (proxy, heard), echo() as (other, strange):
        result = await any_box.python(code, str(proxy), str(other), network=Network.PROXY, proxy_port=proxy)
    assert result.output == "True\n" * 27, result.output
    assert (sum(heard), strange) == (3_000_205, [])


async def test_proxy_only_at_our_loopback(apart_box: Any) -> None:
    """The proxy's port on another address leads nowhere, although Landlock knows no addresses."""
    code = """
import socket, sys
for address in ('127.0.0.2', '10.0.0.1', '169.254.169.254'):
    try: socket.create_connection((address, int(sys.argv[1])), 2); print('GOT')
    except OSError as error: print('refused')
"""
    async with echo("127.0.0.2") as (port, heard):
        result = await apart_box.python(code, str(port), network=Network.PROXY, proxy_port=port)
    assert (result.output, heard) == ("refused\n" * 3, [])


async def test_proxy_that_is_not_there(apart_box: Any) -> None:
    """Connections end at once where nobody listens outside."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    code = "import socket, sys; s = socket.create_connection(('127.0.0.1', int(sys.argv[1])), 5); print(s.recv(1))"
    result = await apart_box.python(code, str(port), network=Network.PROXY, proxy_port=port)
    assert "b''" in result.output or "reset" in result.output


@pytest.mark.parametrize("port", [0, -1, 65536])
async def test_a_port_that_is_none_is_refused(box: Any, port: int) -> None:
    """A proxy needs a port."""
    with pytest.raises(SandboxError) as caught:
        await box.python("", network=Network.PROXY, proxy_port=port)
    assert caught.value.code == "REFUSED"


async def test_unix_sockets_by_path_are_out_of_reach(any_box: Any) -> None:
    """A socket of this machine, as an engine's or a session bus's, is neither opened nor seen; a pair is."""
    code = """
import socket, sys
a, b = socket.socketpair(); a.send(b'pair'); print(b.recv(9).decode())
for path in sys.argv[1:]:
    try:
        s = socket.socket(socket.AF_UNIX); s.connect(path); print('GOT')
    except OSError: print('refused')
    try: a.sendto(b'x', path); print('GOT')
    except OSError: print('refused')
"""
    with tempfile.TemporaryDirectory() as folder, socket.socket(socket.AF_UNIX) as server:
        server.bind(f"{folder}/engine.sock")
        server.listen()
        own = any_box.tree / "s"
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as inside:
            here = os.open(any_box.tree, os.O_RDONLY)
            inside.bind(f"/proc/self/fd/{here}/s")
            os.close(here)
            result = await any_box.python(code, f"{folder}/engine.sock", str(own))
    assert result.output == "pair\n" + "refused\n" * 4
    assert Path(own).is_socket()
