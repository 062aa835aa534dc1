"""What code of a stranger's tries from inside: each attempt either raises, or returns what it got hold of.

Its text, with that of `hostile_networks.py` behind it, is run in the sandbox with nothing but the standard library; it prints a
JSON object of attempts and outcomes.
"""

from __future__ import annotations

import ctypes
import fcntl
import glob
import json
import os
import resource
import signal
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Callable

WORLD = json.loads(sys.argv[1])
SECRET, AGENT, NEIGHBOUR = WORLD["secret"], WORLD["agent"], WORLD["neighbour"]
LIBC = ctypes.CDLL(None, use_errno=True)
LEFT_OPEN = []
for number in range(3, 1024):
    try:
        os.fstat(number)
    except OSError:
        continue
    LEFT_OPEN.append(number)
ATTEMPTS: dict[str, Callable[[], object]] = {}


def attempt(function: Callable[[], object]) -> Callable[[], object]:
    """Have a function tried; what it returns that is not None or False is what it got."""
    ATTEMPTS[function.__name__] = function
    return function


def call(name: str, *arguments: object) -> int:
    """Call a function of the C library; raises where it fails."""
    result: int = getattr(LIBC, name)(*arguments)
    if result < 0:
        raise OSError(ctypes.get_errno(), name)
    return result


def first(paths: list[str]) -> bytes | None:
    """Return what the first of some files that can be read begins with."""
    for path in paths:
        try:
            with open(path, "rb") as file:
                return file.read(200)
        except OSError:
            continue
    return None


# Credentials.


@attempt
def key_in_any_environment() -> object:
    """The agent's key, in whatever process shows its environment."""
    for path in glob.glob("/proc/[0-9]*/environ"):
        try:
            text = open(path, "rb").read()
        except OSError:
            continue
        if WORLD["key"].encode() in text:
            return path
    return WORLD["key"] in str(dict(os.environ))


@attempt
def key_in_memory_of_others() -> object:
    """The memory of the processes that can be named."""
    return first([f"/proc/{pid}/mem" for pid in (1, os.getppid(), AGENT) if pid != os.getpid()])


@attempt
def secret_file() -> object:
    return first([SECRET, f"/proc/1/root{SECRET}", f"/proc/{AGENT}/root{SECRET}", f"/proc/self/root/..{SECRET}"])


@attempt
def secret_file_by_a_link() -> object:
    os.symlink(SECRET, "soft")
    return first(["soft"])


@attempt
def secret_file_by_a_hard_link() -> object:
    os.link(SECRET, "hard")
    return first(["hard"])


@attempt
def secret_file_by_its_handle() -> object:
    """open_by_handle_at needs no path."""
    return (
        call(
            "name_to_handle_at",
            -100,
            SECRET.encode(),
            ctypes.create_string_buffer(200),
            ctypes.create_string_buffer(8),
            0,
        )
        >= 0
    )


@attempt
def descriptors_of_others() -> object:
    return first(glob.glob("/proc/1/fd/*") + glob.glob(f"/proc/{AGENT}/fd/*"))


@attempt
def descriptors_left_open() -> object:
    return LEFT_OPEN or None


@attempt
def neighbours_files() -> object:
    return first([NEIGHBOUR + "/file"]) or os.path.exists(NEIGHBOUR)


@attempt
def neighbours_folder_by_its_parents() -> object:
    return [name for name in os.listdir("..") if name != os.path.basename(os.getcwd())] or None


@attempt
def home_and_configuration() -> object:
    """Where people keep keys."""
    names = (
        "/.ssh/id_rsa",
        "/.aws/credentials",
        "/.netrc",
        "/.config/gh/hosts.yml",
        "/.docker/config.json",
        "/.gitconfig",
    )
    found = first([home + name for home in (WORLD["home"], os.path.expanduser("~"), "/root") for name in names])
    return found or first(["/etc/shadow", "/etc/sudoers", "/var/run/secrets/kubernetes.io/serviceaccount/token"])


@attempt
def kernel_messages() -> object:
    return first(["/dev/kmsg", "/dev/mem", "/proc/kcore", "/proc/keys", "/proc/timer_list"]) or None


# What lies outside, changed.


@attempt
def outside_chmod() -> object:
    return os.chmod(SECRET, 0o777) is None


@attempt
def outside_utime() -> object:
    return os.utime(SECRET, (1, 1)) is None


@attempt
def outside_attribute() -> object:
    return os.setxattr(SECRET, "user.x", b"1") is None


@attempt
def outside_owner() -> object:
    return os.chown(SECRET, os.getuid(), os.getgid()) is None


@attempt
def outside_flags() -> object:
    """FS_IOC_SETFLAGS on a program that may be read: append-only would break the next update."""
    with open("/usr/bin/env", "rb") as file:
        return fcntl.ioctl(file, 0x40086602, struct.pack("l", 0x20)) is not None


