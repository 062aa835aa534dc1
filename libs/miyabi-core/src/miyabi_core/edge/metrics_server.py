"""Serves Prometheus metrics behind the door, from a thread of its own."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterable
from socketserver import ThreadingMixIn
from threading import Thread
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

from prometheus_client import make_wsgi_app

from miyabi_core.edge.door import HttpDoor
from miyabi_core.edge.hosts import ServedHosts
from miyabi_core.metrics import REGISTRY

#: Who asks for metrics has sent the request by then; it keeps a thread of ours no longer.
REQUEST_SECONDS = 10.0


class _Server(ThreadingMixIn, WSGIServer):
    """A thread for each request, none of which keeps the process alive."""

    daemon_threads = True


class _Server6(_Server):
    """The same by IPv6."""

    address_family = socket.AF_INET6


class _Handler(WSGIRequestHandler):
    """Logs nothing, waits for nobody."""

    timeout = REQUEST_SECONDS

    def get_environ(self) -> dict[str, Any]:
        """Add the target as it came: the path alone does not tell one that names another host."""
        return {**super().get_environ(), "REQUEST_URI": self.path}

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name is the base class's
        """Say nothing."""


def serve_metrics(address: str, *, names: Iterable[str] = ()) -> Callable[[], None]:
    """Serve `/metrics` on host:port from a thread of its own; the result stops it.

    Args:
        address: host:port.
        names: By which it is reached beside loopback names and addresses.

    Raises:
        OSError: the address is taken.
        FailedPreconditionError: a name is none.
    """
    host, _, port = address.rpartition(":")
    door = HttpDoor(ServedHosts(address, names))
    kind = _Server6 if ":" in host else _Server
    server = kind((host.strip("[]"), int(port)), _Handler)
    server.set_app(door.wsgi(make_wsgi_app(REGISTRY)))
    thread = Thread(target=server.serve_forever, name="metrics", daemon=True)
    thread.start()

    def stop() -> None:
        server.shutdown()
        server.server_close()
        thread.join()

    return stop
