"""Says where the state store is: reads its URL, with one server or those of a cluster, without its client."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

#: Port of a host that names none.
DEFAULT_PORT = 6379

#: Host and port of a server.
Node = tuple[str, int]


@dataclass(frozen=True, slots=True)
class Address:
    """Where the state store is: `redis://[user:password@]host[:port][,host[:port]…][/database][?cluster=true]`.

    Args:
        nodes: Servers to ask first; one unless it is a cluster.
        cluster: Whether the servers form a cluster and say themselves who holds what.
        template: The URL without its hosts; it may hold a password.
    """

    nodes: tuple[Node, ...]
    cluster: bool
    template: tuple[str, str, str, str]

    @classmethod
    def parse(cls, url: str) -> Address:
        """Read a URL.

        Raises:
            ValueError: it is no URL of a Redis, or names several hosts without `cluster=true`.
        """
        parts = urlsplit(url)
        if parts.scheme not in {"redis", "rediss"}:
            raise ValueError("the URL of the state store begins with redis:// or rediss://")
        user, at, hosts = parts.netloc.rpartition("@")
        options = parse_qsl(parts.query)
        cluster = any(name == "cluster" and value.lower() in {"true", "1", "yes"} for name, value in options)
        nodes = tuple(_node(host) for host in hosts.split(","))
        if len(nodes) > 1 and not cluster:
            raise ValueError("several hosts are those of a cluster: add ?cluster=true")
        query = urlencode([(name, value) for name, value in options if name != "cluster"])
        return cls(nodes, cluster, (parts.scheme, user + at, parts.path, query))

    def url(self, node: Node) -> str:
        """Return the URL of one server."""
        scheme, user, path, query = self.template
        host, port = node
        return urlunsplit((scheme, f"{user}{f'[{host}]' if ':' in host else host}:{port}", path, query, ""))


def _node(host: str) -> Node:
    """Read `host`, `host:port` or `[IPv6]:port`."""
    parts = urlsplit(f"//{host}")
    return parts.hostname or "127.0.0.1", parts.port or DEFAULT_PORT
