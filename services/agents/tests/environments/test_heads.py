"""What is read of a request before anything is passed on: heads, ClientHellos, addresses, lists of hosts."""

from __future__ import annotations

import ssl
import time
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from miyabi_agents.environments.proxy.addresses import is_near
from miyabi_agents.environments.proxy.client_hello import HelloRefusedError, parse_hello
from miyabi_agents.environments.proxy.dialling import OuterProxy
from miyabi_agents.environments.proxy.hosts import AllowedHosts, index_host, public_hosts, without_user
from miyabi_agents.environments.proxy.http_head import HeadRefusedError, parse_head


def hello_for(name: str | None) -> bytes:
    """Return the ClientHello that OpenSSL sends."""
    context = ssl.create_default_context()
    context.check_hostname = False
    sent = ssl.MemoryBIO()
    connection = context.wrap_bio(ssl.MemoryBIO(), sent, server_hostname=name)
    with pytest.raises(ssl.SSLWantReadError):
        connection.do_handshake()
    return sent.read()


def test_connect_is_read() -> None:
    """Host and port of a tunnel are read, the host in lower case."""
    head = parse_head(b"CONNECT PyPI.org:443 HTTP/1.1\r\nHost: other\r\nProxy-Connection: keep-alive\r\n\r\n")
    assert (head.method, head.target) == ("CONNECT", "pypi.org:443")


def test_plain_request_is_read() -> None:
    """Of a plain request path and end-to-end fields stay; what concerns a hop or its own Host goes."""
    head = parse_head(
        b"GET http://index.test:3141/simple/?a=b HTTP/1.1\r\nHost: evil\r\nAccept: a\r\nACCEPT: b\r\n"
        b"Connection: x\r\nProxy-Authorization: Basic eA==\r\nContent-Length: 0\r\n\r\n"
    )
    assert (head.target, head.path, dict(head.fields)) == ("index.test:3141", "/simple/?a=b", {"accept": "a, b"})


@pytest.mark.parametrize(
    "line",
    [
        "POST http://index.test/ HTTP/1.1",
        "OPTIONS * HTTP/1.1",
        "get http://index.test/ HTTP/1.1",
        "GET / HTTP/1.1",
        "GET https://index.test/ HTTP/1.1",
        "GET ftp://index.test/ HTTP/1.1",
        "GET http://user@index.test/ HTTP/1.1",
        "GET http://index.test@evil.test/ HTTP/1.1",
        "GET http://index.test\\@evil.test/ HTTP/1.1",
        "GET http://index.test/#x HTTP/1.1",
        "GET http://index.test:0/ HTTP/1.1",
        "GET http://index.test:080/ HTTP/1.1",
        "GET http://index.test:99999/ HTTP/1.1",
        "GET http://index.test/ HTTP/2.0",
        "GET  http://index.test/ HTTP/1.1",
        "CONNECT index.test HTTP/1.1",
        "CONNECT user:pw@index.test:443 HTTP/1.1",
        "CONNECT index.test:443/ HTTP/1.1",
        "CONNECT [::1]:443 HTTP/1.1",
        "CONNECT [::ffff:127.0.0.1]:443 HTTP/1.1",
        "CONNECT ::1:443 HTTP/1.1",
        "CONNECT index.test.:443 HTTP/1.1",
        "CONNECT index..test:443 HTTP/1.1",
        "CONNECT index%2etest:443 HTTP/1.1",
        "CONNECT index.test%00.evil.test:443 HTTP/1.1",
        "CONNECT \uff49ndex.test:443 HTTP/1.1",
        "CONNECT " + "a" * 254 + ":443 HTTP/1.1",
        "",
    ],
)
def test_head_is_refused(line: str) -> None:
    """Other methods, schemes, users, addresses in brackets and whatever can be read in two ways are refused."""
    with pytest.raises(HeadRefusedError):
        parse_head(line.encode() + b"\r\nHost: index.test\r\n\r\n")


