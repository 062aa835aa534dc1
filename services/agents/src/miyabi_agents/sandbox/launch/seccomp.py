"""Restricts which system calls this process and its children may make: seccomp(2), an allow-list."""

from __future__ import annotations

import ctypes
import struct
from collections.abc import Sequence
from typing import NamedTuple

from miyabi_agents.sandbox.launch import linux, syscalls

_SECCOMP_MODE_FILTER = 2
#: x86-64 calls of the x32 kind start here.
_X32_BIT = 0x40000000
_LOAD, _EQUAL, _ABOVE, _AT_LEAST, _ANY_BIT, _AND, _RETURN = 0x20, 0x15, 0x25, 0x35, 0x45, 0x54, 0x06
_ALLOW, _KILL = 0x7FFF0000, 0x80000000
_EPERM, _EACCES, _ENOSYS = 0x00050001, 0x0005000D, 0x00050026
#: Offsets in struct seccomp_data; an argument's low half comes first on both architectures.
_NUMBER, _ARCH, _FIRST_ARGUMENT = 0, 4, 16

_AF_UNIX, _AF_INET, _AF_INET6 = 1, 2, 10
_SOCK_STREAM, _SOCK_DGRAM, _SOCK_TYPE_MASK = 1, 2, 0xF
#: clone(2) flags that make new namespaces.
_CLONE_NAMESPACES = 0x7E020080
#: sendto(2) with it connects without asking Landlock.
_MSG_FASTOPEN = 0x20000000

Step = tuple[int, int, int, int]


class Rules(NamedTuple):
    """What differs from command to command."""

    internet: bool = False  #: AF_INET and AF_INET6 may be opened
    datagrams: bool = False  #: UDP, too
    listening: bool = False  #: sockets may wait for connections
    shared_pids: bool = False  #: no PID namespace: calls on other processes are refused where they name one
    guarded_pids: tuple[int, ...] = ()  #: processes that may get no signal, where there is no PID namespace


def _argument(index: int) -> Step:
    """Load the low half of an argument."""
    return (_LOAD, 0, 0, _FIRST_ARGUMENT + 8 * index)


def _only_zero(*indices: int) -> list[Step]:
    """Allow where these arguments are 0."""
    steps: list[Step] = []
    for index in indices:
        steps += [_argument(index), (_EQUAL, 1, 0, 0), (_RETURN, 0, 0, _EPERM)]
    return [*steps, (_RETURN, 0, 0, _ALLOW)]


def _socket(rules: Rules) -> list[Step]:
    """Allow TCP (UDP), plain; other families, types and protocols are refused with EACCES."""
    if not rules.internet:
        return [(_RETURN, 0, 0, _EACCES)]
    types = [_SOCK_STREAM, *([_SOCK_DGRAM] if rules.datagrams else [])]
    steps: list[Step] = [
        _argument(0), (_EQUAL, 2, 0, _AF_INET), (_EQUAL, 1, 0, _AF_INET6), (_RETURN, 0, 0, _EACCES),
        _argument(1), (_AND, 0, 0, _SOCK_TYPE_MASK),
        *((_EQUAL, len(types) - number, 0, kind) for number, kind in enumerate(types)), (_RETURN, 0, 0, _EACCES),
        # By itself, TCP, UDP; multipath TCP and the like are not known to Landlock's rule.
        _argument(2), (_EQUAL, 3, 0, 0), (_EQUAL, 2, 0, 6), (_EQUAL, 1, 0, 17), (_RETURN, 0, 0, _EACCES),
        (_RETURN, 0, 0, _ALLOW),
    ]  # fmt: skip
    return steps


