"""Tells what a project with an extension in Rust needs beside Python: cargo, and its packages while there is a network.

Source: maturin's `tool.maturin.manifest-path`, setuptools-rust's `tool.setuptools-rust.ext-modules`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from posixpath import basename, dirname

from miyabi_agents.errors import ToolchainMissingError
from miyabi_agents.toolchains.port import Machine, Phase, Step
from miyabi_agents.toolchains.python.manifests.task_runners import path_in
from miyabi_agents.toolchains.python.manifests.tree import Tree, joined, table, text_of, within
from miyabi_agents.toolchains.python.recipes.backends import Backend
from miyabi_agents.toolchains.rust.environment import common

#: What builds extensions in Rust: a backend of its own, or a package that setuptools uses.
_BUILDS = re.compile(r"(maturin|setuptools[-_.]rust)(?![\w-])", re.IGNORECASE)
_MANIFEST = "Cargo.toml"


@dataclass(frozen=True)
class RustExtensions:
    """How extensions in Rust are built."""

    cargo: Path
    variables: Mapping[str, str]
    folders: Sequence[str]  #: of each manifest, relative to the repository
    roots: Sequence[Path] = ()  #: what the compilers read

    def fetching(self) -> Sequence[Step]:
        """Return the steps that download the packages of every manifest; they run nothing of the repository."""
        return [
            Step(
                f"download the Rust packages of {folder}",
                Phase.FETCH,
                [str(self.cargo), "fetch"],
                self.variables,
                "{tree}" if folder == "." else "{tree}/" + folder,
                downloads_only=True,
            )
            for folder in self.folders
        ]

    def building(self, path: str) -> Mapping[str, str]:
        """Return the variables of a build: no network, programs of *path* before cargo's."""
        return {**self.variables, "CARGO_NET_OFFLINE": "true", "PATH": f"{path}:{self.variables['PATH']}"}


def rust_extensions(tree: Tree, backends: Sequence[Backend], machine: Machine) -> RustExtensions | None:
    """Return how the extensions in Rust of some folders are built; None where there are none.

    Raises:
        ToolchainMissingError: cargo, rustc or a C linker is not on this machine.
    """
    building = [one for one in backends if any(_BUILDS.match(text) for text in (one.name, *one.requires))]
    folders = list(dict.fromkeys(filter(None, (_manifest_folder(tree, one.folder) for one in building))))
    if not folders:
        return None
    for name in ("cargo", "rustc"):
        if name not in machine.programs:
            raise ToolchainMissingError(
                f"the project has an extension in Rust, and {name} is not on this machine (Debian: cargo, rustc)"
            )
    cargo, rustc = machine.programs["cargo"], machine.programs["rustc"]
    roots = [root for name in ("cargo", "rustc", "cc", "gcc") for root in machine.roots.get(name, ())]
    return RustExtensions(cargo, common(cargo, rustc), folders, tuple(dict.fromkeys(roots)))


def _manifest_folder(tree: Tree, folder: str) -> str | None:
    """Return the folder of the manifest that a build takes: the one that is named, else the one least deep."""
    tool = table(tree.toml(path_in(folder, "pyproject.toml")).get("tool"))
    modules = table(tool.get("setuptools-rust")).get("ext-modules")
    first = modules[0] if isinstance(modules, list) and modules else None
    named = text_of(table(tool.get("maturin")).get("manifest-path")) or text_of(table(first).get("path"))
    path = joined(folder, named) if named else None
    if path is not None and tree.text(path) is not None:
        return dirname(path) or "."
    there = [path for path in tree.paths if basename(path) == _MANIFEST and within(folder, path)]
    return (dirname(min(there, key=lambda path: (path.count("/"), path))) or ".") if there else None
