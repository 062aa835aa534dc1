"""The first process of a command's namespaces: builds its root, starts it, watches it; when this one ends, all do."""

from __future__ import annotations

import os
import socket
from typing import Any

from miyabi_agents.sandbox.launch import command, linux, measure, namespaces, root
from miyabi_agents.sandbox.launch.say import say
from miyabi_agents.sandbox.launch.supervise import Supervisor

#: The kernel ends a command before anything else where memory runs out.
_OOM_SCORE = "1000"


def main(policy: dict[str, Any], control: socket.socket, *, id_map: int, relay: socket.socket | None) -> None:
    """Run a command and tell how it ended; never returns."""
    try:
        linux.die_with_parent()
        own_uid = _prepare(policy, id_map, relay)
        linux.prctl(linux.PR_SET_DUMPABLE, 0)
        child = command.start(policy, own_uid=own_uid)
        say(control, started="own-uid" if own_uid else "")
        memory = measure.Memory(root.PRIVATE)
        ended = Supervisor(policy, control, pids=measure.in_namespace, memory=memory).wait(child)
        say(control, ended=ended.status, limit=ended.limit)
    except BaseException as error:  # noqa: BLE001 - it is told, and ends everything
        say(control, failed=error)
    finally:
        os._exit(0)


def _prepare(policy: dict[str, Any], id_map: int, relay: socket.socket | None) -> bool:
    """Take namespaces, build the root; returns whether the command can have its own user."""
    linux.write("/proc/self/oom_score_adj", _OOM_SCORE)
    namespaces.enter_rest()
    if policy["network"] != "none":
        namespaces.raise_loopback()
    if relay is not None:
        _offer(relay, policy["proxy_port"])
    plan = root.Plan(
        staging=policy["staging"],
        system=policy["system"],
        readable=policy["readable"],
        writable=[*policy["writable"], policy["report"]],
        links=[(where, target) for where, target in policy["links"]],
        private_bytes=policy["private_bytes"],
        private_entries=policy["disk_entries"],
    )
    user = policy["uid"] if policy["uid"] is not None else os.geteuid()
    mapped = root.build(plan, user=user, id_map=id_map)
    return bool(id_map) and mapped


def _offer(relay: socket.socket, port: int) -> None:
    """Listen inside, for the relay outside."""
    with socket.create_server(("127.0.0.1", port), backlog=64) as server:
        socket.send_fds(relay, [b"+"], [server.fileno()])
    relay.close()
