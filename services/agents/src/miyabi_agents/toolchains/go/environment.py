"""Says how the environment of a module is built: its dependencies, and a build cache that is warm."""

from __future__ import annotations

from pathlib import Path

from miyabi_agents.errors import ToolchainMissingError
from miyabi_agents.toolchains.go.modules import join
from miyabi_agents.toolchains.port import BaseFiles, Machine, Phase, Project, Recipe, Step
from miyabi_agents.toolchains.scripting import interpreter

#: Files that say what an environment holds.
MANIFESTS = {"go.mod", "go.sum", "go.work", "go.work.sum"}
#: Where modules and built packages lie in the environment.
MODULES, CACHE = "mod", "cache"


def recipe(project: Project, base: BaseFiles, machine: Machine) -> Recipe:
    """Return how an environment is built.

    Modules are downloaded to the cache that environments share and taken from there into the environment, which checks
    them against `go.sum` again. Then every package with its tests is compiled once.

    Raises:
        ToolchainMissingError: Go is not there, or older than the module demands.
    """
    go, there = _demand(project, machine)
    folder = "{tree}" if project.root == "." else f"{{tree}}/{project.root}"
    steps = [] if project.facts["vendored"] else _fetching(go, project, folder)
    warm = [str(go), "test", "-count=1", "-run", "^$", "./..."]
    steps.append(
        Step("compile packages and tests", Phase.BUILD, warm, variables(go, project), cwd=folder, optional=True)
    )
    python, python_roots = interpreter(machine)
    compiler = [str(path) for name in ("gcc", "cc") if (path := machine.programs.get(name))]
    roots = [root for name in ("go", "gcc", "cc") for root in machine.roots.get(name, ())]
    return Recipe(
        toolchain="go",
        origin=project.origin,
        inputs=[
            path for path in base.paths() if path.rsplit("/", 1)[-1] in MANIFESTS or path.endswith("vendor/modules.txt")
        ],
        keys=[f"go={go}", f"version={there}", f"python={python}", *compiler[:1]],
        steps=steps,
        readable=(*roots, *python_roots),
        runtime=f"go {there}",
    )


def _demand(project: Project, machine: Machine) -> tuple[Path, str]:
    """Return Go and its version on this machine.

    Raises:
        ToolchainMissingError: there is none, or it is too old.
    """
    go, there = machine.programs.get("go"), machine.versions.get("go", ())
    if go is None:
        raise ToolchainMissingError("go is not on this machine; install Go (Debian: golang-go).")
    named = ".".join(map(str, there))
    wanted = tuple(int(part) for part in str(project.facts["go"]).split(".") if part)
    if there and wanted > (*there, 0, 0)[:3]:
        raise ToolchainMissingError(
            f"The module is written for Go {project.facts['go']}; this machine has {named}: install the newer one."
        )
    return go, named


def _fetching(go: Path, project: Project, folder: str) -> list[Step]:
    """Return the steps that bring modules: over the network into the shared cache, then from there without one."""
    shared = {**variables(go, project), "GOMODCACHE": "{cache}/mod", "GOCACHE": "{env}/cache"}
    local = {
        **variables(go, project),
        "GOPROXY": "file://{cache}/mod/cache/download",
        "GONOSUMDB": "*",
        "GOFLAGS": "-modcacherw -mod=readonly",
    }
    command = [str(go), "mod", "download"]
    return [
        Step("download modules", Phase.FETCH, command, shared, cwd=folder, downloads_only=True),
        Step("unpack modules", Phase.BUILD, command, local, cwd=folder, downloads_only=True),
    ]


def variables(go: Path, project: Project) -> dict[str, str]:
    """Return the variables of every command of Go: this machine's Go alone, nothing changed in `go.mod`, no network."""
    return {
        "PATH": f"{go.parent}:/usr/local/bin:/usr/bin:/bin",
        "GOTOOLCHAIN": "local",
        "GOFLAGS": "-modcacherw",
        "GOMODCACHE": f"{{env}}/{MODULES}",
        "GOCACHE": f"{{env}}/{CACHE}",
        "GOPATH": "{env}/path",
        "GOENV": "off",
        "GOTELEMETRY": "off",
        "GOWORK": "" if project.facts.get("workspace") else "off",
    }


def manifest(path: str) -> bool:
    """Tell whether a file says what an environment holds."""
    return path.rsplit("/", 1)[-1] in MANIFESTS or path.endswith(join("vendor", "modules.txt"))
