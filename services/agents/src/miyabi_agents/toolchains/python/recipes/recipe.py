"""Puts a recipe together: the interpreter, the day of the packages, and what is tried where the first way fails."""

from __future__ import annotations

import platform
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from miyabi_agents.errors import EnvironmentBuildError, ToolchainMissingError
from miyabi_agents.toolchains.port import Machine, Project, Recipe
from miyabi_agents.toolchains.python import interpreters
from miyabi_agents.toolchains.python.layout.sources import extension_sources
from miyabi_agents.toolchains.python.manifests import versions
from miyabi_agents.toolchains.python.manifests.groups import Pyproject
from miyabi_agents.toolchains.python.manifests.poetry import python_of
from miyabi_agents.toolchains.python.manifests.static_setup import StaticSetup
from miyabi_agents.toolchains.python.manifests.task_runners import path_in
from miyabi_agents.toolchains.python.manifests.tree import Tree, strings, table
from miyabi_agents.toolchains.python.recipes.backends import backend_of
from miyabi_agents.toolchains.python.recipes.rust_extensions import rust_extensions
from miyabi_agents.toolchains.python.recipes.steps import Plan, steps
from miyabi_agents.toolchains.python.recipes.wanted import Wanted, decide, listed

#: Packages are taken as of the commit's day where it is older than this; before that today's are the same.
AGE = timedelta(days=30)


@dataclass(frozen=True)
class Way:
    """How one recipe of a project differs from the others."""

    dated: bool = False
    sources: bool = False
    locked: bool = True
    all_extras: bool = True
    built: bool = True
    extensions: bool = True


def recipe(project: Project, tree: Tree, machine: Machine, *, now: datetime) -> Recipe:
    """Return how a project's environment is built, with what is tried next where that fails.

    Raises:
        ToolchainMissingError: uv or a Python that fits is missing.
        EnvironmentBuildError: a requirement is refused, by name.
    """
    if "uv" not in machine.programs:
        raise ToolchainMissingError("uv is not here, without which no Python environment is built; `pip install uv`")
    interpreter, note = interpreters.choose(machine, wish(project, tree))
    wanted = decide(project, tree, python=interpreter.version)
    old = now - tree.committed > AGE
    ways = _ways(wanted, old=old, compiled=bool(project.facts.get("compiled")))
    loose = _without_lock(project, tree, interpreter) if wanted.pinned else wanted
    made: list[Recipe] = []
    for way in ways:
        chosen = wanted if way.locked else loose
        if chosen is None:
            continue
        one = _recipe(project, tree, machine, interpreter=interpreter, wanted=chosen, way=way)
        one = replace(one, notes=[*([note] if note else []), *one.notes])
        if all(known.steps != one.steps for known in made):
            made.append(one)
    return replace(made[0], fallbacks=tuple(made[1:]))


def _without_lock(project: Project, tree: Tree, interpreter: interpreters.Interpreter) -> Wanted | None:
    """Return what manifests ask for beside the lock; None where they are refused, which the lock makes up for."""
    try:
        return decide(project, tree, python=interpreter.version, locked=False)
    except EnvironmentBuildError:
        return None


def _ways(wanted: Wanted, *, old: bool, compiled: bool) -> Sequence[Way]:
    """Return the ways in which an environment is tried, best first."""
    first = Way(dated=old)
    ways = [first, replace(first, sources=True)]
    if wanted.lock:
        ways.append(replace(first, sources=True, all_extras=False))
    elif old:
        ways += [Way(), Way(sources=True)]
    if compiled:
        ways.append(replace(first, sources=True, all_extras=False, extensions=False))
    if wanted.built:
        ways.append(replace(first, sources=True, all_extras=False, built=False))
    if wanted.pinned:
        ways += [Way(dated=old, sources=True, locked=False), Way(sources=True, locked=False)]
    return ways