@attempt
def outside_lock() -> object:
    """A lock on what others lock; files outside cannot be opened to be locked."""
    with open(SECRET + ".lock") as file:
        return fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB) is None


@attempt
def outside_file_made() -> object:
    for folder in ("/usr", "/etc", "/", "/opt", "/var", os.path.dirname(SECRET)):
        try:
            open(folder + "/planted", "x").close()
        except OSError:
            continue
        if os.path.exists(folder + "/planted") and folder != "/":
            return folder
    return None


# Processes.


@attempt
def kill_everyone() -> object:
    """The signal reaches nobody but our own."""
    if os.fork() == 0:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        try:
            os.kill(AGENT, signal.SIGTERM)
            os._exit(0)
        except OSError:
            os._exit(1)
    return os.waitstatus_to_exitcode(os.wait()[1]) == 0


@attempt
def limits_of_others() -> object:
    for pid in (AGENT, 1):
        try:
            resource.prlimit(pid, resource.RLIMIT_NOFILE, (64, 64))
        except (OSError, ValueError):
            continue
        return pid
    return None


@attempt
def priority_of_others() -> object:
    return os.setpriority(os.PRIO_PROCESS, AGENT, 19) is None


@attempt
def priority_of_the_whole_user() -> object:
    """One call for every process of the user; alone in a user of one's own it harms nobody."""
    return os.setpriority(os.PRIO_USER, WORLD["uid"], 19) is None and WORLD["uid"] == os.getuid()


@attempt
def processors_of_others() -> object:
    return os.sched_setaffinity(AGENT, {0}) is None


@attempt
def signal_by_a_descriptor() -> object:
    """F_SETOWN makes the kernel send the signal."""
    reading, writing = os.pipe()
    fcntl.fcntl(reading, fcntl.F_SETOWN, AGENT)
    return None


@attempt
def debugger() -> object:
    return call("ptrace", 16, AGENT, 0, 0) >= 0 or call("ptrace", 16, os.getppid(), 0, 0) >= 0


@attempt
def a_namespace_of_ones_own() -> object:
    return call("unshare", 0x10000000) >= 0


@attempt
def a_process_in_a_namespace() -> object:
    return call("syscall", 56, 0x10000000 | 17, 0, 0, 0, 0) >= 0


@attempt
def setuid_program() -> object:
    for program in ("/usr/bin/su", "/usr/bin/sudo", "/usr/bin/newgrp", "/usr/bin/mount"):
        if (
            os.access(program, os.X_OK)
            and subprocess.run([program, "--version"], capture_output=True, check=False).returncode == 0
        ):
            mark = (
                [line for line in open("/proc/self/status") if line.startswith("NoNewPrivs")]
                if os.path.exists("/proc/self/status")
                else ["1"]
            )
            return "1" not in mark[0]
    return None


# The machine.


@attempt
def name_of_the_machine() -> object:
    return call("sethostname", b"pwned", 5) >= 0


@attempt
def clock() -> object:
    return time.clock_settime(time.CLOCK_REALTIME, 1) is None


@attempt
def mount() -> object:
    return call("mount", b"none", b"/tmp", b"tmpfs", 0, None) >= 0


@attempt
def queue_that_stays() -> object:
    return call("msgget", 0x4D, 0o1600) >= 0


@attempt
def shared_memory_that_stays() -> object:
    return call("shmget", 0x4D, 4096, 0o1600) >= 0


@attempt
def semaphore_that_stays() -> object:
    return call("semget", 0x4D, 1, 0o1600) >= 0


@attempt
def ring() -> object:
    return call("syscall", 425, 8, ctypes.create_string_buffer(200)) >= 0


@attempt
def kernel_settings() -> object:
    for path in (
        "/proc/sys/kernel/core_pattern",
        "/sys/kernel/uevent_helper",
        "/proc/sysrq-trigger",
        "/proc/self/oom_score_adj",
    ):
        try:
            with open(path, "w") as file:
                file.write("-1000" if path.endswith("adj") else "x")
        except OSError:
            continue
        return path
    return None


def main() -> None:
    """Try everything, each in a process of its own so that none spoils another."""
    outcomes = {}
    for name, function in ATTEMPTS.items():
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            try:
                got = function()
                text = "" if got is None or got is False else f"GOT {got!r}"
            except BaseException as error:  # noqa: BLE001 - being refused may take any form
                text = f"refused: {type(error).__name__} {error}"
            os.write(writing, text[:500].encode())
            os._exit(0)
        os.close(writing)
        outcomes[name] = os.read(reading, 1000).decode() or "nothing"
        os.close(reading)
        os.waitpid(child, 0)
    print(json.dumps(outcomes))
