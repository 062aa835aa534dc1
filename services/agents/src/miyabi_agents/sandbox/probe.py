"""Finds out which layers of the sandbox this machine has, by running a command with them."""

from __future__ import annotations

import os
import platform
import socket
import sys
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from miyabi_agents.ports import SandboxJob
from miyabi_agents.sandbox.launch import landlock, syscalls
from miyabi_agents.sandbox.launch.say import pack_policy
from miyabi_agents.sandbox.policy import policy, resolve
from miyabi_agents.sandbox.removal import remove_tree
from miyabi_agents.sandbox.zygote import ZYGOTE

#: Layers that come together or not at all.
NAMESPACES = ("pid-namespace", "net-namespace", "mount-namespace")
#: How a command can be kept apart, the best first: as another user, in a user namespace, without namespaces.
MODES = ("own-uid", "user", "plain")
#: A probe that says nothing for so long is a no.
_PATIENCE_SECONDS = 20


@dataclass(frozen=True)
class Layers:
    """Layers by name.

    `own-uid`, `user-namespace`, `pid-namespace`, `net-namespace`, `mount-namespace`, `landlock`, `landlock-tcp`,
    `landlock-scope`, `seccomp`, `cgroup`, `measured-memory`, `disk-watch`, `rlimits`, `no_new_privs`. A user namespace
    is used where there is no second uid, and is missed only there; memory is measured where no cgroup counts it.
    """

    active: tuple[str, ...]
    missing: tuple[str, ...]

    @property
    def mode(self) -> str:
        """How commands are kept apart: one of `MODES`."""
        if "pid-namespace" not in self.active:
            return "plain"
        return "own-uid" if "own-uid" in self.active else "user"


@cache
def probe_layers() -> Layers:
    """Run a command that does nothing with each way to keep it apart, until one works; asked once a process."""
    modes = MODES if os.geteuid() == 0 else MODES[1:]
    return next((layers_of(mode) for mode in modes[:-1] if _works(layers_of(mode))), None) or _plain()


def _plain() -> Layers:
    """Return the layers without namespaces, of which Landlock and seccomp may be missing too."""
    layers = layers_of("plain")
    if sys.platform != "linux" or _works(layers):
        return layers
    without = Layers(tuple(name for name in layers.active if not name.startswith("landlock")), layers.missing)
    gone = tuple(name for name in layers.active if name not in without.active)
    return Layers(without.active, (*without.missing, *gone))


def layers_of(mode: str) -> Layers:
    """Return what a mode comes to on this kernel."""
    version, linux = landlock.abi(), sys.platform == "linux"
    apart = mode != "plain"
    found = {
        "own-uid": mode == "own-uid",
        "user-namespace": mode == "user",
        **dict.fromkeys(NAMESPACES, apart),
        "landlock": version >= 1,
        "landlock-tcp": version >= landlock.ABI_TCP,
        "landlock-scope": version >= landlock.ABI_SCOPE,
        "seccomp": linux and platform.machine() in syscalls.AUDIT_ARCH,
        "cgroup": False,
        "measured-memory": linux,
        "disk-watch": True,
        "rlimits": True,
        "no_new_privs": linux,
    }
    if mode == "own-uid":
        del found["user-namespace"]
    names = tuple(found)
    return Layers(tuple(name for name in names if found[name]), tuple(name for name in names if not found[name]))


def make_private(folder: Path) -> Path:
    """Make the folders that each command has, below a private one; returns it, resolved."""
    for name in ("root", "report", "home", "tmp"):
        (folder / name).mkdir(mode=0o700)
    return folder.resolve()


def _works(layers: Layers) -> bool:
    """Return whether a command can be run with these layers."""
    folder = Path(tempfile.mkdtemp(prefix="miyabi-probe-"))
    try:
        private = make_private(folder)
        tree = folder / "tree"
        tree.mkdir()
        job = SandboxJob(["/bin/sh", "-c", "echo > file"], tree, writable=[tree])
        wanted = policy(job, resolve(job), private, mode=layers.mode, active=layers.active)
        said = _ask(pack_policy(wanted))
        started = ("started own-uid" if layers.mode == "own-uid" else "started") in said
        ended = "ended 0" in said
        return started and ended and (tree / "file").stat().st_uid == os.geteuid()
    except OSError:
        return False
    finally:
        remove_tree(folder)


def _ask(line: bytes) -> list[str]:
    """Give a policy to a keeper; returns what it says."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.settimeout(_PATIENCE_SECONDS)
        nothing = os.open(os.devnull, os.O_RDWR)
        try:
            ZYGOTE.fork(control=theirs.fileno(), output=nothing)
        finally:
            os.close(nothing)
        theirs.close()
        said = b""
        with suppress(TimeoutError):
            ours.sendall(line)
            while chunk := ours.recv(65536):
                said += chunk
    return [text.strip() for text in said.decode(errors="replace").splitlines()]
