"""What the fetch proxy passes and what it refuses, seen from its port."""

from __future__ import annotations

import asyncio
import datetime as dt
import socket
import ssl
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from miyabi_agents.environments.proxy import AllowedHosts, Dialler, FetchProxy, FetchSession, OuterProxy, ProxyLimits
from miyabi_agents.environments.proxy.relay import finish


class Server:
    """A real server that keeps what it was sent, and answers with one page."""

    def __init__(self) -> None:
        self.requests: list[bytes] = []
        self.connections = 0
        self.port = 0
        self.page = b"hello"

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            self.requests.append(await reader.readuntil(b"\r\n\r\n"))
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(self.page), self.page))
            await writer.drain()
        except (OSError, asyncio.IncompleteReadError):
            pass
        writer.close()


@asynccontextmanager
async def serving(*, tls: ssl.SSLContext | None = None) -> AsyncIterator[Server]:
    """Serve on a port of loopback."""
    made = Server()
    server = await asyncio.start_server(made.answer, "127.0.0.1", 0, ssl=tls)
    made.port = server.sockets[0].getsockname()[1]
    async with server:
        yield made


@pytest.fixture(scope="module")
def certificate(tmp_path_factory) -> Path:
    """Give a certificate for `localhost`, signed by itself, with its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
        .serial_number(x509.random_serial_number()).not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost"), x509.DNSName("evil.test")]), critical=False)
        .sign(key, hashes.SHA256())
    )  # fmt: skip
    path = tmp_path_factory.mktemp("tls") / "both.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(private + made.public_bytes(serialization.Encoding.PEM))
    return path


@asynccontextmanager
async def proxied(
    *indexes: str, hosts: Sequence[str] = (), dialler: Dialler | None = None, **limits: object
) -> AsyncIterator[FetchSession]:
    """Open a port of a proxy that passes some indexes."""
    allowed = AllowedHosts(hosts, indexes=indexes)
    chosen = ProxyLimits(**{"head": timedelta(seconds=5), **limits})  # type: ignore[arg-type]
    async with FetchProxy(allowed, dialler=dialler, limits=chosen).session("test") as session:
        yield session


async def ask(session: FetchSession, head: str) -> bytes:
    """Send a head and return all that comes back."""
    reader, writer = await asyncio.open_connection("127.0.0.1", session.port)
    writer.write(f"{head}\r\n\r\n".encode())
    answer = await reader.read()
    writer.close()
    return answer


async def tunnel(session: FetchSession, target: str, *, name: str, certificate: Path) -> bytes:
    """Open a tunnel, speak TLS through it with *name*, and return the page that comes back."""
    reader, writer = await asyncio.open_connection("127.0.0.1", session.port)
    writer.write(f"CONNECT {target} HTTP/1.1\r\n\r\n".encode())
    assert b" 200 " in await reader.readuntil(b"\r\n\r\n")
    context = ssl.create_default_context(cafile=str(certificate))
    await writer.start_tls(context, server_hostname=name)
    writer.write(b"GET / HTTP/1.1\r\n\r\n")
    answer = await reader.read()
    writer.close()
    return answer


async def test_operators_plain_index_is_passed() -> None:
    """A plain request reaches the operator's index with our Host, its credential, and nothing that names the proxy."""
    async with serving() as server, proxied(f"http://user:secret@127.0.0.1:{server.port}/simple/") as session:
        answer = await ask(
            session,
            f"GET http://127.0.0.1:{server.port}/simple/x/ HTTP/1.1\r\nHost: evil\r\nAuthorization: mine\r\nX: y",
        )
        assert answer.endswith(b"hello")
        sent = server.requests[0].decode().lower().split("\r\n")
        assert sent[0] == "get /simple/x/ http/1.1"
        assert sorted(line for line in sent[1:] if line) == sorted(
            [f"host: 127.0.0.1:{server.port}", "x: y", "connection: close", "authorization: basic dxnlcjpzzwnyzxq="]
        )
        assert (session.refusals, session.network_trouble) == ((), False)


async def test_tls_is_passed(certificate: Path) -> None:
    """A tunnel to an allowed host carries TLS that names it, end to end."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    async with serving(tls=context) as server, proxied(f"https://localhost:{server.port}/") as session:
        server.page = b"x" * 3_000_000
        answer = await tunnel(session, f"localhost:{server.port}", name="localhost", certificate=certificate)
        assert len(answer) > 3_000_000
        assert session.carried > 3_000_000
        assert session.refusals == ()


async def test_tls_that_names_another_is_refused(certificate: Path) -> None:
    """TLS through a tunnel must name the tunnel's host; else not a byte of it is passed on."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    async with serving(tls=context) as server, proxied(f"https://localhost:{server.port}/") as session:
        target = f"localhost:{server.port}"
        with pytest.raises((OSError, asyncio.IncompleteReadError)):
            await tunnel(session, target, name="evil.test", certificate=certificate)
        assert session.refusals == (f"{target} (TLS names evil.test)",)
        assert server.requests == []


