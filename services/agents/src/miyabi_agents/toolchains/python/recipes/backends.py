"""Tells with which build backend a folder is built, and what that needs."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from miyabi_agents.toolchains.python.manifests.groups import Pyproject
from miyabi_agents.toolchains.python.manifests.requirement import Gathered, take
from miyabi_agents.toolchains.python.manifests.static_setup import StaticSetup
from miyabi_agents.toolchains.python.manifests.task_runners import path_in
from miyabi_agents.toolchains.python.manifests.tree import Tree, strings, table

#: What builds a project that names no backend (PEP 517).
_LEGACY = "setuptools.build_meta:__legacy__"
#: Words by which manifests name further requirements for building: those of setuptools, of Hatch's hooks.
_ASKING = re.compile(r"setup_requires|dev-mode-exact|require-runtime|\[tool\.hatch\.build[\w.\"-]*hooks")


@dataclass(frozen=True)
class Backend:
    """A folder that is built, and with what."""

    folder: str
    name: str  #: `package.module:object`
    requires: Sequence[str]
    paths: Sequence[str] = ()  #: folders that the backend lies in, relative to the folder
    asks: bool = True  #: its manifests name further requirements for building


def backend_name(tree: Tree, folder: str) -> str | None:
    """Return a folder's build backend, as `pyproject.toml` names it or by default; None where nothing is built."""
    content = tree.toml(path_in(folder, "pyproject.toml"))
    system = table(content.get("build-system"))
    backend = system.get("build-backend")
    setup = StaticSetup(tree, folder).there
    if content and not Pyproject(content, path="").installable:
        return _LEGACY if setup else None
    if isinstance(backend, str):
        return backend
    return _LEGACY if setup or system.get("requires") else None


def backend_of(tree: Tree, folder: str) -> Backend:
    """Return with what a folder is built that has a backend.

    Raises:
        EnvironmentBuildError: a requirement for building is an option, a path or an address.
    """
    system = table(tree.toml(path_in(folder, "pyproject.toml")).get("build-system"))
    name = backend_name(tree, folder) or _LEGACY
    requires = strings(system.get("requires")) if "requires" in system else ("setuptools>=40.8.0",)
    gathered = Gathered()
    take(requires, gathered, where=f'{path_in(folder, "pyproject.toml")}, "build-system.requires"', needed=True)
    requires = tuple(gathered.requirements)
    if name.startswith("setuptools."):
        requires = (*requires, "wheel")
    if name.startswith("hatchling."):
        requires = (*requires, "editables>=0.3")
    texts = (tree.text(path_in(folder, manifest)) or "" for manifest in ("pyproject.toml", "setup.cfg", "setup.py"))
    asks = any(_ASKING.search(text) for text in texts)
    return Backend(folder, name, requires, strings(system.get("backend-path")), asks)
