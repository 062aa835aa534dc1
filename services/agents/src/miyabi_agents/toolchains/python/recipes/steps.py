"""Writes the steps of a recipe: commands of uv and of our front end to build backends."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib.resources import files
from pathlib import Path

from miyabi_agents.toolchains.port import Phase, Step
from miyabi_agents.toolchains.python.recipes.backends import Backend
from miyabi_agents.toolchains.python.recipes.rust_extensions import RustExtensions
from miyabi_agents.toolchains.python.recipes.wanted import Wanted

#: The environment's interpreter, and the one that build backends run in, apart from what tests see.
PYTHON = "{env}/venv/bin/python"
BUILDER = "{env}/build/bin/python"
#: Where built projects lie, and the file that names them for the installer.
WHEELS = "{env}/wheels"
PROJECT = "{env}/project.txt"
#: What a build backend asks for beside `build-system.requires`.
ASKED = "{env}/asked.txt"
#: uv as we use it: no configuration of the repository's or the user's, no download of interpreters. Files are copied,
#: so that an environment shares none with the cache or with another environment.
_UV = {
    "UV_NO_CONFIG": "1",
    "UV_PYTHON_DOWNLOADS": "never",
    "UV_LINK_MODE": "copy",
    "UV_NO_PROGRESS": "1",
    "UV_PROJECT_ENVIRONMENT": "{env}/venv",
}
#: The downloads' cache; steps without a network have none, since nothing of what they leave is to be trusted.
_CACHE = {"UV_CACHE_DIR": "{cache}/uv"}
_NO_CACHE = {"UV_NO_CACHE": "1"}
#: Backends that ask for nothing beside `build-system.requires` (setuptools may for `wheel`, which we add): asking them
#: costs two steps, and with setuptools as much as building.
_ASKS_NOTHING = re.compile(
    r"flit_core\.buildapi|poetry\.core\.masonry\.api|uv_build|pdm\.backend|setuptools\.build_meta.*|hatchling\.build"
)


@dataclass(frozen=True)
class Plan:
    """One way to build an environment."""

    uv: Path
    interpreter: Path
    wanted: Wanted
    backends: Sequence[Backend] = ()
    #: `YYYY-MM-DDT…`: packages as of then; empty: today's.
    newest: str = ""
    #: Source distributions may be built.
    sources: bool = False
    #: All extras of the lock are installed.
    all_extras: bool = True
    #: Variables for building the project: stubs for versions, switches of extensions.
    variables: Mapping[str, str] = field(default_factory=dict)
    #: None: the project has no extension in Rust.
    rust: RustExtensions | None = None


def steps(plan: Plan) -> Sequence[Step]:
    """Return the steps of a plan: first everything that only downloads, then what runs the repository's code."""
    wanted = plan.wanted
    found = [_venv(plan, "make the environment", "{env}/venv")]
    if plan.backends:
        requires = list(dict.fromkeys(text for one in plan.backends for text in one.requires))
        found.append(_venv(plan, "make the build environment", "{env}/build"))
        found.extend([_install(plan, "fetch what building needs", requires, python=BUILDER)] if requires else [])
        found.extend(plan.rust.fetching() if plan.rust else [])
    if wanted.lock:
        found.append(_sync(plan))
    packages = [*(() if wanted.lock else (*wanted.plain, *wanted.requirements)), *wanted.tools]
    constraints = [word for path in wanted.constraints for word in ("--constraints", "{tree}/" + path)]
    if packages:
        everything = [*packages, *constraints]
        found.append(_install(plan, "fetch and install what is needed", everything, python=PYTHON))
        if not (plan.sources or wanted.pinned):
            found.append(_newer_sources(plan, everything))
    if plan.backends:
        found.extend(_building(plan))
    return _compiling(found)


def _compiling(steps: Sequence[Step]) -> Sequence[Step]:
    """Let the last installers compile all modules, since runs of tests cannot keep what they compile."""
    found = list(steps)
    for place in range(len(found) - 1, -1, -1):
        step = found[place]
        if PYTHON in step.command and step.environment.get("UV_NO_CONFIG"):
            found[place] = replace(step, environment={**step.environment, "UV_COMPILE_BYTECODE": "1"})
            if not step.optional:
                break
    return found


