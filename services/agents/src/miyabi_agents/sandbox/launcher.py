"""Confines itself, then becomes the command: run as `python -I -S launcher.py`, with a JSON policy on descriptor 3.

Standard library only, and no import of ours: it is the last code before the repository's. Sources: landlock(7),
seccomp(2), prctl(2), setrlimit(2); structures and numbers are the kernel's (include/uapi/linux).
"""

from __future__ import annotations

import ctypes
import json
import os
import platform
import resource
import stat
import struct
import sys

#: Descriptor of the policy.
POLICY_FD = 3
#: Exit code that says that the launcher itself failed; its one line is on stderr.
EXIT_LAUNCH_FAILED = 125

PR_SET_NO_NEW_PRIVS = 38
PR_SET_SECCOMP = 22
PR_SET_PDEATHSIG = 1
SECCOMP_MODE_FILTER = 2

LANDLOCK_CREATE_RULESET = 444
LANDLOCK_ADD_RULE = 445
LANDLOCK_RESTRICT_SELF = 446
LANDLOCK_CREATE_RULESET_VERSION = 1
LANDLOCK_RULE_PATH_BENEATH = 1
#: Since which version of Landlock there is what.
ABI_REFER, ABI_TRUNCATE, ABI_TCP, ABI_IOCTL, ABI_SCOPE = 2, 3, 4, 5, 6

ACCESS_EXECUTE, ACCESS_WRITE_FILE, ACCESS_READ_FILE, ACCESS_READ_DIR = 1 << 0, 1 << 1, 1 << 2, 1 << 3
ACCESS_ALL_1 = (1 << 13) - 1
ACCESS_REFER, ACCESS_TRUNCATE, ACCESS_IOCTL = 1 << 13, 1 << 14, 1 << 15
ACCESS_READ = ACCESS_EXECUTE | ACCESS_READ_FILE | ACCESS_READ_DIR
ACCESS_OF_FILES = ACCESS_EXECUTE | ACCESS_WRITE_FILE | ACCESS_READ_FILE | ACCESS_TRUNCATE | ACCESS_IOCTL
NET_ALL = 0b11
SCOPE_ALL = 0b11

#: AUDIT_ARCH value and numbers of the calls that are refused, for each architecture.
ARCHITECTURES = {
    "x86_64": (
        0xC000003E,
        {
            "socket": 41, "socketpair": 53,
            "refused": (
                29, 30, 31, 67, 64, 65, 66, 220, 68, 69, 70, 71, 240, 241, 242, 243, 244, 245, 101, 310, 311, 321, 248,
                249, 250, 165, 166, 155, 272, 308, 323, 298, 425, 426, 427, 161, 175, 313, 176, 246, 320, 304, 303, 428,
                429, 430, 431, 432, 433, 442, 435,
            ),
        },
    ),
    "aarch64": (
        0xC00000B7,
        {
            "socket": 198, "socketpair": 199,
            "refused": (
                194, 195, 196, 197, 190, 191, 192, 193, 186, 187, 188, 189, 180, 181, 182, 183, 184, 185, 117, 270, 271,
                280, 217, 218, 219, 40, 39, 41, 97, 268, 282, 241, 425, 426, 427, 51, 105, 273, 106, 104, 294, 265, 264,
                428, 429, 430, 431, 432, 433, 442, 435,
            ),
        },
    ),
}  # fmt: skip
#: clone3 is refused with ENOSYS, so that C libraries use clone, whose flags a filter can see.
CLONE3 = 435
#: x86-64 calls of the x32 kind start here.
X32_BIT = 0x40000000
AF_UNIX = 1
#: clone(2) flags that make new namespaces.
CLONE_NAMESPACES = 0x7E020000
CLONE = {"x86_64": 56, "aarch64": 220}

LD_W_ABS, JEQ, JGE, JSET, RET = 0x20, 0x15, 0x35, 0x45, 0x06
ALLOW, KILL = 0x7FFF0000, 0x80000000
EPERM_ACTION, EACCES_ACTION, ENOSYS_ACTION = 0x00050001, 0x0005000D, 0x00050026


def _libc() -> ctypes.CDLL:
    """Return the C library with errno."""
    return ctypes.CDLL(None, use_errno=True)


def landlock_abi() -> int:
    """Return the kernel's version of Landlock; 0 where there is none."""
    if sys.platform != "linux":
        return 0
    version: int = _libc().syscall(LANDLOCK_CREATE_RULESET, None, 0, LANDLOCK_CREATE_RULESET_VERSION)
    return max(0, version)


def _must(result: int, what: str) -> int:
    """Fail where a system call did."""
    if result < 0:
        raise OSError(ctypes.get_errno(), f"{what}: {os.strerror(ctypes.get_errno())}")
    return result


