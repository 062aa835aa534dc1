"""Says what this machine has to build and test with, and how to get what is missing."""

from __future__ import annotations

import asyncio
import re
import tempfile
from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path

from miyabi_agents.environments.programs import Program, find_programs
from miyabi_agents.errors import SandboxError
from miyabi_agents.ports import Network, Sandbox, SandboxJob, SandboxLimits
from miyabi_agents.settings import AgentsSettings
from miyabi_agents.toolchains.port import Machine
from miyabi_agents.workspace.snapshot import FOLDER_MODE
from miyabi_core.logging import get_logger

#: A program that does not say its version within this time is not used. Java's build tools start slowly.
_ASK_LIMITS = SandboxLimits(
    wall=timedelta(seconds=20), cpu=timedelta(seconds=20), output_bytes=16 << 10, disk_bytes=64 << 20
)
#: Programs that are asked at once.
_AT_ONCE = 4
#: The first number with a point in what a program says; `go1.25.1` and `openjdk 17.0.2` too.
_VERSION = re.compile(r"(?<![0-9.])(\d{1,5}(?:\.\d{1,5}){1,3})")
#: What was found, by what it was found from: the programs' paths, sizes and times.
_ASKED: dict[tuple[object, ...], Machine] = {}
#: Machines that are remembered: one, and one more after an upgrade, not every state there ever was.
_MOST_REMEMBERED = 4

#: How to get a program, by its name.
_SOURCES: Mapping[str, tuple[str, str]] = {
    "uv": ("`pip install uv`, `brew install uv`", ""),
    "node": ("`apt install nodejs`, `brew install node`", "node"),
    "npm": ("`apt install npm`, `brew install node`", "node"),
    "corepack": ("`npm install -g corepack`", "node"),
    "pnpm": ("`npm install -g pnpm`, `brew install pnpm`", "node"),
    "yarn": ("`npm install -g yarn`, `brew install yarn`", "node"),
    "go": ("`apt install golang-go`, `brew install go`", "go"),
    "cargo": ("`apt install cargo`, `brew install rust`", "rust"),
    "rustc": ("`apt install rustc`, `brew install rust`", "rust"),
    "java": ("`apt install default-jdk-headless`, `brew install openjdk`", "java"),
    "javac": ("`apt install default-jdk-headless`, `brew install openjdk`", "java"),
    "mvn": ("`apt install maven`, `brew install maven`", "java"),
    "gradle": ("`apt install gradle`, `brew install gradle`", "java"),
    "gcc": ("`apt install gcc`, `xcode-select --install`", "cc"),
    "cc": ("`apt install gcc`, `xcode-select --install`", "cc"),
    "make": ("`apt install make`, `xcode-select --install`", "cc"),
    "cmake": ("`apt install cmake`, `brew install cmake`", "cc"),
}

_LOG = get_logger(__name__)


async def discover(sandbox: Sandbox, settings: AgentsSettings) -> Machine:
    """Return the programs of this machine with their versions, asked in the sandbox, all at once.

    A program that cannot be run there, or says no version, is left out: tests could not use it either. What was found
    is kept for the life of the process, until one of the programs is another file.

    Raises:
        SandboxError: the sandbox cannot be used at all (`LAYER_MISSING`, `AWAY`).
    """
    programs = await asyncio.to_thread(find_programs, settings, home=Path.home())
    key = tuple(map(_fingerprint, programs))
    if key not in _ASKED:
        places = asyncio.Semaphore(_AT_ONCE)
        folder = Path(await asyncio.to_thread(_scratch, settings.shared_dir))
        try:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(_ask(sandbox, program, programs, folder, places)) for program in programs]
        except* SandboxError as failures:
            raise _first(failures) from failures
        finally:
            await asyncio.shield(asyncio.to_thread(folder.rmdir))
        while len(_ASKED) >= _MOST_REMEMBERED:
            _ASKED.pop(next(iter(_ASKED)))
        _ASKED[key] = _machine(programs, [task.result() for task in tasks])
    return _ASKED[key]


def explain_missing(program: str) -> str:
    """Say in one sentence that a program is missing and how to get it."""
    if program.startswith("python"):
        version = program.removeprefix("python").lstrip("3").lstrip(".")
        wanted = f"3.{version}" if version else "3"
        by_hand = f"`uv python install {wanted}`, `brew install python@{wanted}`, or your system's packages"
        return f"{program} is not on this machine: {by_hand}"
    by_hand, image = _SOURCES.get(program, ("your system's packages", ""))
    in_image = f"; for the agents' image: `make images TOOLCHAINS={image}`" if image else ""
    return f"{program} is not on this machine: {by_hand}{in_image}"


def _scratch(shared: Path) -> str:
    """Make a folder to run programs in: below the workspace, since a sandbox in a container sees nothing else."""
    parent = shared.resolve() / "worktrees"
    parent.mkdir(parents=True, exist_ok=True)
    folder = tempfile.mkdtemp(prefix="versions-", dir=parent)
    # A sandbox in a container of its own is another user of our group.
    Path(folder).chmod(FOLDER_MODE)
    return folder


async def _ask(
    sandbox: Sandbox, program: Program, programs: Sequence[Program], folder: Path, places: asyncio.Semaphore
) -> tuple[int, ...] | None:
    """Ask one program for its version; None where it does not say one.

    Raises:
        SandboxError: the sandbox cannot be used at all.
    """
    shared_roots = [root for one in programs if one.name in {"node", "java"} for root in one.roots]
    beside = dict.fromkeys(str(one.path.parent) for one in programs if one.name in {program.name, "node", "java"})
    job = SandboxJob(
        command=[str(program.path), *program.ask],
        cwd=folder,
        readable=[folder, *program.roots, *shared_roots],
        environment={"PATH": ":".join([*beside, "/usr/local/bin", "/usr/bin", "/bin"]), "GOTOOLCHAIN": "local"},
        limits=_ASK_LIMITS,
        network=Network.NONE,
    )
    async with places:
        try:
            result = await sandbox.run(job)
        except SandboxError as error:
            if error.code in {"LAYER_MISSING", "AWAY"}:
                raise
            _LOG.warning("machine.program_not_asked", program=program.name, error=str(error))
            return None
    match = _VERSION.search(result.output)
    if result.exit_code != 0 or match is None:
        _LOG.info("machine.program_left_out", program=program.name, exit_code=result.exit_code)
        return None
    return tuple(int(number) for number in match[1].split("."))


def _machine(programs: Sequence[Program], versions: Sequence[tuple[int, ...] | None]) -> Machine:
    """Put together what was found."""
    there = {one.name: (one, version) for one, version in zip(programs, versions, strict=True) if version is not None}
    return Machine(
        programs={name: one.path for name, (one, _) in there.items()},
        versions={name: version for name, (_, version) in there.items()},
        roots={name: one.roots for name, (one, _) in there.items()},
    )


def _fingerprint(program: Program) -> tuple[object, ...]:
    """Return what changes when a program is another file."""
    status = program.path.stat()
    return (program.name, str(program.path), status.st_mtime_ns, status.st_size)


def _first(failures: ExceptionGroup[SandboxError]) -> SandboxError:
    """Return one error of a group."""
    first: SandboxError | ExceptionGroup[SandboxError] = failures
    while isinstance(first, ExceptionGroup):
        first = first.exceptions[0]
    return first