def _building(plan: Plan) -> Sequence[Step]:
    """Build and install the project and the folders that it needs."""
    found: list[Step] = []
    asking = [one for one in plan.backends if one.asks or not _ASKS_NOTHING.fullmatch(one.name)]
    found += [_frontend(plan, f"ask the build backend of {one.folder}", one, "requires", ASKED) for one in asking]
    if asking:
        asked = _install(plan, "fetch what the build backend asked for", ["-r", ASKED], python=BUILDER, after_code=True)
        found.append(asked)
    extras = ",".join(plan.wanted.extras)
    found += [_frontend(plan, f"build {one.folder}", one, "build", WHEELS, PROJECT, extras) for one in plan.backends]
    if plan.wanted.known:
        arguments = ("pip", "install", "--python", PYTHON, "--no-deps", "--offline", "-r", PROJECT)
        found.append(
            Step("install the project", Phase.BUILD, [str(plan.uv), *arguments], {**_UV, **_NO_CACHE}, "{env}")
        )
    else:
        packages = ["-r", PROJECT, *plan.wanted.requirements, *plan.wanted.tools]
        name = "install the project, fetch what its metadata names"
        found.append(_install(plan, name, packages, python=PYTHON, after_code=True))
    return found


def _venv(plan: Plan, name: str, folder: str) -> Step:
    """Make a virtual environment: runs the machine's interpreter, and nothing of the repository."""
    command = [str(plan.uv), "venv", "--python", str(plan.interpreter), folder]
    return Step(name, Phase.BUILD, command, {**_UV, **_NO_CACHE}, "{env}", downloads_only=True)


def _frontend(plan: Plan, name: str, backend: Backend, verb: str, *arguments: str) -> Step:
    """Run our front end in a folder that is built."""
    text = files("miyabi_agents.toolchains.python.recipes").joinpath("frontend.py").read_text(encoding="utf-8")
    cwd = "{tree}" if backend.folder == "." else "{tree}/" + backend.folder
    own = "{env}/build/bin"
    paths = plan.rust.building(own) if plan.rust else {"PATH": f"{own}:/usr/local/bin:/usr/bin:/bin"}
    variables = {**plan.variables, **paths, "VIRTUAL_ENV": "{env}/build"}
    command = [BUILDER, "-I", "-c", text, verb, backend.name, os.pathsep.join(backend.paths), *arguments]
    return Step(name, Phase.BUILD, command, variables, cwd)


def _sync(plan: Plan) -> Step:
    """Install what `uv.lock` pins, without the projects of the repository."""
    wanted = plan.wanted
    all_extras = ["--all-extras"] if plan.all_extras else []
    extras = [word for name in wanted.extras for word in ("--extra", name)] or all_extras
    groups = [word for name in wanted.groups for word in ("--group", name)]
    without = [word for name in (wanted.lock.remote if wanted.lock else ()) for word in ("--no-install-package", name)]
    fixed = ("sync", "--frozen", "--inexact", "--no-install-local", "--no-default-groups", "--python", PYTHON)
    # A workspace is installed as a whole: members test with what its root names.
    whole = wanted.lock is not None and len(wanted.lock.local) > 1
    every = ["--all-packages"] if whole else []
    build = [] if plan.sources else ["--no-build"]
    command = [str(plan.uv), *fixed, *every, *build, *extras, *groups, *without]
    folder = wanted.lock.folder if wanted.lock and whole else ""
    cwd = "{project}" if not whole else "{tree}" if folder == "." else "{tree}/" + folder
    name = "fetch and install what uv.lock pins"
    return Step(name, Phase.FETCH, command, {**_UV, **_CACHE}, cwd, downloads_only=not plan.sources)


def _newer_sources(plan: Plan, arguments: Sequence[str]) -> Step:
    """Replace packages whose newest release has no wheel, as everybody's installer would have taken it.

    Wheels alone give an older release of such a package, which may not go with the others. Where building it fails, the
    older one stays.
    """
    newest = ["--exclude-newer", plan.newest] if plan.newest else []
    command = [str(plan.uv), "pip", "install", "--upgrade", "--python", PYTHON, *newest, *arguments]
    name = "fetch and build newer releases that have no wheel"
    return Step(name, Phase.FETCH, command, {**_UV, **_CACHE}, "{env}", optional=True)


def _install(plan: Plan, name: str, arguments: Sequence[str], *, python: str, after_code: bool = False) -> Step:
    """Install from the index.

    Args:
        plan: Whether sources are built, and the day of the packages.
        name: For a person.
        arguments: Requirements and files of them.
        python: Which environment.
        after_code: Code of the repository has run before, and may have changed what this step runs.
    """
    only = [] if plan.sources else ["--only-binary", ":all:"]
    newest = ["--exclude-newer", plan.newest] if plan.newest else []
    variables = {**_UV, **_CACHE}
    command = [str(plan.uv), "pip", "install", "--python", python, *only, *newest, *arguments]
    return Step(name, Phase.FETCH, command, variables, "{env}", downloads_only=not (plan.sources or after_code))