def _conditional(rules: Rules) -> dict[str, list[Step]]:
    """Return the steps for each call that is allowed for some arguments only."""
    anywhere = [(_RETURN, 0, 0, _ALLOW)]
    pid_first = _only_zero(0) if rules.shared_pids else anywhere
    steps = {
        "socket": _socket(rules),
        "socketpair": [
            _argument(0), (_EQUAL, 1, 0, _AF_UNIX), (_RETURN, 0, 0, _EACCES), (_RETURN, 0, 0, _ALLOW),
        ],
        "clone": [_argument(0), (_ANY_BIT, 0, 1, _CLONE_NAMESPACES), (_RETURN, 0, 0, _EPERM), *anywhere],
        "prlimit64": _only_zero(0),
        "setpriority": _only_zero(0, 1) if rules.shared_pids else anywhere,
        "ioprio_set": _only_zero(1) if rules.shared_pids else anywhere,
        **dict.fromkeys(("sched_setparam", "sched_setscheduler", "sched_setaffinity", "sched_setattr"), pid_first),
    }  # fmt: skip
    fast_open = {"sendto": 3, "sendmsg": 2, "sendmmsg": 3}
    for name, index in fast_open.items():
        steps[name] = [_argument(index), (_ANY_BIT, 0, 1, _MSG_FASTOPEN), (_RETURN, 0, 0, _EPERM), *anywhere]
    if not rules.listening:
        refused: list[Step] = [(_RETURN, 0, 0, _EACCES)]
        steps |= dict.fromkeys(("bind", "listen", "accept", "accept4"), refused)
    if rules.shared_pids:
        steps |= dict.fromkeys(("kill", "tkill", "tgkill", "pidfd_open"), _unguarded(rules.guarded_pids))
    return steps


def _unguarded(pids: Sequence[int]) -> list[Step]:
    """Refuse a call whose first argument is one of these processes, its group, or everybody."""
    steps: list[Step] = [_argument(0)]
    for pid in [-1, *(sign * pid for pid in pids for sign in (1, -1))]:
        steps += [(_EQUAL, 0, 1, pid & 0xFFFFFFFF), (_RETURN, 0, 0, _EPERM)]
    return [*steps, (_RETURN, 0, 0, _ALLOW)]


def _ranges(numbers: Sequence[int]) -> list[tuple[int, int]]:
    """Join numbers that follow each other."""
    joined: list[tuple[int, int]] = []
    for number in sorted(numbers):
        if joined and number == joined[-1][1] + 1:
            joined[-1] = (joined[-1][0], number)
        else:
            joined.append((number, number))
    return joined


def program(machine: str, rules: Rules) -> bytes:
    """Return the filter for one architecture."""
    code: list[Step] = [
        (_LOAD, 0, 0, _ARCH), (_EQUAL, 1, 0, syscalls.AUDIT_ARCH[machine]), (_RETURN, 0, 0, _KILL),
        (_LOAD, 0, 0, _NUMBER),
    ]  # fmt: skip
    if machine == "x86_64":
        code += [(_AT_LEAST, 0, 1, _X32_BIT), (_RETURN, 0, 0, _KILL)]
    numbers = {**syscalls.allowed(machine), **syscalls.conditional(machine)}
    for name, steps in _conditional(rules).items():
        # Each ends in a return, so the number is still loaded where it is not this call.
        code += [(_EQUAL, 0, len(steps), numbers[name])] if name in numbers else []
        code += steps if name in numbers else []
        numbers.pop(name, None)
    for low, high in _ranges(list(numbers.values())):
        code += [(_AT_LEAST, 0, 2, low), (_ABOVE, 1, 0, high), (_RETURN, 0, 0, _ALLOW)]
    for number in syscalls.unknown(machine).values():
        code += [(_EQUAL, 0, 1, number), (_RETURN, 0, 0, _ENOSYS)]
    code.append((_RETURN, 0, 0, _EPERM))
    return b"".join(struct.pack("HBBI", *step) for step in code)


def restrict(machine: str, rules: Rules) -> None:
    """Install the filter; no new privileges must be set already.

    Raises:
        OSError: the kernel refused it.
    """
    code = program(machine, rules)
    buffer = ctypes.create_string_buffer(code, len(code))

    class Program(ctypes.Structure):
        _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_void_p))

    described = Program(len(code) // 8, ctypes.cast(buffer, ctypes.c_void_p))
    linux.prctl(linux.PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, ctypes.byref(described))
