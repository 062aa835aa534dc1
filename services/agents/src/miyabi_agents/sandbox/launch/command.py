"""Confines this process by what its policy says, then becomes the command: the last code before the repository's."""

from __future__ import annotations

import os
import resource
import signal
import sys
from typing import Any

from miyabi_agents.sandbox.launch import landlock, linux, namespaces, seccomp
from miyabi_agents.sandbox.launch.root import DEVICES, PRIVATE

#: What a process that could not become the command ends with; the reason goes through a pipe of its own.
EXIT_FAILED = 125


def start(policy: dict[str, Any], *, own_uid: bool, guarded: tuple[int, ...] = ()) -> int:
    """Start the command; returns its process id.

    Args:
        policy: What it may do.
        own_uid: Whether it becomes the policy's user.
        guarded: Processes that it may send no signal to, where there is no PID namespace.

    Raises:
        OSError: it could not be started; says why.
    """
    told, tell = os.pipe()
    child = os.fork()
    if child == 0:
        _become(policy, tell, own_uid=own_uid, guarded=guarded)
    os.close(tell)
    with os.fdopen(told, "rb") as pipe:
        reason = pipe.read(2000)
    if reason:
        os.waitpid(child, 0)
        raise OSError(reason.decode(errors="replace"))
    return child


def _become(policy: dict[str, Any], tell: int, *, own_uid: bool, guarded: tuple[int, ...]) -> None:
    """Confine and execute; the pipe closes by itself where that works."""
    try:
        if policy["mode"] == "plain":
            linux.die_with_parent()
        _close_others(tell)
        os.setsid()
        for number in (signal.SIGPIPE, signal.SIGXFSZ):
            signal.signal(number, signal.SIG_DFL)
        _limit(policy["limits"])
        if sys.platform == "linux":
            namespaces.become(policy["uid"] if own_uid else None)
        os.chdir(policy["cwd"])
        if policy["landlock"]:
            _restrict_files(policy)
        if policy["seccomp"]:
            seccomp.restrict(os.uname().machine, rules(policy, guarded))
        os.execvpe(policy["command"][0], policy["command"], policy["environment"])  # noqa: S606 - that is its job
    except BaseException as error:  # noqa: BLE001 - whatever it is, the command must not run
        os.write(tell, f"{type(error).__name__}: {error}"[:1000].encode(errors="replace"))
    finally:
        os._exit(EXIT_FAILED)


def _close_others(tell: int) -> None:
    """Close every descriptor but input, output and the pipe."""
    os.closerange(3, tell)
    os.closerange(tell + 1, 4096)


def _limit(limits: dict[str, int]) -> None:
    """Set resource limits, soft and hard."""
    for name, value in limits.items():
        kind = getattr(resource, f"RLIMIT_{name}", None)
        if kind is None:
            continue
        hard = resource.getrlimit(kind)[1]
        ceiling = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(kind, (ceiling, ceiling))


def _restrict_files(policy: dict[str, Any]) -> None:
    """Restrict by Landlock, over whatever the mounts show."""
    alone = policy["mode"] != "plain"
    private = [*PRIVATE, "/dev/pts"] if alone else []
    system = [*policy["system"], "/proc"] if alone else policy["system"]
    # The files of /etc that a root of its own has are written by us.
    own = [f"/etc/{name}" for name in ("passwd", "group", "hosts", "hostname", "resolv.conf", "nsswitch.conf")]
    landlock.restrict(
        [*system, *own, *policy["readable"]],
        [*DEVICES, *private, *policy["writable"], policy["report"], *policy["private"]],
        listed=["/"] if alone else [],
        tcp=alone and policy["network"] == "loopback",
        connect_port=policy["proxy_port"] if policy["network"] == "proxy" else 0,
    )


def rules(policy: dict[str, Any], guarded: tuple[int, ...]) -> seccomp.Rules:
    """Return the filter's rules for a policy."""
    alone = policy["mode"] != "plain"
    loopback = alone and policy["network"] == "loopback"
    return seccomp.Rules(
        internet=loopback or (policy["network"] == "proxy" and (alone or policy["landlock_tcp"])),
        datagrams=loopback,
        listening=loopback,
        shared_pids=not alone,
        guarded_pids=guarded,
    )
