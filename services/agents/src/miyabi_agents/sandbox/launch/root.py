"""Builds the root that a command sees: what its policy names, a /proc, /dev, /tmp of its own, and nothing else."""

# Not pathlib: texts below a root that is being built, and exactly the system call that is written.
# ruff: noqa: PTH102, PTH103, PTH110, PTH114, PTH115, PTH120, PTH211

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from typing import NamedTuple

from miyabi_agents.sandbox.launch import linux

#: Devices that every program may expect; null(4), full(4), random(4), tty(4).
DEVICES = ("/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom", "/dev/tty")
#: Folders that a command has to itself, in memory.
PRIVATE = ("/tmp", "/dev/shm")  # noqa: S108 - they are its own
#: Home of a command.
HOME = "/tmp/home"  # noqa: S108 - below its own /tmp
_LINKS = {"/dev/fd": "/proc/self/fd", "/dev/stdin": "/proc/self/fd/0", "/dev/stdout": "/proc/self/fd/1",
          "/dev/stderr": "/proc/self/fd/2", "/dev/ptmx": "pts/ptmx"}  # fmt: skip


class Plan(NamedTuple):
    """What the root is built from; every path is absolute and without links, but those of *system*."""

    staging: str  #: an empty folder, to mount on
    system: Sequence[str]  #: bound read-only where they are there; links stay links
    readable: Sequence[str]
    writable: Sequence[str]
    links: Sequence[tuple[str, str]]  #: links on the way to what is bound: where, and to what
    private_bytes: int  #: size of /tmp, and of /dev/shm
    private_entries: int


class _Bind(NamedTuple):
    """A tree that is taken out of the old root before there is a new one."""

    target: str
    tree: int
    folder: bool


def build(plan: Plan, *, user: int, id_map: int) -> bool:
    """Build the root and enter it.

    Args:
        plan: What is in it.
        user: Owner of the private folders.
        id_map: User namespace through which the job's own paths are mounted; 0 for none.

    Returns:
        Whether that was possible: a file system may not know ID-mapped mounts, and then none is mounted so.

    Raises:
        OSError: something could not be mounted.
    """
    linux.mount("none", "/", None, flags=linux.MS_REC | linux.MS_PRIVATE)
    binds = [*_system(plan.system), *(_take(path, linux.MOUNT_ATTR_NODEV, devices=False) for path in DEVICES)]
    own = _own(plan, id_map)
    mapped = bool(own) or not id_map
    if not own:
        own = _own(plan, 0)
    linux.mount("tmpfs", plan.staging, "tmpfs", flags=linux.MS_NOSUID | linux.MS_NODEV, data="mode=0755,size=4m")
    _furnish(plan, user if mapped else os.geteuid())
    for bind in [*filter(None, binds), *own]:
        _place(plan.staging, bind)
    for where, target in [*_system_links(plan.system), *plan.links]:
        _link(plan.staging + where, target)
    linux.enter_root(plan.staging)
    _seal()
    return mapped


def _own(plan: Plan, id_map: int) -> list[_Bind]:
    """Take the job's paths, shallow ones first; nothing where the file system of one cannot be mapped."""
    found = []
    paths = dict.fromkeys(plan.readable, linux.MOUNT_ATTR_RDONLY) | dict.fromkeys(plan.writable, 0)
    for path in sorted(paths, key=lambda path: path.count("/")):
        bind = _take(path, paths[path] | linux.MOUNT_ATTR_NODEV, id_map=id_map)
        if bind is None:
            return []
        found.append(bind)
    return found


def _system(paths: Sequence[str]) -> list[_Bind | None]:
    """Take what every program reads."""
    attributes = linux.MOUNT_ATTR_RDONLY | linux.MOUNT_ATTR_NODEV
    return [_take(path, attributes) for path in paths if os.path.exists(path) and not os.path.islink(path)]


def _system_links(paths: Sequence[str]) -> list[tuple[str, str]]:
    """Return those of them that are links, and what they say: all lead to others."""
    return [(path, os.readlink(path)) for path in paths if os.path.islink(path)]