def _recipe(
    project: Project, tree: Tree, machine: Machine, *, interpreter: interpreters.Interpreter, wanted: Wanted, way: Way
) -> Recipe:
    """Write one recipe."""
    name = str(project.facts.get("name", ""))
    version = versions.plausible(tree, project.root)
    day = (tree.committed + timedelta(days=1)).strftime("%Y-%m-%dT00:00:00Z") if way.dated else ""
    backends = [backend_of(tree, folder) for folder in wanted.built] if way.built else []
    rust = rust_extensions(tree, backends, machine)
    plan = Plan(
        uv=machine.programs["uv"],
        interpreter=interpreter.path,
        wanted=wanted,
        backends=backends,
        newest=day,
        sources=way.sources,
        all_extras=way.all_extras,
        variables={**versions.stubs(version, name), **({} if way.extensions else _without_extensions(name))},
        rust=rust,
    )
    inputs = [*wanted.inputs, *(extension_sources(tree, project.root) if project.facts.get("compiled") else ())]
    shown = ".".join(map(str, interpreter.version))
    return Recipe(
        toolchain="python",
        origin=wanted.origin,
        inputs=tuple(dict.fromkeys(inputs)),
        keys=(
            f"python {shown} {interpreter.path}",
            f"{platform.system()} {platform.machine()}",
            f"packages {day or 'of today'}",
        ),
        steps=tuple(steps(plan)),
        readable=tuple(
            dict.fromkeys((*interpreter.roots, *machine.roots.get("uv", ()), *(rust.roots if rust else ())))
        ),
        runtime=f"CPython {shown}",
        notes=(*_notes(wanted, way, day, version if _asks_git(tree, project) else ""),),
    )


def _notes(wanted: Wanted, way: Way, day: str, version: str) -> Sequence[str]:
    """Say what was chosen and what was left out."""
    found = list(wanted.notes)
    if day:
        found.append(f"packages as of {day[:10]}, the commit's day")
    if way.sources:
        found.append("source distributions are built where no wheel is there")
    if wanted.lock and not way.all_extras:
        found.append("extras are left out: not all of them could be had together")
    if not way.extensions:
        found.append("compiled extensions are switched off where the project knows how to: they could not be built")
    if wanted.built and not way.built:
        found.append("the project itself is not installed, only laid on the path: it could not be built")
    if version:
        found.append(f"version {version} stands in for the one that git would tell")
    return found


def _without_extensions(name: str) -> dict[str, str]:
    """Return the variables by which projects commonly leave out optional extensions."""
    upper = re.sub(r"\W+", "_", name).upper()
    return {
        f"{upper}_NO_EXTENSIONS": "1",
        f"{upper}_EXTENSION": "0",
        f"{upper}_DISABLE_EXTENSIONS": "1",
        f"DISABLE_{upper}_CEXT": "1",
        f"{upper}_USE_MYPYC": "0",
        "USE_MYPYC": "0",
        "NO_CYTHON": "1",
    }


def _asks_git(tree: Tree, project: Project) -> bool:
    """Tell whether the project's version is told by git."""
    content = tree.toml(path_in(project.root, "pyproject.toml"))
    requires = " ".join(strings(table(content.get("build-system")).get("requires")))
    setup = StaticSetup(tree, project.root).text
    return bool(
        re.search(
            r"setuptools[-_]scm|hatch-vcs|versioningit|dynamic-versioning|\bpbr\b|versioneer|dunamai|setuptools-git",
            requires + setup,
            re.IGNORECASE,
        )
    )


def wish(project: Project, tree: Tree) -> interpreters.Wish:
    """Return which Python a project is for."""
    path = path_in(project.root, "pyproject.toml")
    pyproject = Pyproject(tree.toml(path), path=path)
    setup = StaticSetup(tree, project.root)
    demands = {
        "env.python of the configuration": str(project.facts.get("env_python", "")),
        path: pyproject.requires_python or python_of(table(pyproject.poetry.get("dependencies"))),
        "setup.py": setup.requires_python,
        "Pipfile": _pipfile(tree, project),
    }
    pin = tree.text(path_in(project.root, ".python-version")) or tree.text(".python-version")
    classifiers = [
        *strings(pyproject.project.get("classifiers")),
        *strings(pyproject.poetry.get("classifiers")),
        *setup.classifiers,
    ]
    return interpreters.Wish(
        specifiers={where: text for where, text in demands.items() if text},
        prefer=listed(project, "env_prefer"),
        pinned=interpreters.pinned(pin or ""),
        mentioned=interpreters.mentioned(classifiers),
        committed=tree.committed.date(),
    )


def _pipfile(tree: Tree, project: Project) -> str:
    """Return the Python that a `Pipfile` asks for."""
    requires = table(tree.toml(path_in(project.root, "Pipfile")).get("requires"))
    version = requires.get("python_version")
    return f"=={version}.*" if isinstance(version, str) and re.fullmatch(r"3(\.\d+)?", version) else ""
