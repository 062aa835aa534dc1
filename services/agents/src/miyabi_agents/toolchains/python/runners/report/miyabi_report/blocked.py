"""Tells from an exception whether a test needed what the sandbox forbids; reads objects, never text."""

# Paths are text here: tests may have changed pathlib in this very interpreter.
# ruff: noqa: PTH100, PTH117, PTH119, PTH206
from __future__ import annotations

import dis
import errno
import os
import socket
import sys
import sysconfig
import tempfile
from types import CodeType, FrameType, TracebackType

from . import variables

#: How the kernel refuses (seccomp, Landlock, what is mounted for reading), and what a machine without network answers.
REFUSALS = frozenset({errno.EPERM, errno.EACCES, errno.EROFS})
NO_NETWORK = frozenset({errno.ENETUNREACH, errno.EHOSTUNREACH, errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL})
#: Calls that the sandbox refuses or bounds; a name counts where it is loaded for the very call that raised.
CALLS = frozenset({
    "bind", "connect", "connect_ex", "listen", "accept", "sendto", "sendmsg", "socket", "socketpair",
    "create_connection", "create_server", "getaddrinfo", "gethostbyname", "mount", "umount", "chroot",
    "unshare", "setns", "sethostname", "setuid", "setgid", "seteuid", "setegid", "setgroups", "initgroups",
    "mknod", "mkfifo", "ptrace", "kill", "killpg", "nice", "setpriority", "sched_setaffinity",
    "sched_setscheduler", "prlimit", "setrlimit", "chown", "lchown", "fchown", "setxattr", "memfd_create",
    "perf_event_open", "pidfd_open",
})  # fmt: skip
#: Modules of the standard library that make such calls for others.
NETWORK = ("socket.py", "socketserver.py", "ssl.py", "asyncio", "http", "smtplib.py", "ftplib.py", "urllib", "wsgiref",
           "xmlrpc", "multiprocessing", "selectors.py", "imaplib.py", "poplib.py", "telnetlib.py")  # fmt: skip
#: Instructions before a call in which the called name is loaded.
_WINDOW = 24
#: Exceptions that are looked at, along causes, contexts and groups.
_MOST = 50
#: Frames that are looked at: the deepest are the last.
_FRAMES = 1_000


def blocked_by(error: BaseException | None) -> str:
    """Return what the sandbox refused, for a person; empty where the exception has another cause."""
    seen: list[BaseException] = []
    waiting = [error]
    while waiting and len(seen) < _MOST:
        one = waiting.pop()
        if one is None or any(one is other for other in seen):
            continue
        seen.append(one)
        if isinstance(one, OSError):
            found = _refused(one)
            if found:
                return f"blocked by the sandbox: {found}"
        inner = getattr(one, "exceptions", ())
        waiting += [one.__context__, one.__cause__]
        waiting += (
            [each for each in inner[:_MOST] if isinstance(each, BaseException)] if isinstance(inner, tuple) else []
        )
    return ""


def _refused(error: OSError) -> str:
    """Return what was refused by the system in this very exception."""
    if isinstance(error, socket.gaierror):
        return "names are not looked up" if error.errno in {socket.EAI_AGAIN, socket.EAI_NONAME} else ""
    last = _innermost(error.__traceback__)
    if last is None or error.errno not in REFUSALS | NO_NETWORK:
        return ""
    called = _call_of(last.tb_frame.f_code, last.tb_lasti)
    by_library = _is_network(last.tb_frame)
    if called is None and not by_library:
        return ""
    wanted = sorted(CALLS.intersection(called or ()))
    if wanted or by_library:
        name = os.path.basename(last.tb_frame.f_code.co_filename)
        return f"{wanted[-1] if wanted else name}: {error.strerror or error}"
    return _forbidden_file(error)


def _forbidden_file(error: OSError) -> str:
    """Return the file outside of everything that the run may use, where that was refused."""
    name = error.filename
    if error.errno not in REFUSALS or not isinstance(name, str) or not os.path.isabs(name):
        return ""
    real = os.path.realpath(name)
    usable = [os.environ.get(variables.TREE, ""), os.environ.get(variables.ENVIRONMENT, ""), tempfile.gettempdir()]
    inside = any(real.startswith(os.path.realpath(place) + os.sep) for place in usable if place)
    return "" if inside else f"{name[:300]}: {error.strerror}"


def _innermost(trace: TracebackType | None) -> TracebackType | None:
    """Return where an exception was raised, deep recursions aside."""
    for _ in range(_FRAMES):
        if trace is None or trace.tb_next is None:
            return trace
        trace = trace.tb_next
    return None


def _is_network(frame: FrameType) -> bool:
    """Tell whether code runs in a module of the standard library that talks to the network."""
    library = os.path.realpath(sysconfig.get_paths()["stdlib"]) + os.sep
    file = os.path.realpath(frame.f_code.co_filename)
    return file.startswith(library) and file[len(library) :].split(os.sep)[0] in NETWORK


def _call_of(code: CodeType, at: int) -> set[str] | None:
    """Return the names that are loaded for the call at an instruction; None where it is no call, such as a `raise`."""
    before: list[dis.Instruction] = []
    for instruction in dis.get_instructions(code):
        if instruction.offset > at:
            break
        before.append(instruction)
    if not before or "RAISE" in before[-1].opname:
        return None
    loads = [one for one in before[-_WINDOW:] if one.opname.startswith(("LOAD_", "IMPORT_"))]
    return {one.argval for one in loads if isinstance(one.argval, str)}


def foreign_imports() -> dict[str, str]:
    """Return the project's packages that came from elsewhere than the checkout, with their files."""
    given = os.environ.get(variables.TREE, "") or "/"
    # Either form counts: a compiled module may be a link to the environment's.
    tree = (os.path.abspath(given).rstrip(os.sep) + os.sep, os.path.realpath(given).rstrip(os.sep) + os.sep)
    found = {}
    for name in filter(None, os.environ.get(variables.PACKAGES, "").split(",")):
        module = sys.modules.get(name)
        file = getattr(module, "__file__", None) or next(iter(getattr(module, "__path__", None) or ()), None)
        if isinstance(file, str) and not (
            os.path.abspath(file).startswith(tree) or os.path.realpath(file).startswith(tree)
        ):
            found[name] = file[:500]
    return found