def restrict_files(readable: list[str], writable: list[str], abi: int) -> None:
    """Allow reading and running below *readable*, everything below *writable*, and nothing else."""
    handled = ACCESS_ALL_1
    handled |= ACCESS_REFER if abi >= ABI_REFER else 0
    handled |= ACCESS_TRUNCATE if abi >= ABI_TRUNCATE else 0
    handled |= ACCESS_IOCTL if abi >= ABI_IOCTL else 0
    fields = [handled]
    if abi >= ABI_TCP:
        fields.append(NET_ALL)
    if abi >= ABI_SCOPE:
        fields.append(SCOPE_ALL)
    attributes = struct.pack(f"{len(fields)}Q", *fields)
    libc = _libc()
    ruleset = _must(libc.syscall(LANDLOCK_CREATE_RULESET, attributes, len(attributes), 0), "landlock_create_ruleset")
    for path, access in [*((path, ACCESS_READ) for path in readable), *((path, handled) for path in writable)]:
        _allow_below(libc, ruleset, path, access & handled)
    _must(libc.syscall(LANDLOCK_RESTRICT_SELF, ruleset, 0), "landlock_restrict_self")
    os.close(ruleset)


def _allow_below(libc: ctypes.CDLL, ruleset: int, path: str, access: int) -> None:
    """Add a rule; a path that is not there is left out."""
    try:
        handle = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    if not stat.S_ISDIR(os.fstat(handle).st_mode):
        access &= ACCESS_OF_FILES
    rule = struct.pack("=Qi", access, handle)
    _must(libc.syscall(LANDLOCK_ADD_RULE, ruleset, LANDLOCK_RULE_PATH_BENEATH, rule, 0), f"landlock_add_rule {path}")
    os.close(handle)


def seccomp_program(machine: str) -> bytes:
    """Return the filter: other families than Unix, IPC, tracing, mounts and namespaces are refused."""
    arch, calls = ARCHITECTURES[machine]
    code: list[tuple[int, int, int, int]] = [
        (LD_W_ABS, 0, 0, 4), (JEQ, 1, 0, arch), (RET, 0, 0, KILL), (LD_W_ABS, 0, 0, 0),
    ]  # fmt: skip
    if machine == "x86_64":
        code += [(JGE, 0, 1, X32_BIT), (RET, 0, 0, KILL)]
    for name in ("socket", "socketpair"):
        # The family is the first argument, at offset 16; the number is loaded again for the tests behind.
        code += [
            (JEQ, 0, 4, int(calls[name])),  # type: ignore[call-overload]
            (LD_W_ABS, 0, 0, 16), (JEQ, 0, 1, AF_UNIX), (RET, 0, 0, ALLOW), (RET, 0, 0, EACCES_ACTION),
        ]  # fmt: skip
    code += [
        (JEQ, 0, 4, CLONE[machine]),
        (LD_W_ABS, 0, 0, 16), (JSET, 0, 1, CLONE_NAMESPACES), (RET, 0, 0, EPERM_ACTION), (RET, 0, 0, ALLOW),
    ]  # fmt: skip
    for number in calls["refused"]:  # type: ignore[attr-defined]
        code += [(JEQ, 0, 1, number), (RET, 0, 0, ENOSYS_ACTION if number == CLONE3 else EPERM_ACTION)]
    code.append((RET, 0, 0, ALLOW))
    return b"".join(struct.pack("HBBI", *step) for step in code)


def restrict_calls(machine: str) -> None:
    """Install the filter."""
    program = seccomp_program(machine)
    buffer = ctypes.create_string_buffer(program, len(program))

    class Program(ctypes.Structure):
        _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_void_p))

    described = Program(len(program) // 8, ctypes.cast(buffer, ctypes.c_void_p))
    _must(_libc().prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.byref(described), 0, 0), "seccomp")


def limit_resources(limits: dict[str, int]) -> None:
    """Set resource limits, soft and hard."""
    for name, value in limits.items():
        kind = getattr(resource, f"RLIMIT_{name}")
        hard = resource.getrlimit(kind)[1]
        ceiling = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(kind, (ceiling, ceiling))


def main() -> None:
    """Read the policy, confine, become the command."""
    with os.fdopen(POLICY_FD, "r") as file:
        policy = json.load(file)
    try:
        os.closerange(POLICY_FD, 4096)
        os.chdir(policy["cwd"])
        limit_resources(policy["limits"])
        if sys.platform == "linux":
            libc = _libc()
            libc.prctl(PR_SET_PDEATHSIG, 9, 0, 0, 0)
            _must(libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "no_new_privs")
            if policy["landlock"]:
                restrict_files(policy["readable"], policy["writable"], landlock_abi())
            if policy["seccomp"]:
                restrict_calls(platform.machine())
        os.execvpe(policy["command"][0], policy["command"], policy["environment"])  # noqa: S606 - that is its job
    except OSError as error:
        sys.stderr.write(f"miyabi-launcher: {error}\n")
        sys.stderr.flush()
        os._exit(EXIT_LAUNCH_FAILED)


if __name__ == "__main__":
    main()
