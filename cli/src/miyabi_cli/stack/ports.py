"""Which loopback ports the local stack listens on."""

from __future__ import annotations

import socket
from dataclasses import dataclass, fields

from miyabi_cli.errors import StackError


@dataclass(frozen=True)
class Ports:
    """One port a listener; all on 127.0.0.1."""

    coordinator: int = 50051
    gateway: int = 50053
    gateway_http: int = 50063
    dashboard: int = 3001
    dashboard_grpc: int = 50054
    github: int = 50071
    model: int = 50072


def free_port() -> int:
    """Return a port that nothing listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def any_ports() -> Ports:
    """Return ports that nothing listens on now, for a stack beside another one."""
    return Ports(**{entry.name: free_port() for entry in fields(Ports)})


def check_free(ports: Ports) -> None:
    """Make sure that every port can be listened on.

    Raises:
        StackError: something listens on one of them; all that are taken are named.
    """
    taken = [
        f"{entry.name} {getattr(ports, entry.name)}" for entry in fields(Ports) if _is_taken(getattr(ports, entry.name))
    ]
    if taken:
        raise StackError(
            f"something listens already on the port of: {', '.join(taken)}",
            hint="stop it (another `miyabi up`?) or give `--any-ports`",
        )


def _is_taken(port: int) -> bool:
    """Try to bind the port as a server would."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return True
        return False
