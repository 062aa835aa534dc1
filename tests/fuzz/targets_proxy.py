"""Fuzz targets of the fetch proxy: heads of requests, ClientHellos, addresses."""

from __future__ import annotations

import re
from collections.abc import Callable

from miyabi_agents.environments.proxy.addresses import is_near
from miyabi_agents.environments.proxy.client_hello import HelloRefusedError, parse_hello
from miyabi_agents.environments.proxy.hosts import AllowedHosts
from miyabi_agents.environments.proxy.http_head import HeadRefusedError, parse_head

_HOSTS = AllowedHosts(["default"], indexes=["http://127.0.0.1:3141/simple/"])
_NAME = re.compile(r"[a-z0-9.-]+")
#: A ClientHello that names `pypi.org` and nothing else.
_HELLO_BODY = (
    b"\x03\x03" + bytes(32) + b"\x00" + b"\x00\x02\x13\x01" + b"\x01\x00"
    + b"\x00\x11" + b"\x00\x00\x00\x0d" + b"\x00\x0b\x00\x00\x08pypi.org"
)  # fmt: skip
_HELLO = b"\x16\x03\x01" + (len(_HELLO_BODY) + 4).to_bytes(2, "big") + b"\x01" + len(_HELLO_BODY).to_bytes(3, "big")


def head(data: bytes) -> None:
    """A head: what is read has one plain host and one port, and passes only where exactly that is on the list."""
    refusal = None
    try:
        found = parse_head(data)
    except HeadRefusedError as error:
        refusal = error
    if refusal is not None:
        # Both are shown to people.
        assert f"{refusal}{refusal.target}".isprintable()
        assert refusal.target.isascii()
        return
    assert _NAME.fullmatch(found.host)
    assert 1 <= found.port <= 65535
    assert found.method in {"CONNECT", "GET", "HEAD"}
    for name, value in found.fields.items():
        assert not {"\r", "\n", "\0"} & set(name + value)
    allowed = _HOSTS.find(found.host, found.port, tls=found.method == "CONNECT")
    assert allowed is None or (allowed.host, allowed.port) == (found.host, found.port)


def hello(data: bytes) -> None:
    """A ClientHello: the same whatever follows it, and not there while a byte of it is missing."""
    try:
        found = parse_hello(data)
    except HelloRefusedError:
        return
    if found is not None:
        assert found.name.isascii()
        assert parse_hello(data + b"\x17") == found


def address(data: bytes) -> None:
    """An address as a resolver writes it: what wraps an IPv4 address is as near as that."""
    text = data.decode("latin-1")
    if not is_near(text) and "." in text and ":" not in text:
        assert not is_near(f"::ffff:{text}")


#: What a search begins with.
SEEDS: dict[str, list[bytes]] = {
    "proxy_head": [
        b"CONNECT pypi.org:443 HTTP/1.1\r\nHost: pypi.org:443\r\nUser-Agent: x\r\n\r\n",
        b"GET http://127.0.0.1:3141/simple/x/?a=b HTTP/1.1\r\nAccept: a\r\nConnection: close\r\n\r\n",
    ],
    "proxy_client_hello": [_HELLO + _HELLO_BODY],
    "proxy_address": [b"127.0.0.1", b"151.101.0.223", b"::ffff:10.0.0.1", b"64:ff9b::7f00:1", b"fe80::1%eth0"],
}
TARGETS: dict[str, Callable[[bytes], None]] = {
    "proxy_head": head,
    "proxy_client_hello": hello,
    "proxy_address": address,
}
