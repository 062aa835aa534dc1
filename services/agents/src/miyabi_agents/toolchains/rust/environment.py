"""Says how the environment of a workspace is built: its dependencies, and a target folder that is warm."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from miyabi_agents.errors import ToolchainMissingError
from miyabi_agents.toolchains.port import BaseFiles, Machine, Phase, Project, Recipe, Step
from miyabi_agents.toolchains.rust.crates import LOCK, NAME, all_crates, inside, join, numbers
from miyabi_agents.toolchains.rust.features import gates
from miyabi_agents.toolchains.scripting import interpreter

#: Files that say what an environment holds.
MANIFESTS = {NAME, LOCK, "rust-toolchain.toml", "rust-toolchain"}


def recipe(project: Project, base: BaseFiles, machine: Machine) -> Recipe:
    """Return how an environment is built.

    Raises:
        ToolchainMissingError: cargo or rustc is not there, or older than the packages demand.
    """
    there = _demand(project, machine)
    cargo = machine.programs["cargo"]
    python, python_roots = interpreter(machine)
    roots = dict.fromkeys(root for name in ("cargo", "rustc", "gcc", "cc") for root in machine.roots.get(name, ()))
    manifests = [
        path
        for path in base.paths()
        if path.rsplit("/", 1)[-1] in MANIFESTS or path.endswith(("build.rs", ".cargo/config.toml"))
    ]
    plain = Recipe(
        toolchain="rust",
        origin=project.origin,
        inputs=manifests,
        keys=[f"cargo={cargo}", f"rustc={machine.programs['rustc']}", f"version={there}", f"python={python}"],
        steps=_steps(project, cargo, variables(cargo, machine)),
        readable=(*roots, *python_roots),
        runtime=f"rustc {there}",
        notes=_notes(project, there),
    )
    features = gates(base, [crate for crate in all_crates(base) if crate.name and inside(crate.folder, project.root)])
    if not features:
        return plain
    return replace(
        plain,
        keys=[*plain.keys, f"features={','.join(features)}"],
        steps=_steps(project, cargo, variables(cargo, machine), features=features),
        notes=[*plain.notes, f"Features that tests stand behind are on: {', '.join(features)}."],
        fallbacks=[replace(plain, notes=[*plain.notes, "Features that tests stand behind could not be compiled."])],
    )


def _steps(project: Project, cargo: Path, own: Mapping[str, str], *, features: Sequence[str] = ()) -> list[Step]:
    """Return what is downloaded, and what is compiled ahead of the first run of tests; with features it has to be."""
    folder = "{tree}" if project.root == "." else f"{{tree}}/{project.root}"

    def step(name: str, phase: Phase, *words: str) -> Step:
        command = [str(cargo), *words]
        if phase is Phase.BUILD:
            return Step(name, phase, command, own, cwd=folder, optional=not features)
        return Step(name, phase, command, own, cwd=folder, downloads_only=True)

    named = ["--features", ",".join(features)] if features else []
    choose = [] if project.facts.get("locked") else [step("choose versions", Phase.FETCH, "generate-lockfile")]
    return [
        *choose,
        step("download packages", Phase.FETCH, "fetch", "--locked"),
        step("compile packages and tests", Phase.BUILD, "test", "--no-run", "--offline", "--workspace", *named),
    ]


def _notes(project: Project, there: str) -> list[str]:
    """Say where another Rust is used than the one that the repository asks for."""
    channel = str(project.facts.get("channel", ""))
    if not channel or channel in {"stable", there}:
        return []
    return [f"The repository asks for Rust {channel}; {there} is used."]


def _demand(project: Project, machine: Machine) -> str:
    """Return the version of Rust of this machine.

    Raises:
        ToolchainMissingError: there is none, or it is too old.
    """
    for name in ("cargo", "rustc"):
        if name not in machine.programs:
            raise ToolchainMissingError(f"{name} is not on this machine; install Rust (Debian: cargo, rustc).")
    there = machine.versions.get("rustc", ())
    for wanted in (str(project.facts.get("rust", "")), str(project.facts.get("channel", ""))):
        if there and numbers(wanted) > there:
            raise ToolchainMissingError(
                f"The project needs Rust {wanted}; this machine has {'.'.join(map(str, there))}: install the newer one."
            )
    return ".".join(map(str, there))


def variables(cargo: Path, machine: Machine) -> dict[str, str]:
    """Return the variables of every command of cargo."""
    return common(cargo, machine.programs["rustc"])


def common(cargo: Path, rustc: Path) -> dict[str, str]:
    """Return the variables of every command: this machine's compiler, its own folders, small and plain debug data."""
    folders = dict.fromkeys((str(cargo.parent), str(rustc.parent), "/usr/local/bin", "/usr/bin", "/bin"))
    return {
        "PATH": ":".join(folders),
        "CARGO_HOME": "{env}/cargo",
        "CARGO_TARGET_DIR": "{env}/target",
        "CARGO_INCREMENTAL": "0",
        "CARGO_PROFILE_DEV_DEBUG": "1",
        "CARGO_PROFILE_TEST_DEBUG": "1",
        "CARGO_TERM_COLOR": "never",
        "CARGO_NET_RETRY": "2",
        "CARGO_NET_GIT_FETCH_WITH_CLI": "false",
        "RUSTC": str(rustc),
    }


def manifest(path: str) -> bool:
    """Tell whether a file says what an environment holds."""
    return path.rsplit("/", 1)[-1] in MANIFESTS or path.endswith(join(".cargo", "config.toml"))
