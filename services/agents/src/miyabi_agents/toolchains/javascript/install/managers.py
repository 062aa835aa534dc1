"""Says how packages are installed: npm, pnpm or yarn, without scripts first, then scripts without a network."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence

from miyabi_agents.errors import ToolchainMissingError
from miyabi_agents.toolchains.javascript.install import steps
from miyabi_agents.toolchains.javascript.install.needed import needed
from miyabi_agents.toolchains.javascript.install.settings import NEWEST, PNPM, PNPM_BY_LOCK, YARN, YARN_BY_LOCK
from miyabi_agents.toolchains.javascript.install.steps import SCRIPTS, Effort, Site
from miyabi_agents.toolchains.javascript.manifest import NAME, Manifest, relative
from miyabi_agents.toolchains.javascript.manifest import read as read_manifest
from miyabi_agents.toolchains.port import BaseFiles, Machine, Project, Recipe, Step
from miyabi_core.text import shortened

#: What makes npm give up at once on a package from a git repository: there is no way to one.
_NO_GIT = "--git=/bin/false"
#: Where a project of a JavaScript runner, c8 or nyc says which share of lines has to be covered, and how.
_CONFIGURATION = re.compile(r"package\.json|(jest|vitest|vite)\.config\.[a-z]{2,4}|\.(nyc|c8)rc(\.json|\.yml)?")
_THRESHOLD = re.compile(r"coverageThreshold|\bthresholds\b|check-coverage")
#: Files that say what an environment holds.
INPUTS = {
    NAME, "package-lock.json", "npm-shrinkwrap.json", "pnpm-lock.yaml", "yarn.lock", "pnpm-workspace.yaml", ".npmrc",
    ".yarnrc", ".yarnrc.yml", ".pnpmfile.cjs", "bun.lock", "bun.lockb",
}  # fmt: skip


def recipe(project: Project, base: BaseFiles, machine: Machine) -> Recipe:
    """Return how a project's environment is built; fallbacks leave out development packages that cannot be had.

    Raises:
        ToolchainMissingError: node or npm is not there, or the project needs bun.
    """
    manager = str(project.facts.get("manager", "npm"))
    _demand(machine, manager)
    root = str(project.facts.get("workspace", project.root))
    manifest = read_manifest(base, root) or Manifest(folder=root)
    recipes = [
        _recipe(Site(project, base, machine, manifest, effort), MANAGERS[manager])
        for effort in (list(Effort) if manifest.names else [Effort.WHOLE])
    ]
    return Recipe(**{**vars(recipes[0]), "fallbacks": tuple(recipes[1:])})


def _demand(machine: Machine, manager: str) -> None:
    """Make sure that what is needed is there.

    Raises:
        ToolchainMissingError: it is not.
    """
    for name in ("node", "npm"):
        if name not in machine.programs:
            raise ToolchainMissingError(
                f"{name} is not on this machine; install Node.js 20 or newer with npm (Debian: nodejs, npm)."
            )
    if manager not in MANAGERS:
        raise ToolchainMissingError(f"The project is installed with {manager}, which is not on this machine.")


def _recipe(site: Site, manager: Callable[[Site], list[Step]]) -> Recipe:
    """Return the recipe for one effort."""
    named = site.manifest.needs.get("devDependencies", {})
    if site.effort is not Effort.WHOLE:
        site.keep = sorted(named) if site.effort is Effort.AVAILABLE else needed(site.base, site.manifest, site.project)
        gone = shortened(", ".join(sorted(set(named) - set(site.keep))), 500)
        said = f"Left out, since no test, source or configuration names it: {gone}." if gone else ""
        site.notes += ["Packages that cannot be had were left out.", *filter(None, [said])]
    made = manager(site)
    inputs = [path for path in site.base.paths() if relative(path, site.manifest.folder) is not None and is_input(path)]
    date = [] if site.lock else [site.base.committed.date().isoformat()]
    origin = (
        site.project.origin if site.effort is Effort.WHOLE else f"{site.project.origin}, {site.effort.value} packages"
    )
    return Recipe(
        toolchain="javascript",
        origin=origin,
        inputs=inputs,
        keys=[f"node={site.node}", f"npm={' '.join(site.npm)}", *date],
        steps=made,
        readable=(SCRIPTS, *(root for name in ("node", "npm") for root in site.machine.roots.get(name, ()))),
        runtime=f"node {'.'.join(map(str, site.machine.versions.get('node', ())))}".strip(),
        notes=[*site.notes, *_thresholds(site)],
    )


def _thresholds(site: Site) -> list[str]:
    """Say that no share of covered lines is looked at, where the project asks for one."""
    for path in sorted(site.base.paths()):
        name = relative(path, site.project.root)
        if name is None or _CONFIGURATION.fullmatch(name) is None:
            continue
        if _THRESHOLD.search((site.base.read(path) or b"").decode("utf-8", "replace")):
            return [
                f"The share of covered lines that {path} asks for is not looked at: tests are run without coverage."
            ]
    return []


def _npm(site: Site) -> list[Step]:
    """Return the steps of npm: by lock file, else as of the commit's day where that is long ago."""
    words = ["ci"] if site.frozen else ["install", "--no-audit", *([] if site.lock else ["--no-package-lock"])]
    loose = ["--legacy-peer-deps"] if site.effort is Effort.NEEDED else []
    command = [*site.npm, *words, "--ignore-scripts", _NO_GIT, *loose, *site.date()]
    return [steps.install(site, command, {}), *steps.build(site, [*site.npm, "rebuild"], {})]