async def test_what_is_no_tls_is_refused_in_a_tunnel() -> None:
    """Nothing but TLS goes through a tunnel."""
    async with serving() as server, proxied(f"https://localhost:{server.port}/") as session:
        reader, writer = await asyncio.open_connection("127.0.0.1", session.port)
        writer.write(f"CONNECT localhost:{server.port} HTTP/1.1\r\n\r\nGET / HTTP/1.1\r\n\r\n".encode())
        answer = await reader.read()
        writer.close()
        assert answer == b"HTTP/1.1 200 Connection established\r\n\r\n"
        assert session.refusals == (f"localhost:{server.port} (this is no TLS)",)
        assert server.requests == []


@pytest.mark.parametrize(
    ("head", "refused"),
    [
        ("CONNECT example.com:443 HTTP/1.1", "example.com:443 (not a package index)"),
        ("CONNECT pypi.org:22 HTTP/1.1", "pypi.org:22 (not a package index)"),
        ("CONNECT 127.0.0.1:443 HTTP/1.1", "127.0.0.1:443 (not a package index)"),
        ("CONNECT 2130706433:443 HTTP/1.1", "2130706433:443 (not a package index)"),
        ("CONNECT 0x7f000001:443 HTTP/1.1", "0x7f000001:443 (not a package index)"),
        ("CONNECT 0177.1:443 HTTP/1.1", "0177.1:443 (not a package index)"),
        ("CONNECT [::1]:443 HTTP/1.1", "[::1]:443 (the port is none, or the host is an address in brackets)"),
        ("GET http://pypi.org/simple/ HTTP/1.1", "pypi.org:80 (not a package index)"),
        ("GET http://169.254.169.254/latest/ HTTP/1.1", "169.254.169.254:80 (not a package index)"),
        ("POST http://pypi.org/ HTTP/1.1", "http://pypi.org/ (the method POST is not passed on)"),
        ("GET http://a\u202e@b/ HTTP/1.1", "a request (the request line is malformed)"),
    ],
)
async def test_refusal_is_named(head: str, refused: str) -> None:
    """Every other host, port, address and method is refused, and the build's refusals say which."""
    async with proxied(hosts=["default"]) as session:
        answer = await ask(session, head)
        assert answer.startswith(b"HTTP/1.1 403 ")
        assert session.refusals == (refused,)
        assert not session.network_trouble


@pytest.mark.parametrize(
    "found", [["127.0.0.1"], ["10.1.2.3"], ["169.254.169.254"], ["93.184.216.34", "::1"], ["::ffff:192.168.0.1"]]
)
async def test_name_that_leads_near_is_refused(found: list[str]) -> None:
    """An allowed name whose addresses, even one of them, lie here or in a private network is not connected to."""

    async def resolve(_host: str, _port: int) -> list[str]:
        return found

    async with proxied(hosts=["index.test"], dialler=Dialler(resolve=resolve)) as session:
        answer = await ask(session, "CONNECT index.test:443 HTTP/1.1")
        assert answer.startswith(b"HTTP/1.1 403 ")
        assert "private network" in session.refusals[0]


async def test_name_is_looked_up_once() -> None:
    """The address that was checked is the one that is connected to: a second answer of the resolver changes nothing."""
    asked = []

    async def resolve(host: str, _port: int) -> list[str]:
        asked.append(host)
        return ["127.0.0.1"] if len(asked) == 1 else ["127.0.0.2"]

    async with (
        serving() as server,
        proxied(f"http://index.test:{server.port}/", dialler=Dialler(resolve=resolve)) as session,
    ):
        assert (await ask(session, f"GET http://index.test:{server.port}/ HTTP/1.1")).endswith(b"hello")
        assert asked == ["index.test"]


async def test_host_out_of_reach_is_trouble_of_the_network() -> None:
    """An index that does not answer is no refusal: the build may work another time."""
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    async with proxied(f"http://127.0.0.1:{port}/") as session:
        assert (await ask(session, f"GET http://127.0.0.1:{port}/ HTTP/1.1")).startswith(b"HTTP/1.1 502 ")
        assert (session.network_trouble, session.refusals) == (True, ())