def _take(path: str, attributes: int, *, id_map: int = 0, devices: bool = True) -> _Bind | None:
    """Copy the mounts at and below a path; None where it is not there, or cannot be mapped."""
    handle = linux.open_without_links(path)
    folder = stat.S_ISDIR(os.fstat(handle).st_mode)
    tree = linux.clone_tree(handle)
    os.close(handle)
    wanted = linux.MOUNT_ATTR_NOSUID | (attributes if devices else 0)
    try:
        linux.set_mount(tree, wanted | (linux.MOUNT_ATTR_IDMAP if id_map else 0), user_namespace=id_map)
    except OSError:
        os.close(tree)
        if not id_map:
            raise
        return None
    return _Bind(path, tree, folder)


def _furnish(plan: Plan, user: int) -> None:
    """Make /proc, /dev, /tmp, and the few files of /etc that would speak of this machine."""
    root = plan.staging
    for folder in ("proc", "sys", "dev", "dev/pts", "dev/shm", "tmp", "etc", "run", "var", "home", "root", "opt"):
        os.mkdir(f"{root}/{folder}")
    linux.mount("proc", f"{root}/proc", "proc", flags=linux.MS_NOSUID | linux.MS_NODEV | linux.MS_NOEXEC)
    limits = f"mode=1777,size={plan.private_bytes},nr_inodes={plan.private_entries}"
    for folder in PRIVATE:
        linux.mount("tmpfs", root + folder, "tmpfs", flags=linux.MS_NOSUID | linux.MS_NODEV, data=limits)
    flags = linux.MS_NOSUID | linux.MS_NOEXEC
    linux.mount("devpts", f"{root}/dev/pts", "devpts", flags=flags, data="newinstance,ptmxmode=0666,mode=0620")
    os.mkdir(root + HOME, 0o700)
    os.chown(root + HOME, user, user)
    os.symlink("/tmp", f"{root}/var/tmp")  # noqa: S108 - its own
    os.symlink("/run", f"{root}/var/run")
    for where, target in _LINKS.items():
        os.symlink(target, root + where)
    _write_etc(root, user)


def _write_etc(root: str, user: int) -> None:
    """Write who is there and what localhost is."""
    person = f"miyabi:x:{user}:{user}:Miyabi:{HOME}:/bin/sh\n"
    nobody = "nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n"
    superuser = "root:x:0:0:root:/root:/bin/sh\n" if user else ""
    texts = {
        "passwd": superuser + person + nobody,
        "group": f"root:x:0:\nmiyabi:x:{user}:\nnogroup:x:65534:\n",
        "hosts": "127.0.0.1 localhost sandbox\n::1 localhost\n",
        "hostname": "sandbox\n",
        "resolv.conf": "",
        "nsswitch.conf": "passwd: files\ngroup: files\nhosts: files\nservices: files\nprotocols: files\n",
    }
    for name, text in texts.items():
        linux.write(f"{root}/etc/{name}", text)


def _place(root: str, bind: _Bind) -> None:
    """Put a tree where it was, below the new root."""
    target = root + bind.target
    os.makedirs(os.path.dirname(target), exist_ok=True)
    if bind.folder:
        os.makedirs(target, exist_ok=True)
    elif not os.path.lexists(target):
        os.close(os.open(target, os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC, 0o644))
    linux.move_tree(bind.tree, target)
    os.close(bind.tree)


def _link(where: str, target: str) -> None:
    """Make a link where nothing is; below what is bound it is there already."""
    if not os.path.lexists(where):
        os.makedirs(os.path.dirname(where), exist_ok=True)
        os.symlink(target, where)


def _seal() -> None:
    """Make the root itself read-only, and /proc where a superuser without capabilities could change the machine."""
    flags = linux.MS_REMOUNT | linux.MS_BIND | linux.MS_NOSUID | linux.MS_NODEV | linux.MS_RDONLY
    linux.mount("none", "/", None, flags=flags)
    linux.mount("none", "/proc", None, flags=flags | linux.MS_NOEXEC)
