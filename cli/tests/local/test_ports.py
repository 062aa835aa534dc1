"""Ports of a stack beside another one."""

from __future__ import annotations

from dataclasses import astuple
from pathlib import Path

from miyabi_cli.stack.ports import any_ports
from miyabi_core.free_ports import FIRST


def test_each_listener_has_a_port_of_its_own_that_no_connection_goes_out_from() -> None:
    """The ports differ, can be listened on, and lie below those that the system gives to outgoing connections."""
    ports = astuple(any_ports())
    assert len(set(ports)) == len(ports)
    outgoing = Path("/proc/sys/net/ipv4/ip_local_port_range")
    first = int(outgoing.read_text().split()[0]) if outgoing.exists() else 49_152
    assert [port for port in ports if not FIRST <= port < max(FIRST + 1000, first)] == []
