"""Fuzz targets of what stands before every HTTP server: hosts, origins, the door itself, and JSON."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from miyabi_core.edge import (
    BadHostError,
    HttpDoor,
    InvalidJsonError,
    ServedHosts,
    parse_authority,
    parse_origin,
    strict_json,
)

_SERVED = ServedHosts("0.0.0.0:1", ["page.example", "*.svc"])
_DOOR = HttpDoor(_SERVED, programs=["/git/"])


def host(data: bytes) -> None:
    """A Host header: what is ours is loopback, an address or a name that is configured."""
    text = data.decode("latin-1")
    try:
        found = parse_authority(text)
    except BadHostError:
        return
    if found in _SERVED and found.address is None:
        assert found.host in {"localhost", "page.example"} or found.host.endswith(".svc")
    assert found.host == found.host.lower()


def origin(data: bytes) -> None:
    """An Origin header."""
    try:
        scheme, found = parse_origin(data.decode("latin-1"))
    except BadHostError:
        return
    assert 0 <= found.port_by(scheme) <= 65535


class _Lines:
    """Headers of fuzzed lines, each `name:value`."""

    def __init__(self, lines: Sequence[str]) -> None:
        self._pairs = [line.partition(":")[::2] for line in lines]

    def getall(self, key: str, default: Sequence[str], /) -> Sequence[str]:
        """Return every value of a header."""
        return [value for name, value in self._pairs if name.lower() == key] or default


def door(data: bytes) -> None:
    """A request's head: a page of another site never changes anything, whatever else stands there."""
    first, *rest = data.decode("latin-1").split("\n")
    method, _, target = first.partition(" ")
    headers = _Lines(rest)
    if _DOOR.judge(method, target, headers) is None:
        assert len(headers.getall("host", ())) == 1
        assert target.startswith("/")
        for text in headers.getall("origin", ()):
            assert parse_origin(text)[1].host == parse_authority(headers.getall("host", ())[0].strip(" \t")).host


def json_text(data: bytes) -> None:
    """JSON: what is taken can be written again, and is the same then."""
    try:
        value = strict_json.loads(data)
    except InvalidJsonError:
        return
    assert strict_json.loads(strict_json.dumps(value).encode()) == value


#: By the name under which `make fuzz` keeps a corpus.
TARGETS: dict[str, Callable[[bytes], None]] = {
    "http_door": door,
    "http_host": host,
    "http_json": json_text,
    "http_origin": origin,
}
#: What each begins from.
SEEDS: dict[str, tuple[bytes, ...]] = {
    "http_door": (
        b"POST /api\nhost:localhost:1\norigin:http://localhost:1\nsec-fetch-site:same-origin",
        b"GET /git/a/b.git/info/refs\nhost:page.example",
        b"GET /\nhost:[::1]:1\nsec-fetch-site:cross-site\nsec-fetch-mode:navigate\nsec-fetch-dest:document",
    ),
    "http_host": (b"localhost:3001", b"[::ffff:127.0.0.1]:80", b"a.b.svc.", b"127.0.0.1", b"page.example:443"),
    "http_json": (b'{"a": [1, 2.5e3, "\\u00e9", null, {"b": {}}], "c": true}', b"[[[1]]]"),
    "http_origin": (b"https://page.example", b"http://[::1]:3001", b"null"),
}