@pytest.mark.parametrize(
    "field",
    [
        b"Content-Length: 5",
        b"Transfer-Encoding: chunked",
        b" folded",
        b"no colon",
        b"Na me: x",
        b"A: b\nC: d",
        b"A: \0",
    ],
)
def test_field_is_refused(field: bytes) -> None:
    """A body, folded lines, bare line feeds and malformed fields are refused."""
    with pytest.raises(HeadRefusedError):
        parse_head(b"GET http://index.test/ HTTP/1.1\r\n" + field + b"\r\n\r\n")


def test_too_many_fields_are_refused() -> None:
    """A head has so many fields and bytes, and no more."""
    for head in (b"A: b\r\n" * 65, b"A: " + b"b" * 20_000 + b"\r\n"):
        with pytest.raises(HeadRefusedError, match="too"):
            parse_head(b"GET http://index.test/ HTTP/1.1\r\n" + head + b"\r\n")


@pytest.mark.parametrize("name", ["pypi.org", "xn--bcher-kva.example", "localhost"])
def test_name_is_found_in_a_hello(name: str) -> None:
    """The name that OpenSSL sends is read, whole, byte by byte and in small records."""
    hello = hello_for(name)
    found = parse_hello(hello + b"more")
    assert found is not None
    assert found.name == name
    assert all(parse_hello(hello[:length]) is None for length in range(len(hello)))
    body = hello[5:]
    small = b"".join(hello[:3] + len(part).to_bytes(2, "big") + part for part in (body[:3], body[3:70], body[70:]))
    again = parse_hello(small)
    assert again is not None
    assert again.name == name


def test_hello_without_a_name() -> None:
    """A ClientHello that names nobody is read as such."""
    found = parse_hello(hello_for(None))
    assert found is not None
    assert found.name == ""


@pytest.mark.parametrize(
    "data",
    [b"GET / HTTP/1.1\r\n\r\n", b"SSH-2.0-x\r\n", b"\x16\x02\x00\x00\x01\x01", b"\x16\x03\x01\x00\x00", b"\x15\x03\x01\x00\x02\x01\x00",
     b"\x16\x03\x01\x00\x04\x02\x00\x00\x00", b"\x16\x03\x01\x00\x04\x01\xff\xff\xff", b"\x16\x03\x01\x00\x05\x01\x00\x00\x01\x00", b"\x16\x03\x01\xff\xff\x01"],
)  # fmt: skip
def test_what_is_no_hello_is_refused(data: bytes) -> None:
    """Other protocols, other records, other messages and what is cut short inside are refused."""
    with pytest.raises(HelloRefusedError):
        parse_hello(data)


def test_hidden_and_doubled_names_are_refused() -> None:
    """An encrypted ClientHello and two names are refused: what is passed on must be what was read."""
    name = b"\x00\x00\x00\x09\x00\x07\x00\x00\x04evil"
    for extensions in (b"\xfe\x0d\x00\x00", name + name, b"\x00\x00\x00\x10\x00\x0e" + b"\x00\x00\x04evil" * 2):
        body = bytes(34) + b"\x00" + b"\x00\x02\x13\x01" + b"\x01\x00" + len(extensions).to_bytes(2, "big") + extensions
        message = b"\x01" + len(body).to_bytes(3, "big") + body
        with pytest.raises(HelloRefusedError):
            parse_hello(b"\x16\x03\x01" + len(message).to_bytes(2, "big") + message)


@given(st.binary(max_size=3000))
def test_parsers_end_in_their_own_errors(data: bytes) -> None:
    """Whatever comes, a parser returns or refuses."""
    for parse, error in ((parse_head, HeadRefusedError), (parse_hello, HelloRefusedError)):
        with suppress(error):
            parse(data)


