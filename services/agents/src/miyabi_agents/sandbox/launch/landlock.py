"""Restricts this process to files and TCP ports by Landlock: landlock(7)."""

from __future__ import annotations

import os
import stat
import struct
import sys
from collections.abc import Sequence

from miyabi_agents.sandbox.launch import linux

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_CREATE_RULESET_VERSION = 1
_RULE_PATH_BENEATH, _RULE_NET_PORT = 1, 2
#: Since which version of Landlock there is what.
ABI_REFER, ABI_TRUNCATE, ABI_TCP, ABI_IOCTL, ABI_SCOPE = 2, 3, 4, 5, 6

_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR = 1 << 0, 1 << 1, 1 << 2, 1 << 3
_ALL_1 = (1 << 13) - 1
_REFER, _TRUNCATE, _IOCTL = 1 << 13, 1 << 14, 1 << 15
READ = _EXECUTE | _READ_FILE | _READ_DIR
_OF_FILES = _EXECUTE | _WRITE_FILE | _READ_FILE | _TRUNCATE | _IOCTL
_TCP_BIND, _TCP_CONNECT = 1, 2
#: Neither abstract Unix sockets nor signals cross the border.
_SCOPE_ALL = 0b11


def abi() -> int:
    """Return the kernel's version of Landlock; 0 where there is none."""
    if sys.platform != "linux":
        return 0
    try:
        return linux.call("landlock", _CREATE_RULESET, None, 0, _CREATE_RULESET_VERSION)
    except OSError:
        return 0


def restrict(
    readable: Sequence[str], writable: Sequence[str], *, listed: Sequence[str] = (), tcp: bool, connect_port: int = 0
) -> None:
    """Allow reading and running below *readable*, everything below *writable*, and nothing else.

    Args:
        readable: Paths; what is not there is left out.
        writable: Paths.
        listed: Folders that may be listed, with those in them.
        tcp: Whether TCP is left alone (a loopback of its own); else only *connect_port* is allowed.
        connect_port: Port that may be connected to, on whatever address; 0 for none.
    """
    version = abi()
    handled = _handled(version)
    fields = [handled]
    if version >= ABI_TCP:
        fields.append(0 if tcp else _TCP_BIND | _TCP_CONNECT)
    if version >= ABI_SCOPE:
        fields.append(_SCOPE_ALL)
    attributes = struct.pack(f"{len(fields)}Q", *fields)
    ruleset = linux.call("landlock_create_ruleset", _CREATE_RULESET, attributes, len(attributes), 0)
    for path in readable:
        _allow_below(ruleset, path, READ & handled)
    for path in writable:
        _allow_below(ruleset, path, handled)
    for path in listed:
        _allow_below(ruleset, path, _READ_DIR)
    if connect_port and not tcp and version >= ABI_TCP:
        rule = struct.pack("=QQ", _TCP_CONNECT, connect_port)
        linux.call("landlock_add_rule", _ADD_RULE, ruleset, _RULE_NET_PORT, rule, 0)
    linux.call("landlock_restrict_self", _RESTRICT_SELF, ruleset, 0)
    os.close(ruleset)


def _handled(version: int) -> int:
    """Return every right over files that this version knows."""
    handled = _ALL_1
    handled |= _REFER if version >= ABI_REFER else 0
    handled |= _TRUNCATE if version >= ABI_TRUNCATE else 0
    return handled | (_IOCTL if version >= ABI_IOCTL else 0)


def _allow_below(ruleset: int, path: str, access: int) -> None:
    """Add a rule; a path that is not there is left out."""
    try:
        handle = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    if not stat.S_ISDIR(os.fstat(handle).st_mode):
        access &= _OF_FILES
    rule = struct.pack("=Qi", access, handle)
    linux.call(f"landlock_add_rule {path}", _ADD_RULE, ruleset, _RULE_PATH_BENEATH, rule, 0)
    os.close(handle)
