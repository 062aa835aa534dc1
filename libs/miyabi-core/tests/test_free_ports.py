"""Ports of servers that have to know theirs before they listen."""

from __future__ import annotations

import socket

from miyabi_core.free_ports import FIRST, free_port, free_ports


def test_a_port_that_is_spoken_for_is_not_given() -> None:
    """What another listener was given is not given again."""
    spoken_for = {free_port() for _ in range(50)}
    assert not spoken_for & {free_port(but=spoken_for) for _ in range(50)}


def test_the_system_gives_none_of_them_to_somebody_else() -> None:
    """Whoever lets the system choose, for a server or a connection, never gets a port that was found here."""
    ports = free_ports(100)
    assert len(set(ports)) == 100
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        assert FIRST <= max(ports) < other.getsockname()[1]