def test_long_heads_take_linear_time() -> None:
    """The worst of 16 KiB is read in some milliseconds."""
    worst = (
        b"GET http://" + b"a." * 4000 + b" HTTP/1.1\r\n",
        b"GET http://a/ HTTP/1.1\r\n" + b"A:" + b" \t" * 7000 + b"\x01\r\n",
    )
    began = time.process_time()
    for head in worst:
        with pytest.raises(HeadRefusedError):
            parse_head(head + b"\r\n")
    assert time.process_time() - began < 1


@pytest.mark.parametrize(
    "address",
    ["127.0.0.1", "127.9.9.9", "0.0.0.0", "10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1", "169.254.169.254",
     "100.64.0.1", "100.100.100.200", "224.0.0.1", "240.0.0.1", "255.255.255.255", "198.18.0.1", "::", "::1", "::127.0.0.1",
     "::ffff:127.0.0.1", "::ffff:10.0.0.1", "64:ff9b::7f00:1", "64:ff9b:1::1", "2002:7f00:1::", "2001:0:1::1", "fe80::1",
     "fe80::1%eth0", "fd00:ec2::254", "fec0::1", "ff02::1", "", "localhost", "0x7f.1", "2130706433"],
)  # fmt: skip
def test_address_is_near(address: str) -> None:
    """Loopback, private, link-local, carrier's, multicast and reserved addresses count as near, in every wrapping."""
    assert is_near(address)


@pytest.mark.parametrize(
    "address", ["8.8.8.8", "151.101.0.223", "172.32.0.1", "2a04:4e42::223", "64:ff9b::808:808", "::ffff:8.8.8.8"]
)
def test_address_is_far(address: str) -> None:
    """Public addresses are not near."""
    assert not is_near(address)


def test_every_public_host_has_a_reason() -> None:
    """Each host of the list is a plain name with the reason why it is there."""
    hosts = public_hosts()
    assert len(hosts) >= 9
    for host, reason in hosts.items():
        assert parse_head(f"CONNECT {host}:443 HTTP/1.1\r\n\r\n".encode()).host == host
        assert len(reason) > 20


def test_list_is_exact() -> None:
    """Only the exact name, port and way are found; the operator may leave the public hosts out."""
    hosts = AllowedHosts(
        ["default", "Mirror.test"], indexes=["http://u:p%40@127.0.0.1:3141/simple/", "https://index.test/x"]
    )
    assert hosts.find("pypi.org", 443, tls=True) is not None
    assert hosts.find("mirror.test", 443, tls=True) is not None
    for wrong in (("pypi.org", 80, False), ("pypi.org", 443, False), ("www.pypi.org", 443, True), ("pypi.org.evil.test", 443, True),
                  ("mirror.test", 22, True), ("index.test", 443, False), ("127.0.0.1", 3142, False), ("localhost", 3141, False)):  # fmt: skip
        assert hosts.find(wrong[0], wrong[1], tls=wrong[2]) is None
    own = hosts.find("127.0.0.1", 3141, tls=False)
    assert own is not None
    assert (own.named, own.authorization) == (True, "Basic dTpwQA==")
    assert "dTpwQA" not in repr(own)
    assert list(AllowedHosts([""])) == []


def test_urls_lose_their_users() -> None:
    """What the sandbox gets to know of an index has no password."""
    assert without_user("https://user:secret@index.test:8443/simple/") == "https://index.test:8443/simple/"
    for bad in ("index.test", "file:///etc/passwd", "https://"):
        with pytest.raises(ValueError, match="URL"):
            index_host(bad)


def test_outer_proxy_is_read() -> None:
    """HTTPS_PROXY and NO_PROXY are read as clients read them."""
    outer = OuterProxy.of("proxy.test:3128", no_proxy="internal.test, .corp.test")
    assert outer is not None
    assert (outer.host, outer.port, outer.tls) == ("proxy.test", 3128, False)
    assert [outer.serves(host) for host in ("pypi.org", "internal.test", "a.corp.test", "corp.test")] == [
        True,
        False,
        False,
        False,
    ]
    assert OuterProxy.of("") is None
