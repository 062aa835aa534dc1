"""Finds out which layers of the sandbox this machine has."""

from __future__ import annotations

import platform
import sys
from dataclasses import dataclass

from miyabi_agents.sandbox import launcher


@dataclass(frozen=True)
class Layers:
    """Layers by name: `landlock`, `landlock-tcp`, `landlock-scope`, `seccomp`, `rlimits`, `no_new_privs`."""

    active: tuple[str, ...]
    missing: tuple[str, ...]


def probe_layers() -> Layers:
    """Ask the kernel; nothing is changed."""
    abi = launcher.landlock_abi()
    linux = sys.platform == "linux"
    found = {
        "landlock": abi >= 1,
        "landlock-tcp": abi >= launcher.ABI_TCP,
        "landlock-scope": abi >= launcher.ABI_SCOPE,
        "seccomp": linux and platform.machine() in launcher.ARCHITECTURES,
        "rlimits": True,
        "no_new_privs": linux,
    }
    return Layers(
        tuple(name for name, there in found.items() if there), tuple(name for name, there in found.items() if not there)
    )
