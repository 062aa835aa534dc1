"""The system calls and numbers that the standard library has no name for (`include/uapi/linux`, man section 2)."""

from __future__ import annotations

import ctypes
import os
import struct
import sys

#: Numbers that x86-64 and AArch64 share.
OPEN_TREE, MOVE_MOUNT, OPENAT2, MOUNT_SETATTR = 428, 429, 437, 442
#: pivot_root(2) has no wrapper in the C library.
PIVOT_ROOT = {"x86_64": 155, "aarch64": 41}
#: capset(2), too.
CAPSET = {"x86_64": 126, "aarch64": 91}

CLONE_NEWNS, CLONE_NEWUTS, CLONE_NEWIPC = 0x00020000, 0x04000000, 0x08000000
CLONE_NEWUSER, CLONE_NEWPID, CLONE_NEWNET = 0x10000000, 0x20000000, 0x40000000

MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_REMOUNT, MS_BIND = 1, 2, 4, 8, 32, 4096
MS_REC, MS_PRIVATE = 16384, 1 << 18
MNT_DETACH = 2
MOUNT_ATTR_RDONLY, MOUNT_ATTR_NOSUID, MOUNT_ATTR_NODEV, MOUNT_ATTR_IDMAP = 1, 2, 4, 0x00100000

PR_SET_PDEATHSIG, PR_SET_DUMPABLE, PR_SET_SECCOMP, PR_CAPBSET_DROP = 1, 4, 22, 24
PR_SET_CHILD_SUBREAPER, PR_SET_NO_NEW_PRIVS, PR_CAP_AMBIENT = 36, 38, 47

_AT_EMPTY_PATH, _AT_RECURSIVE, _OPEN_TREE_CLONE, _MOVE_MOUNT_F_EMPTY_PATH = 0x1000, 0x8000, 1, 4
_AT_FDCWD = -100
_RESOLVE_NO_SYMLINKS = 4
#: capset(2)'s version 3: two words of 32 bits for each set.
_CAPABILITY_VERSION_3 = 0x20080522

_libc = ctypes.CDLL(None, use_errno=True)


def must(result: int, what: str) -> int:
    """Return a result that is not negative.

    Raises:
        OSError: it is; says *what* was tried.
    """
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")
    return result


def call(what: str, number: int, *arguments: object) -> int:
    """Make a system call by number.

    Raises:
        OSError: it failed.
    """
    return must(_libc.syscall(ctypes.c_long(number), *map(_word, arguments)), what)


def _word(argument: object) -> object:
    """Return whole numbers as the full register that a system call reads."""
    return ctypes.c_long(argument) if isinstance(argument, int) else argument


def prctl(option: int, value: int = 0, third: object = 0) -> None:
    """Change something of this process.

    Raises:
        OSError: the kernel refused.
    """
    words = (ctypes.c_ulong(value), _word(third), ctypes.c_ulong(0), ctypes.c_ulong(0))
    must(_libc.prctl(ctypes.c_int(option), *words), f"prctl {option}")


def unshare(flags: int) -> None:
    """Take namespaces of one's own.

    Raises:
        OSError: this machine does not give them.
    """
    must(_libc.unshare(ctypes.c_int(flags)), "unshare")


def mount(source: str, target: str, kind: str | None, *, flags: int, data: str = "") -> None:
    """Mount a file system.

    Raises:
        OSError: the kernel refused.
    """
    words = (source.encode(), target.encode(), kind.encode() if kind else None, ctypes.c_ulong(flags), data.encode())
    must(_libc.mount(*words), f"mount {kind or source} at {target}")


def clone_tree(handle: int) -> int:
    """Return a detached copy of the mounts at and below an open path."""
    flags = _OPEN_TREE_CLONE | os.O_CLOEXEC | _AT_EMPTY_PATH | _AT_RECURSIVE
    return call("open_tree", OPEN_TREE, handle, b"", flags)


def set_mount(tree: int, attributes: int, *, user_namespace: int = 0) -> None:
    """Set attributes of a detached tree of mounts."""
    wanted = struct.pack("4Q", attributes, 0, 0, user_namespace)
    flags = _AT_EMPTY_PATH | _AT_RECURSIVE
    call("mount_setattr", MOUNT_SETATTR, tree, b"", flags, wanted, len(wanted))


def move_tree(tree: int, target: str) -> None:
    """Put a detached tree of mounts somewhere."""
    call(f"move_mount to {target}", MOVE_MOUNT, tree, b"", _AT_FDCWD, target.encode(), _MOVE_MOUNT_F_EMPTY_PATH)


def enter_root(folder: str) -> None:
    """Make *folder*, a mount, the root, and let go of the old one."""
    os.chdir(folder)
    call("pivot_root", PIVOT_ROOT[os.uname().machine], b".", b".")
    must(_libc.umount2(b".", MNT_DETACH), "umount of the old root")
    os.chdir("/")


def open_without_links(path: str) -> int:
    """Open a path (`O_PATH`) none of whose parts is a link, whoever changes it meanwhile.

    Raises:
        OSError: a part is one (`ELOOP`), or it is not there.
    """
    how = struct.pack("3Q", os.O_PATH | os.O_CLOEXEC, 0, _RESOLVE_NO_SYMLINKS)
    return call(f"open {path}", OPENAT2, _AT_FDCWD, os.fsencode(path), how, len(how))


def drop_capabilities() -> None:
    """Give up every capability for good: bounding, ambient, and those that are held."""
    for capability in range(64):
        try:
            prctl(PR_CAPBSET_DROP, capability)
        except OSError:  # the kernel has no such capability, or we may not: the sets below are emptied anyway
            break
    clear_capabilities()


def clear_capabilities() -> None:
    """Empty the sets that are held."""
    header = struct.pack("Ii", _CAPABILITY_VERSION_3, 0)
    call("capset", CAPSET[os.uname().machine], header, bytes(24))


def write(path: str, text: str) -> None:
    """Write a file whole, in one call, as the kernel's own files want it.

    Raises:
        OSError: it cannot be opened or takes nothing.
    """
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        os.write(handle, text.encode())
    finally:
        os.close(handle)


def die_with_parent() -> None:
    """Be killed when the process that started this one ends."""
    if sys.platform == "linux":
        prctl(PR_SET_PDEATHSIG, 9)
