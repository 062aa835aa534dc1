"""Turns a job into the policy of its launcher: every path resolved, and refused where it is not its to have."""

from __future__ import annotations

import stat
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from miyabi_agents.errors import SandboxError
from miyabi_agents.ports import Network, SandboxJob, SandboxLimits
from miyabi_agents.sandbox.launch.root import HOME

#: What every program needs to read: libraries, programs, time zones, certificates' roots, names of protocols.
SYSTEM_PATHS = (
    "/usr",
    "/lib",
    "/lib32",
    "/lib64",
    "/bin",
    "/sbin",
    "/etc/ld.so.cache",
    "/etc/ld.so.conf",
    "/etc/ld.so.conf.d",
    "/etc/localtime",
    "/etc/timezone",
    "/etc/mime.types",
    "/etc/alternatives",
    "/etc/python3",
    # Not the whole of /etc/ssl: there are private keys in it.
    "/etc/ssl/certs",
    "/etc/ssl/cert.pem",
    "/etc/ssl/openssl.cnf",
    "/etc/ca-certificates",
    "/etc/pki/ca-trust",
    "/etc/pki/tls/certs",
    "/etc/pki/tls/openssl.cnf",
    "/etc/os-release",
    "/etc/debian_version",
    "/etc/gitconfig",
    "/etc/protocols",
    "/etc/services",
    "/etc/java-17-openjdk",
    "/etc/java-21-openjdk",
    "/etc/host.conf",
)
#: What programs ask of the machine where they cannot have a /proc of their own: how many processors, how much memory.
MACHINE = ("/proc/cpuinfo", "/proc/meminfo", "/proc/stat", "/proc/uptime", "/proc/loadavg", "/sys/devices/system/cpu")
#: Nobody's to read or write, nor anything below.
_NEVER = ("/proc", "/sys", "/dev", "/run", "/var/run", "/boot")
#: Too much to read as a whole.
_NOT_WHOLE = ("/", "/etc", "/home", "/root", "/tmp", "/var", "/var/lib", "/var/tmp", "/opt", "/mnt", "/srv")  # noqa: S108
#: Nothing is written there.
_READ_ONLY = ("/usr", "/etc", "/bin", "/sbin", "/lib", "/lib32", "/lib64")
#: The kernel follows so many links in a path, and no more.
_MOST_LINKS = 40
#: RLIMIT_NPROC counts threads; processes themselves are counted and ended, this only keeps the machine usable.
_THREADS_EACH = 4


@dataclass(frozen=True)
class Paths:
    """A job's paths, resolved."""

    cwd: str
    writable: tuple[str, ...]
    readable: tuple[str, ...]
    links: tuple[tuple[str, str], ...]  #: links on the way to them, which a root of its own needs too


def resolve(job: SandboxJob) -> Paths:
    """Resolve a job's paths and check that it may have them.

    Raises:
        SandboxError: a path is not absolute, is not there to be written to, is or holds what nobody gets, or the
            folder to run in is not among the others (`REFUSED`).
    """
    if not job.command or any("\0" in part for part in job.command):
        raise SandboxError("the command is empty or holds a NUL", code="REFUSED")
    writable = tuple(str(_checked(path, writing=True)) for path in job.writable)
    readable = tuple(str(path) for path in map(_checked, job.readable) if path.exists())
    cwd = _real(job.cwd)
    if not any(cwd == Path(path) or Path(path) in cwd.parents for path in (*writable, *readable)):
        raise SandboxError(f"{job.cwd} is not in what the command may read or write", code="REFUSED")
    if not cwd.is_dir():
        raise SandboxError(f"{job.cwd} is no folder", code="REFUSED")
    if job.network is Network.PROXY and not 1 <= job.proxy_port <= 65535:
        raise SandboxError(f"{job.proxy_port} is no port", code="REFUSED")
    given = [job.cwd, *job.writable, *job.readable]
    program = Path(job.command[0])
    links = [link for path in (*given, *([program] if program.is_absolute() else ())) for link in _links(path)]
    return Paths(str(cwd), writable, readable, tuple(dict.fromkeys(links)))


