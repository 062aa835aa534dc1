"""Finds the interpreter for our own scripts that run tests of other ecosystems and write their reports."""

from __future__ import annotations

import re
import sys
from pathlib import Path

from miyabi_agents.toolchains.port import Machine

#: Oldest Python that our scripts are written for: what the agents themselves need.
OLDEST = (3, 11)


def interpreter(machine: Machine) -> tuple[Path, tuple[Path, ...]]:
    """Return the newest Python of a machine that our scripts work with, and what it needs to read; else our own."""
    found = {
        (int(match[1]), int(match[2])): name
        for name in machine.programs
        if (match := re.fullmatch(r"python(\d+)\.(\d+)", name)) is not None
    }
    newest = max((version for version in found if version >= OLDEST), default=None)
    if newest is not None:
        name = found[newest]
        return machine.programs[name], tuple(machine.roots.get(name, ()))
    own = Path(sys.executable).resolve()
    return own, (own.parent.parent,)