def _pnpm(site: Site) -> list[Step]:
    """Return the steps of pnpm."""
    found = re.search(r"lockfileVersion:\s*'?(\d+\.\d+)", site.locked()[:200])
    version = site.version or PNPM_BY_LOCK.get(found[1] if found else "", NEWEST["pnpm"])
    program = "{env}/pm/node_modules/pnpm/bin/pnpm." + ("cjs" if int(version.split(".")[0]) < 11 else "mjs")
    run = [site.node, program]
    frozen = "--frozen-lockfile" if site.frozen else "--no-frozen-lockfile"
    command = [*run, "install", frozen, "--ignore-scripts", "--package-import-method=auto"]
    rebuild = [*run, "rebuild", "--recursive"]
    return [steps.get(site, f"pnpm@{version}"), steps.install(site, command, PNPM), *steps.build(site, rebuild, PNPM)]


def _yarn(site: Site) -> list[Step]:
    """Return the steps of yarn, the first version or a later one."""
    metadata = re.search(r"^__metadata:\n  version: (\d+)", site.locked(), re.MULTILINE)
    named = bool(site.version) and not site.version.startswith("1.")
    if metadata is not None or named or (not site.lock and site.has(".yarnrc.yml")):
        return _berry(site, metadata[1] if metadata else "")
    run = [site.node, "{env}/pm/node_modules/yarn/bin/yarn.js"]
    frozen = "--frozen-lockfile" if site.frozen else "--no-lockfile" if not site.lock else "--pure-lockfile"
    command = [*run, "install", frozen, "--ignore-scripts", "--non-interactive", "--ignore-engines"]
    return _with_yarn(site, f"yarn@{site.version or NEWEST['yarn']}", command)


def _berry(site: Site, metadata: str) -> list[Step]:
    """Return the steps of a later yarn; *metadata* is the version of its lock file."""
    version = site.version or YARN_BY_LOCK.get(metadata, NEWEST["berry"])
    frozen = "--immutable" if site.frozen else "--no-immutable"
    command = [site.node, "{env}/pm/node_modules/@yarnpkg/cli-dist/bin/yarn.js", "install", frozen, "--mode=skip-build"]
    return _with_yarn(site, f"@yarnpkg/cli-dist@{version}", command)


def _with_yarn(site: Site, package: str, command: Sequence[str]) -> list[Step]:
    """Return the steps of either yarn; npm runs the scripts, since yarn would install first."""
    rebuild = [*site.npm, "rebuild"]
    return [steps.get(site, package), steps.install(site, command, YARN), *steps.build(site, rebuild, YARN)]


#: What makes the steps, by package manager.
MANAGERS: Mapping[str, Callable[[Site], list[Step]]] = {"npm": _npm, "pnpm": _pnpm, "yarn": _yarn}


def is_input(path: str) -> bool:
    """Tell whether an environment depends on a file's content: manifests, lock files, settings and patches."""
    name, parts = path.rsplit("/", 1)[-1], path.split("/")
    return name in INPUTS or (("patches" in parts or ".yarn" in parts) and name.endswith((".patch", ".cjs")))