def _real(path: Path) -> Path:
    """Resolve one path.

    Raises:
        SandboxError: it is not absolute, or turns in circles (`REFUSED`).
    """
    if not path.is_absolute() or "\0" in str(path):
        raise SandboxError(f"{path} is not absolute", code="REFUSED")
    try:
        return path.resolve()
    except (OSError, RuntimeError) as error:
        raise SandboxError(f"{path} cannot be resolved: {error}", code="REFUSED") from error


def _checked(path: Path, *, writing: bool = False) -> Path:
    """Return a path resolved.

    Raises:
        SandboxError: it is not a command's to have (`REFUSED`).
    """
    real = _real(path)
    whole = (*_NOT_WHOLE, str(Path("~").expanduser()))
    below = (*_NEVER, *_READ_ONLY) if writing else _NEVER
    if str(real) in whole or any(real == Path(top) or Path(top) in real.parents for top in below):
        raise SandboxError(f"{path} is not a command's to {'write' if writing else 'read'}", code="REFUSED")
    if writing and not real.exists():
        raise SandboxError(f"{path} is not there to be written to", code="REFUSED")
    if real.exists() and not (real.is_dir() or stat.S_ISREG(real.stat().st_mode)):
        raise SandboxError(f"{path} is neither folder nor file", code="REFUSED")
    return real


def _links(path: Path) -> list[tuple[str, str]]:
    """Return each link that resolving a path passes, and what it says."""
    found: list[tuple[str, str]] = []
    here, parts = Path("/"), list(path.parts[1:])
    while parts and len(found) < _MOST_LINKS:
        part = parts.pop(0)
        here = here.parent if part == ".." else here / part
        if here.is_symlink():
            target = here.readlink()
            found.append((str(here), str(target)))
            parts = [*target.parts[1 if target.is_absolute() else 0 :], *parts]
            here = Path("/") if target.is_absolute() else here.parent
    return found


def environment(job: SandboxJob, *, private: Path, alone: bool) -> dict[str, str]:
    """Return a command's variables; none is inherited."""
    program = Path(job.command[0])
    first = [str(program.parent)] if program.is_absolute() else []
    own = {
        "PATH": ":".join([*first, "/usr/local/bin", "/usr/bin", "/bin"]),
        "HOME": HOME if alone else str(private / "home"),
        "TMPDIR": "/tmp" if alone else str(private / "tmp"),  # noqa: S108 - its own
        "USER": "miyabi",
        "LOGNAME": "miyabi",
        "LANG": "C.UTF-8",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONUNBUFFERED": "1",
    }
    return {**own, **job.environment, "MIYABI_REPORT": str(private / "report")}


def policy(job: SandboxJob, paths: Paths, private: Path, *, mode: str, active: Sequence[str]) -> dict[str, object]:
    """Describe the confinement for the keeper.

    Args:
        job: What to run.
        paths: Its paths, resolved.
        private: Folder of the command, with `root`, `report`, `home` and `tmp` in it; resolved.
        mode: `own-uid`, `user` (namespaces without a second user) or `plain` (no namespaces).
        active: Layers that must hold.
    """
    limits = job.limits
    return {
        "mode": mode,
        "command": list(job.command),
        "environment": environment(job, private=private, alone=mode != "plain"),
        "cwd": paths.cwd,
        "system": [*SYSTEM_PATHS, *(MACHINE if mode == "plain" else ())],
        "readable": paths.readable,
        "writable": paths.writable,
        "links": paths.links,
        "staging": str(private / "root"),
        "report": str(private / "report"),
        "private": [str(private / "home"), str(private / "tmp")] if mode == "plain" else [],
        "network": job.network.value,
        "proxy_port": job.proxy_port,
        **{name.replace("-", "_"): name in active for name in ("landlock", "landlock-tcp", "seccomp")},
        "memory_bytes": limits.memory_bytes,
        "processes": limits.processes,
        "disk_bytes": limits.disk_bytes,
        "disk_entries": limits.disk_entries,
        "private_bytes": min(limits.disk_bytes, limits.memory_bytes),
        "limits": _resource_limits(limits),
    }


def _resource_limits(limits: SandboxLimits) -> dict[str, int]:
    """Return the limits that the kernel keeps for each process; address space is not among them."""
    return {
        "CPU": max(1, int(limits.cpu.total_seconds())),
        "FSIZE": limits.file_bytes,
        "CORE": 0,
        "NOFILE": 4096,
        "NPROC": limits.processes * _THREADS_EACH + 64,
    }
