"""Finds loopback ports for servers that have to know theirs before they listen."""

from __future__ import annotations

import errno
import secrets
import socket
from collections.abc import Collection
from pathlib import Path

#: Ports begin here: browsers refuse some of those below.
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
        OSError: none was found.
    """
    room = max(1000, _first_outgoing() - FIRST)
    for _ in range(TRIES):
        # Not `random`: two processes with one seed would look for the same.
        port = FIRST + secrets.randbelow(room)
        if port not in but and not is_taken(port):
            return port
    raise OSError(errno.EADDRINUSE, "no free port was found on 127.0.0.1")


def free_ports(count: int) -> list[int]:
    """Return so many of them, all different.

    Raises:
        OSError: there were not enough.
    """
    chosen: list[int] = []
    while len(chosen) < count:
        chosen.append(free_port(but=chosen))
    return chosen


def is_taken(port: int) -> bool:
    """Try to bind the port as a server would."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return True
        return False


def _first_outgoing() -> int:
    """Return the lowest port that the system gives to outgoing connections."""
    try:
        return int(_OUTGOING.read_text().split()[0])
    except (OSError, ValueError, IndexError):
        return _FIRST_OUTGOING