async def test_slow_and_long_heads_are_refused() -> None:
    """A head that drips, or does not end, is refused."""
    async with proxied(head=timedelta(milliseconds=200)) as session:
        reader, writer = await asyncio.open_connection("127.0.0.1", session.port)
        writer.write(b"CONNECT pypi")
        assert b"too slowly" in await reader.read()
        writer.close()
        assert b"too long" in await ask(session, "GET http://x/" + "a" * 20_000 + " HTTP/1.1")


async def test_silence_ends_a_connection() -> None:
    """A connection without a byte for the idle time is closed, and that is no refusal."""

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    server = await asyncio.start_server(silent, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server, proxied(f"http://127.0.0.1:{port}/", idle=timedelta(milliseconds=200)) as session:
        assert await ask(session, f"GET http://127.0.0.1:{port}/ HTTP/1.1") == b""
        assert session.refusals == ()


async def test_bytes_of_a_build_are_limited() -> None:
    """Beyond its bytes a build gets nothing more, and its refusals say so."""
    async with serving() as server, proxied(f"http://127.0.0.1:{server.port}/", all_bytes=100_000) as session:
        server.page = b"x" * 1_000_000
        answer = await ask(session, f"GET http://127.0.0.1:{server.port}/ HTTP/1.1")
        assert len(answer) <= 100_000
        assert session.refusals == ("the rest (more than 0 MiB)",)


async def test_connections_are_limited_and_wait() -> None:
    """More connections than may be open at once wait for their turn."""
    async with serving() as server, proxied(f"http://127.0.0.1:{server.port}/", connections=2) as session:
        head = f"GET http://127.0.0.1:{server.port}/ HTTP/1.1"
        answers = await asyncio.gather(*(ask(session, head) for _ in range(20)))
        assert all(answer.endswith(b"hello") for answer in answers)


async def test_last_bytes_that_go_out_late_end_well() -> None:
    """A connection that is closed with bytes still to send ends without an error, and nothing of them is lost."""
    near, far = socket.socketpair()
    far.setblocking(False)
    _, writer = await asyncio.open_connection(sock=near)
    content = b"x" * (4 << 20)
    writer.write(content)
    assert writer.transport.get_write_buffer_size() > 0
    received = bytearray()
    async with asyncio.TaskGroup() as group:
        group.create_task(finish(writer, patience=timedelta(seconds=20)))
        while chunk := await asyncio.get_running_loop().sock_recv(far, 1 << 20):
            received += chunk
    far.close()
    assert received == content


async def test_a_reader_that_stands_still_is_cut() -> None:
    """A connection whose other side takes nothing is cut when the patience is over."""
    near, far = socket.socketpair()
    _, writer = await asyncio.open_connection(sock=near)
    writer.write(b"x" * (4 << 20))
    await finish(writer, patience=timedelta(milliseconds=50))
    assert writer.transport.is_closing()
    far.close()


async def test_session_ends_its_connections() -> None:
    """When a build's step ends its port is closed, and whatever still hangs there is cut."""
    async with proxied() as session:
        reader, writer = await asyncio.open_connection("127.0.0.1", session.port)
    with suppress(ConnectionResetError):
        assert await reader.read() == b""
    writer.close()
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", session.port)


async def test_errors_of_the_block_go_on_as_they_are() -> None:
    """What is raised in the block of a session comes out of it unwrapped."""
    with pytest.raises(KeyError):
        async with proxied():
            raise KeyError("x")


async def test_refusals_are_bounded() -> None:
    """A build that asks for a thousand hosts has a bounded list of them."""
    async with proxied() as session:
        for number in range(60):
            await ask(session, f"CONNECT host{number}.test:443 HTTP/1.1")
        assert len(session.refusals) == 20


async def test_machines_own_proxy_is_used() -> None:
    """Where the machine has a proxy, allowed hosts are asked for there, by name and with its credential."""
    async with serving() as outer:
        dialler = Dialler(OuterProxy.of(f"http://me:pw@127.0.0.1:{outer.port}", no_proxy="near.test"))
        async with proxied("http://index.test/simple/", hosts=["pypi.org"], dialler=dialler) as session:
            await ask(session, "GET http://index.test/simple/ HTTP/1.1")
            reader, writer = await asyncio.open_connection("127.0.0.1", session.port)
            writer.write(b"CONNECT pypi.org:443 HTTP/1.1\r\n\r\n")
            assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 200 Connection established\r\n\r\n"
            writer.close()
        plain, tunnelled = (request.decode().lower() for request in outer.requests)
        assert plain.startswith("get http://index.test/simple/ http/1.1\r\n")
        assert tunnelled.startswith("connect pypi.org:443 http/1.1\r\n")
        assert all("proxy-authorization: basic bwu6chc=" in request for request in (plain, tunnelled))
