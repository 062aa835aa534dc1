"""Stands between the agent and a command: starts it in its namespaces and sees to it that nothing of it is left."""

from __future__ import annotations

import os
import select
import signal
import socket
import sys
from collections.abc import Iterable
from contextlib import suppress
from types import FrameType
from typing import Any

from miyabi_agents.sandbox.launch import command, inside, linux, measure, namespaces
from miyabi_agents.sandbox.launch.say import read_policy, say
from miyabi_agents.sandbox.launch.supervise import Supervisor

#: Users of commands, where we are root: one for each keeper, above what systems give and below what tar knows.
_FIRST_UID, _UIDS = 2_031_616, 65_536


def main(talk: int, output: int, *, parent: int) -> None:
    """Read a policy, run its command to the end, end the rest, and say that all is gone; never returns.

    Args:
        talk: Descriptor of the socket to the agent.
        output: Descriptor for the command's output and errors.
        parent: Process that this one must not outlive.
    """
    linux.die_with_parent()
    if os.getppid() != parent:
        os._exit(1)
    control = socket.socket(fileno=talk)
    for descriptor in (1, 2):
        os.dup2(output, descriptor)
    os.close(output)
    try:
        policy = read_policy(control)
    except (OSError, ValueError):
        os._exit(0)
    say(control, here=True)
    policy["uid"] = _FIRST_UID + os.getpid() % _UIDS if policy["mode"] == "own-uid" else None
    try:
        (_plain if policy["mode"] == "plain" else _in_namespaces)(policy, control)
    except Exception as error:  # noqa: BLE001 - it is told; the agent raises it
        say(control, failed=error)
    say(control, gone=True)
    os._exit(0)


def _in_namespaces(policy: dict[str, Any], control: socket.socket) -> None:
    """Start the first process of the namespaces, and wait for it; with it, the kernel ends the rest."""
    to_relay = None
    if policy["network"] == "proxy":
        from miyabi_agents.sandbox.launch import relay  # noqa: PLC0415 - most commands need none

        to_relay = relay.start(policy["proxy_port"])
    id_map = 0
    if policy["mode"] == "own-uid":
        id_map = namespaces.map_between(os.geteuid(), policy["uid"])
    else:
        namespaces.enter_user()
        linux.die_with_parent()  # other capabilities have reset it
    namespaces.enter_processes()
    first = os.fork()
    if first == 0:
        inside.main(policy, control, id_map=id_map, relay=to_relay)
    say(control, first=first)
    _wait(first, control)


def _wait(first: int, control: socket.socket) -> None:
    """Wait until a process has ended, which is when all of its namespace have; a hang-up kills it."""
    watch = os.pidfd_open(first)
    poll = select.poll()
    poll.register(watch, select.POLLIN)
    poll.register(control, select.POLLIN | select.POLLHUP)
    while not any(descriptor == watch for descriptor, _ in poll.poll()):
        with suppress(ProcessLookupError):
            os.kill(first, signal.SIGKILL)
        poll.unregister(control)
    os.waitpid(first, 0)


def _plain(policy: dict[str, Any], control: socket.socket) -> None:
    """Run the command without namespaces: what leaves it becomes a child of this process, and is found so."""
    if sys.platform == "linux":
        linux.prctl(linux.PR_SET_CHILD_SUBREAPER, 1)
        # The command must be found and ended first, so this process is told instead of being killed.
        signal.signal(signal.SIGTERM, _told_to_end)
        linux.prctl(linux.PR_SET_PDEATHSIG, signal.SIGTERM)
    guarded = (os.getpid(), os.getppid())
    child = command.start(policy, own_uid=False, guarded=guarded)
    say(control, started="")
    ended = Supervisor(policy, control, pids=measure.descendants, memory=measure.Memory()).wait(child)
    end_the_rest()
    say(control, ended=ended.status, limit=ended.limit)


def end_the_rest() -> None:
    """Stop every process below this one, so that none starts another meanwhile, and kill them all."""
    while True:
        stopped: set[int] = set()
        while new := set(measure.descendants()) - stopped:
            _send(signal.SIGSTOP, new)
            stopped |= new
        _send(signal.SIGKILL, stopped)
        try:
            os.waitpid(-1, 0)
        except ChildProcessError:
            return


def _send(number: int, pids: Iterable[int]) -> None:
    """Signal processes, those that are still there."""
    for pid in pids:
        with suppress(ProcessLookupError, PermissionError):
            os.kill(pid, number)


def _told_to_end(number: int, frame: FrameType | None) -> None:
    """End everything: who started us is gone, or wants it."""
    del frame
    end_the_rest()
    os._exit(128 + number)
