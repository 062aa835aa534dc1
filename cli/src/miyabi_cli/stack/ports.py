"""Which loopback ports the local stack listens on."""

from __future__ import annotations

from dataclasses import dataclass, fields

from miyabi_cli.errors import StackError
from miyabi_core.free_ports import free_ports, is_taken


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


def any_ports() -> Ports:
    """Return ports that nothing listens on now, for a stack beside another one.

    Raises:
        StackError: there were not enough.
    """
    try:
        return Ports(*free_ports(len(fields(Ports))))
    except OSError as error:
        raise StackError(f"{error.strerror}", hint="end what listens on so many") from error


def check_free(ports: Ports) -> None:
    """Make sure that every port can be listened on.

    Raises:
        StackError: something listens on one of them; all that are taken are named.
    """
    taken = [
        f"{entry.name} {getattr(ports, entry.name)}" for entry in fields(Ports) if is_taken(getattr(ports, entry.name))
    ]
    if taken:
        raise StackError(
            f"something listens already on the port of: {', '.join(taken)}",
            hint="stop it (another `miyabi up`?) or give `--any-ports`",
        )
