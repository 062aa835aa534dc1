"""Which loopback ports the local stack listens on."""

from __future__ import annotations

import secrets
import socket
from collections.abc import Collection
from dataclasses import dataclass, fields
from pathlib import Path

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


#: Ports for a stack beside another one begin here: browsers refuse some of those below.
FIRST = 20_000
#: Where Linux says which ports it gives to outgoing connections, and where they begin elsewhere (RFC 6335, section 6).
_OUTGOING = Path("/proc/sys/net/ipv4/ip_local_port_range")
_FIRST_OUTGOING = 49_152
#: How often another port is tried.
TRIES = 200


def free_port(*, but: Collection[int] = ()) -> int:
    """Return a port that nothing listens on now, and that no outgoing connection gets before we listen on it.

    Args:
        but: Ports that are spoken for.

    Raises:
        StackError: none was found.
    """
    for _ in range(TRIES):
        # Not `random`: two processes with one seed would look for the same.
        port = FIRST + secrets.randbelow(max(1000, _first_outgoing() - FIRST))
        if port not in but and not _is_taken(port):
            return port
    raise StackError("no free port was found on 127.0.0.1", hint="end what listens on so many")


def any_ports() -> Ports:
    """Return ports that nothing listens on now, for a stack beside another one."""
    chosen: dict[str, int] = {}
    for entry in fields(Ports):
        chosen[entry.name] = free_port(but=chosen.values())
    return Ports(**chosen)


def _first_outgoing() -> int:
    """Return the lowest port that the system gives to outgoing connections."""
    try:
        return int(_OUTGOING.read_text().split()[0])
    except (OSError, ValueError, IndexError):
        return _FIRST_OUTGOING


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
