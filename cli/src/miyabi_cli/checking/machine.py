"""Looks at what this machine runs tests with: each layer of the sandbox by name, and each ecosystem's programs."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from miyabi_agents.environments import discover, explain_missing
from miyabi_agents.errors import SandboxError
from miyabi_agents.sandbox import Layers, ProcessSandbox, probe_layers
from miyabi_agents.sandbox.removal import remove_tree
from miyabi_agents.toolchains.port import Machine
from miyabi_agents.toolchains.registry import TOOLCHAINS
from miyabi_cli.trial.place import agent_settings, private_folder

#: What each layer keeps from whom, as a person would say it.
PROTECTS: Mapping[str, str] = {
    "own-uid": "commands run as a user of their own: files and processes of yours are another user's",
    "user-namespace": "commands have no power over this machine, whoever starts them",
    "pid-namespace": "no other process is seen or signalled, and nothing outlives its command",
    "net-namespace": "no network but a loopback of the command's own; Unix sockets of this machine are out of reach",
    "mount-namespace": "the file system holds what the command needs, with a private /tmp and /dev/shm",
    "landlock": "no file is read or written but those of the command's own policy",
    "landlock-tcp": "of TCP nothing but the one port of the fetch proxy, and that only while packages are fetched",
    "landlock-scope": "no signal and no abstract Unix socket goes outside",
    "seccomp": "system calls by a list; what is not on it does not happen",
    "cgroup": "memory and processes of a whole command are limited by the kernel",
    "measured-memory": "memory of a whole command is measured, and the command ended when it takes too much",
    "disk-watch": "bytes and files on disk are counted, and the command ended when there are too many",
    "rlimits": "limits of each process: processor time, open files, size of a file",
    "no_new_privs": "no program gives a command more rights than it began with",
}
#: The layer without which nothing is run, unless the operator says so.
_NEEDED = "landlock"
#: Programs of each ecosystem: those that it needs, and those that some repositories need.
PROGRAMS: Mapping[str, tuple[Sequence[str], Sequence[str]]] = {
    "python": (("uv",), ("cc", "cmake")),
    "javascript": (("node", "npm"), ("pnpm", "yarn", "corepack")),
    "go": (("go",), ("cc",)),
    "rust": (("cargo", "rustc", "cc"), ()),
}


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at."""

    subject: str
    good: bool
    detail: str
    required: bool = True


def layer_findings(layers: Layers) -> list[Finding]:
    """Name each layer with what it protects; one that is missing is never claimed."""
    active = [Finding(f"sandbox: {name}", good=True, detail=PROTECTS.get(name, "")) for name in layers.active]
    missing = [
        Finding(f"sandbox: {name}", good=False, detail=_missed(name), required=name == _NEEDED)
        for name in layers.missing
    ]
    return [*active, *missing]


def _missed(name: str) -> str:
    """Say what does not hold without a layer."""
    stopped = "; without it no test is run, unless MIYABI_AGENTS_UNSAFE_SANDBOX=true" if name == _NEEDED else ""
    return f"this machine lacks it, so this does not hold by it: {PROTECTS.get(name, name)}{stopped}"


async def sandbox_findings() -> list[Finding]:
    """Look at the sandbox of this machine."""
    return layer_findings(await asyncio.to_thread(probe_layers))


async def toolchain_findings(data_dir: Path) -> list[Finding]:
    """Ask every program of an ecosystem for its version, in the sandbox.

    Args:
        data_dir: A private folder is made below it, and removed.

    Raises:
        OSError: the disk is full.
    """
    private = await asyncio.to_thread(private_folder, data_dir, prefix="doctor-")
    try:
        settings = agent_settings(data_dir, private)
        sandbox = ProcessSandbox(unsafe=settings.unsafe_sandbox)
        machine = await discover(sandbox, settings)
    except SandboxError as error:
        return [Finding("toolchains", good=False, detail=f"cannot be asked: {error}", required=False)]
    finally:
        await asyncio.shield(asyncio.to_thread(remove_tree, private))
    return [ecosystem(toolchain.name, machine) for toolchain, _ in TOOLCHAINS]


def ecosystem(name: str, machine: Machine) -> Finding:
    """Say what of an ecosystem is there, what is not, and how to get it."""
    needed, useful = PROGRAMS.get(name, ((), ()))
    there = [program for program in (*needed, *useful) if program in machine.versions]
    if name == "python":
        there = [*there, *sorted(found for found in machine.versions if found.startswith("python"))]
        needed = (*needed, *(() if any(found.startswith("python") for found in there) else ("python",)))
    versions = ", ".join(f"{program} {'.'.join(map(str, machine.versions[program]))}" for program in there)
    lacking = [program for program in needed if program not in machine.versions]
    missing = [explain_missing(program) for program in (*lacking, *(one for one in useful if one not in there))]
    return Finding(f"toolchain: {name}", not lacking, "; ".join([versions or "nothing", *missing]), required=False)
