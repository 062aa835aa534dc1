"""Reads the head of a request to the fetch proxy: whatever could be read in two ways is refused.

Source: RFC 9110, RFC 9112 (section 3.2: absolute-form and authority-form), RFC 3986 (reg-name).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from miyabi_core.text import shortened

#: Longest head that is read; package clients send well below 1 KiB.
MAX_HEAD_BYTES = 16 * 1024
#: Most header fields; package clients send about ten.
MAX_FIELDS = 64
#: Longest host name (RFC 1035, section 2.3.4).
MAX_HOST_CHARACTERS = 253
#: What a plain request may be; CONNECT beside them.
PLAIN_METHODS = frozenset({"GET", "HEAD"})
#: Fields that concern one hop, or that the proxy writes itself (RFC 9110, section 7.6.1).
_HOP_FIELDS = frozenset(
    {
        "connection",
        "host",
        "keep-alive",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "content-length",
    }
)
_LINE = re.compile(r"([A-Z]{1,16}) ([\x21-\x7e]{1,8192}) HTTP/1\.[01]")
_FIELD = re.compile(r"([!#$%&'*+.^_`|~0-9A-Za-z-]{1,128}):([\x20-\x7e\t\x80-\xff]*)")
_NAME = re.compile(r"[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?")
_PORT = re.compile(r"[1-9][0-9]{0,4}")


class HeadRefusedError(Exception):
    """A request is not passed on; the message says why, *target* what it asked for where that can be told."""

    def __init__(self, message: str, *, target: str = "") -> None:
        super().__init__(message)
        self.target = target


@dataclass(frozen=True)
class RequestHead:
    """What a client asks for."""

    method: str  #: CONNECT, GET or HEAD
    host: str  #: lower case, ASCII: letters, digits, hyphens, dots; no address in brackets
    port: int  #: 1 to 65535
    path: str = ""  #: with the query; empty for CONNECT
    fields: Mapping[str, str] = field(default_factory=dict)  #: end-to-end ones, names in lower case

    @property
    def target(self) -> str:
        """Host and port, as in `example.org:443`."""
        return f"{self.host}:{self.port}"


def parse_head(head: bytes) -> RequestHead:
    """Read a head, with or without the empty line that ends it; linear in its length.

    Raises:
        HeadRefusedError: it is too long, malformed, names a user or an address in brackets, has a body, or its method
            is none of CONNECT, GET and HEAD.
    """
    if len(head) > MAX_HEAD_BYTES:
        raise HeadRefusedError("the head is too long")
    first, *rest = head.decode("latin-1").removesuffix("\r\n\r\n").split("\r\n")
    line = _LINE.fullmatch(first)
    if line is None:
        raise HeadRefusedError("the request line is malformed")
    method, target = line[1], line[2]
    fields = _fields(rest)
    if method == "CONNECT":
        host, port = _authority(target, default=None)
        return RequestHead(method, host, port)
    if method not in PLAIN_METHODS:
        raise HeadRefusedError(f"the method {method} is not passed on", target=_shown(target))
    _refuse_body(fields)
    host, port, path = _absolute(target)
    kept = {name: value for name, value in fields.items() if name not in _HOP_FIELDS}
    return RequestHead(method, host, port, path, kept)


def _fields(lines: list[str]) -> dict[str, str]:
    """Read header fields; of one that comes twice all values are kept, joined as RFC 9110 says.

    Raises:
        HeadRefusedError: there are too many, or one is malformed (a folded line and a bare CR or LF are).
    """
    if len(lines) > MAX_FIELDS:
        raise HeadRefusedError("there are too many header fields")
    fields: dict[str, str] = {}
    for line in lines:
        match = _FIELD.fullmatch(line)
        if match is None:
            raise HeadRefusedError("a header field is malformed")
        name, value = match[1].lower(), match[2].strip(" \t")
        fields[name] = f"{fields[name]}, {value}" if name in fields else value
    return fields


def _refuse_body(fields: Mapping[str, str]) -> None:
    """Refuse a request that announces a body: nothing is said to an index but which file is wanted.

    Raises:
        HeadRefusedError: it does.
    """
    if "transfer-encoding" in fields or fields.get("content-length", "0") != "0":
        raise HeadRefusedError("a request with a body is not passed on")


def _absolute(target: str) -> tuple[str, int, str]:
    """Split an absolute URI into host, port and path.

    Raises:
        HeadRefusedError: it is no `http` URI, or has a user or a fragment.
    """
    scheme, separator, rest = target.partition("://")
    if not separator or scheme.lower() != "http":
        raise HeadRefusedError("only http URIs are passed on, and CONNECT", target=_shown(target))
    end = next((position for position, char in enumerate(rest) if char in "/?#"), len(rest))
    authority, path = rest[:end], rest[end:] or "/"
    if "#" in path:
        raise HeadRefusedError("a fragment has no place in a request", target=_shown(authority))
    host, port = _authority(authority, default=80)
    return host, port, path if path.startswith("/") else f"/{path}"


def _authority(text: str, *, default: int | None) -> tuple[str, int]:
    """Split an authority into host and port.

    Raises:
        HeadRefusedError: a user is named, the port is none or missing without a *default*, or the host is no name.
    """
    if "@" in text:
        raise HeadRefusedError("a user has no place in a request", target=_shown(text.rpartition("@")[2]))
    host, separator, port = text.partition(":")
    if not separator and default is not None:
        port = str(default)
    host = host.lower()
    if _PORT.fullmatch(port) is None or int(port) > 65535:
        raise HeadRefusedError("the port is none, or the host is an address in brackets", target=_shown(text))
    if len(host) > MAX_HOST_CHARACTERS or _NAME.fullmatch(host) is None or ".." in host:
        raise HeadRefusedError("the host is no plain name", target=_shown(text))
    return host, int(port)


def _shown(target: str) -> str:
    """Return a target that could not be read, short and in plain characters, for logs and notes."""
    return shortened(re.sub(r"[^A-Za-z0-9.:_/\[\]-]", "?", target), 100)
