"""Namespaces of one's own, and the user that a command runs as: unshare(2), user_namespaces(7), capabilities(7)."""

from __future__ import annotations

import fcntl
import os
import signal
import socket
import struct

from miyabi_agents.sandbox.launch import linux

_SIOCGIFFLAGS, _SIOCSIFFLAGS, _IFF_UP = 0x8913, 0x8914, 1


def enter_user() -> None:
    """Enter a user namespace that knows only our own user, under its own number, with every capability in it."""
    uid, gid = os.geteuid(), os.getegid()
    linux.unshare(linux.CLONE_NEWUSER)
    linux.write("/proc/self/setgroups", "deny")
    linux.write("/proc/self/uid_map", f"{uid} {uid} 1")
    linux.write("/proc/self/gid_map", f"{gid} {gid} 1")


def enter_processes() -> None:
    """Let the next child be the first of a PID namespace: when it ends, the kernel kills the rest."""
    linux.unshare(linux.CLONE_NEWPID)


def enter_rest() -> None:
    """Take mounts, network, IPC and host name of one's own."""
    linux.unshare(linux.CLONE_NEWNS | linux.CLONE_NEWNET | linux.CLONE_NEWIPC | linux.CLONE_NEWUTS)
    socket.sethostname("sandbox")


def raise_loopback() -> None:
    """Bring the network namespace's only interface up."""
    with socket.socket() as asked:
        name = b"lo".ljust(16, b"\0")
        (flags,) = struct.unpack_from("h", fcntl.ioctl(asked, _SIOCGIFFLAGS, name + bytes(24)), 16)
        fcntl.ioctl(asked, _SIOCSIFFLAGS, name + struct.pack("h", flags | _IFF_UP) + bytes(22))


def map_between(own: int, shown: int) -> int:
    """Return a user namespace in which our user is shown as another, for mounts: mount_setattr(2), ID-mapped mounts.

    Files of *own* are then files of *shown*, and what *shown* writes is written as *own*.

    Raises:
        OSError: we may not.
    """
    ready, done = os.pipe(), os.pipe()
    child = os.fork()
    if child == 0:
        _hold_namespace(ready[1], done)
    os.close(ready[1])
    os.close(done[0])
    try:
        if os.read(ready[0], 1) != b"+":
            raise PermissionError("no user namespace for ID-mapped mounts")
        for kind in ("uid", "gid"):
            linux.write(f"/proc/{child}/{kind}_map", f"{own} {shown} 1")
        return os.open(f"/proc/{child}/ns/user", os.O_RDONLY | os.O_CLOEXEC)
    finally:
        os.close(ready[0])
        os.close(done[1])
        os.waitpid(child, 0)


def _hold_namespace(ready: int, done: tuple[int, int]) -> None:
    """Be a process in a new user namespace until told to end."""
    try:
        os.close(done[1])
        linux.unshare(linux.CLONE_NEWUSER)
        os.write(ready, b"+")
        os.read(done[0], 1)
    finally:
        os.kill(os.getpid(), signal.SIGKILL)


def become(uid: int | None) -> None:
    """Become another user for good (or stay the same, for None), without any capability.

    Raises:
        OSError: it is not allowed.
    """
    linux.prctl(linux.PR_SET_NO_NEW_PRIVS, 1)
    if uid is None:
        linux.drop_capabilities()
        return
    os.setgroups([])
    os.setresgid(uid, uid, uid)
    for capability in range(64):
        try:
            linux.prctl(linux.PR_CAPBSET_DROP, capability)
        except OSError:
            break
    os.setresuid(uid, uid, uid)
    linux.clear_capabilities()
