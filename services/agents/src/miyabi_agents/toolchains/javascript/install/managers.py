"""Says how packages are installed: npm, pnpm or yarn, without scripts first, then scripts without a network."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from miyabi_agents.errors import ToolchainMissingError
from miyabi_agents.toolchains.javascript.install.needed import needed
from miyabi_agents.toolchains.javascript.install.settings import NEWEST, PNPM, PNPM_BY_LOCK, QUIET, YARN, YARN_BY_LOCK
from miyabi_agents.toolchains.javascript.manifest import NAME, Manifest, join, relative
from miyabi_agents.toolchains.javascript.manifest import read as read_manifest
from miyabi_agents.toolchains.port import BaseFiles, Machine, Phase, Project, Recipe, Step

#: Our own scripts for the recipe; plain JavaScript without dependencies.
SCRIPTS = Path(__file__).parent
#: Commits older than this get packages as of their own day where nothing pins them.
OLD = timedelta(days=30)
#: What makes npm give up at once on a package from a git repository: there is no way to one.
_NO_GIT = "--git=/bin/false"
#: Scripts of a project that only concern people who work on it.
_HOOKS = re.compile(
    r"\b(husky|simple-git-hooks|lefthook|git config|is-ci|not-in-publish|nano-staged|lint-staged|exit 0)\b"
)


def recipe(project: Project, base: BaseFiles, machine: Machine) -> Recipe:
    """Return how a project's environment is built.

    Raises:
        ToolchainMissingError: node or npm is not there, or the project needs bun.
    """
    _demand(machine)
    manager = str(project.facts.get("manager", "npm"))
    if manager == "bun":
        raise ToolchainMissingError(
            "The project is installed with bun, which is not on this machine; npm, pnpm and yarn are."
        )
    root = str(project.facts.get("workspace", project.root))
    manifest = read_manifest(base, root) or Manifest(folder=root)
    made = _Making(project, base, machine, manifest)
    steps, notes = {"npm": made.npm, "pnpm": made.pnpm, "yarn": made.yarn}[manager]()
    alone = (
        bool(manifest.needs.get("devDependencies")) and not manifest.workspaces and not made.has("pnpm-workspace.yaml")
    )
    fallbacks = [made.whole(made.lean(), notes=[made.left_out], lean=True)] if alone else []
    return made.whole(steps, notes=notes, fallbacks=fallbacks)


def _demand(machine: Machine) -> None:
    """Make sure that node and npm are there.

    Raises:
        ToolchainMissingError: one is not.
    """
    for name in ("node", "npm"):
        if name not in machine.programs:
            raise ToolchainMissingError(
                f"{name} is not on this machine; install Node.js 20 or newer with npm (Debian: nodejs, npm)."
            )


class _Making:
    """One recipe that is put together."""

    def __init__(self, project: Project, base: BaseFiles, machine: Machine, manifest: Manifest) -> None:
        self._project, self._base, self._manifest = project, base, manifest
        self._node, npm = machine.programs["node"], machine.programs["npm"]
        self._roots = [root for name in ("node", "npm") for root in machine.roots.get(name, ())]
        self._runtime = " ".join(["node", ".".join(map(str, machine.versions.get("node", ())))]).strip()
        self._npm = [str(self._node), str(npm)] if npm.suffix == ".js" else [str(npm)]
        root = manifest.folder
        self._cwd = "{tree}" if root == "." else f"{{tree}}/{root}"
        self._lock = str(project.facts.get("lock", ""))
        self._version = str(project.facts.get("version", ""))
        self._told: dict[str, str] = {}
        self.left_out = ""

    def npm(self) -> tuple[list[Step], list[str]]:
        """Return the steps of npm: by lock file, else as of the commit's day where that is long ago."""
        if self._lock:
            return [
                self._install([*self._npm, "ci", "--ignore-scripts", _NO_GIT]),
                *self._build([*self._npm, "rebuild"]),
            ], []
        date, notes = self._date()
        return [
            self._install([*self._npm, "install", "--ignore-scripts", "--no-package-lock", _NO_GIT, *date]),
            *self._build([*self._npm, "rebuild"]),
        ], notes

    def lean(self) -> list[Step]:
        """Return the steps that install what tests need alone, for when something else cannot be had."""
        self._told = {}
        keep = needed(self._base, self._manifest, self._project)
        gone = sorted(set(self._manifest.needs.get("devDependencies", {})) - set(keep))
        self.left_out = (
            f"Development packages that no test, source or configuration names were left out: {', '.join(gone)[:500]}."
        )
        command = [
            *self._npm,
            "install",
            "--ignore-scripts",
            "--no-package-lock",
            "--legacy-peer-deps",
            _NO_GIT,
            "--no-workspaces",
            *self._date()[0],
        ]
        return [self._install(command, keep=keep), *self._build([*self._npm, "rebuild"])]

    def pnpm(self) -> tuple[list[Step], list[str]]:
        """Return the steps of pnpm, which comes from the package index."""
        self._told = dict(PNPM)
        version = self._version or self._pnpm_version()
        program = "{env}/pm/node_modules/pnpm/bin/pnpm." + ("cjs" if int(version.split(".")[0]) < 11 else "mjs")
        run = [str(self._node), program]
        frozen = ["--frozen-lockfile"] if self._lock else ["--no-frozen-lockfile"]
        steps = [
            self._get(f"pnpm@{version}"),
            self._install([*run, "install", *frozen, "--ignore-scripts", "--package-import-method=auto"]),
        ]
        return [*steps, *self._build([*run, "rebuild", "--recursive"])], [f"pnpm {version}"]

    def yarn(self) -> tuple[list[Step], list[str]]:
        """Return the steps of yarn, the first version or a later one."""
        self._told = dict(YARN)
        text = (self._base.read(self._lock) or b"").decode("utf-8", "replace") if self._lock else ""
        metadata = re.search(r"^__metadata:\n  version: (\d+)", text, re.MULTILINE)
        berry = (
            metadata is not None
            or (self._version and not self._version.startswith("1."))
            or (not text and self.has(".yarnrc.yml"))
        )
        if not berry:
            version = self._version or NEWEST["yarn"]
            run = [str(self._node), "{env}/pm/node_modules/yarn/bin/yarn.js"]
            frozen = ["--frozen-lockfile"] if self._lock else ["--no-lockfile"]
            install = [*run, "install", *frozen, "--ignore-scripts", "--non-interactive", "--ignore-engines"]
            return [
                self._get(f"yarn@{version}"),
                self._install(install),
                *self._build([*self._npm, "rebuild"]),
            ], [f"yarn {version}"]
        version = self._version or YARN_BY_LOCK.get(metadata[1] if metadata else "", NEWEST["berry"])
        run = [str(self._node), "{env}/pm/node_modules/@yarnpkg/cli-dist/bin/yarn.js"]
        frozen = ["--immutable"] if self._lock else ["--no-immutable"]
        steps = [
            self._get(f"@yarnpkg/cli-dist@{version}"),
            self._install([*run, "install", *frozen, "--mode=skip-build"]),
        ]
        return [*steps, *self._build([*self._npm, "rebuild"])], [f"yarn {version}"]

    def _pnpm_version(self) -> str:
        """Return the version of pnpm that a lock file was written by."""
        head = (self._base.read(self._lock) or b"")[:200].decode("utf-8", "replace") if self._lock else ""
        found = re.search(r"lockfileVersion:\s*'?(\d+\.\d+)", head)
        return PNPM_BY_LOCK.get(found[1] if found else "", NEWEST["pnpm"])

    def has(self, name: str) -> bool:
        """Tell whether the project's folder has a file."""
        return join(self._manifest.folder, name) in set(self._base.paths())

    def _date(self) -> tuple[list[str], list[str]]:
        """Return npm's option for the commit's day, where that is more than 30 days ago, and a note on it."""
        day = self._base.committed.astimezone(UTC)
        if datetime.now(UTC) - day < OLD:
            return [], []
        text = day.strftime("%Y-%m-%dT%H:%M:%SZ")
        return [f"--before={text}"], [f"Packages as of {day:%Y-%m-%d}, the commit's day: no lock file pins them."]

    def _environment(self) -> dict[str, str]:
        path = f"{self._node.parent}:{{env}}/pm/node_modules/.bin:/usr/local/bin:/usr/bin:/bin"
        return {**QUIET, **self._told, "PATH": path}

    def _get(self, package: str) -> Step:
        """Return the step that brings a package manager."""
        command = [
            *self._npm,
            "install",
            "--prefix",
            "{env}/pm",
            "--ignore-scripts",
            "--no-package-lock",
            "--no-save",
            package,
        ]
        return Step(f"get {package}", Phase.FETCH, command, self._environment(), cwd="{env}", downloads_only=True)

    def _install(self, command: Sequence[str], *, keep: Sequence[str] | None = None) -> Step:
        """Return the step that installs packages without their scripts."""
        asked = json.dumps(
            {"command": list(command), "keep": keep, "yarn": "YARN_NODE_LINKER" in self._told, "npm": self._npm}
        )
        return Step(
            "install packages",
            Phase.FETCH,
            [str(self._node), str(SCRIPTS / "install.cjs"), asked],
            self._environment(),
            cwd=self._cwd,
            downloads_only=not self._runs_code(),
        )

    def _runs_code(self) -> bool:
        """Tell whether installing runs code of the repository: hooks of pnpm, plugins of yarn."""
        settings = self._base.read(join(self._manifest.folder, ".yarnrc.yml")) or b""
        return (
            self.has(".pnpmfile.cjs") or b"plugins" in settings or b"yarn-path" in (self._base.read(".yarnrc") or b"")
        )

    def _build(self, rebuild: Sequence[str]) -> list[Step]:
        """Return the steps that run install scripts without a network; all optional."""
        steps = [
            Step(
                "run install scripts of packages",
                Phase.BUILD,
                list(rebuild),
                self._environment(),
                cwd=self._cwd,
                optional=True,
            )
        ]
        for name in ("postinstall", "prepare"):
            script = self._manifest.scripts.get(name, "")
            if (
                script
                and _HOOKS.sub("", script).strip(" |&;")
                and ("patch-package" in script or not _HOOKS.search(script))
            ):
                run = [*self._npm, "run", name]
                steps.append(
                    Step(
                        f"run the project's {name}", Phase.BUILD, run, self._environment(), cwd=self._cwd, optional=True
                    )
                )
        return steps

    def whole(
        self, steps: Sequence[Step], *, notes: Sequence[str], fallbacks: Sequence[Recipe] = (), lean: bool = False
    ) -> Recipe:
        """Return the recipe."""
        root = self._manifest.folder
        inputs = [path for path in self._base.paths() if relative(path, root) is not None and is_input(path)]
        date = [self._base.committed.date().isoformat()] if not self._lock else []
        keys = [f"node={self._node}", f"npm={' '.join(self._npm)}", *date]
        return Recipe(
            toolchain="javascript",
            origin=f"{self._project.origin}, what tests need alone" if lean else self._project.origin,
            inputs=inputs,
            keys=keys,
            steps=steps,
            readable=(SCRIPTS, *self._roots),
            runtime=self._runtime,
            notes=[note for note in notes if note],
            fallbacks=fallbacks,
        )


def is_input(path: str) -> bool:
    """Tell whether an environment depends on a file's content: manifests, lock files, settings and patches."""
    name = path.rsplit("/", 1)[-1]
    parts = path.split("/")
    return name in INPUTS or (("patches" in parts or ".yarn" in parts) and name.endswith((".patch", ".cjs")))


#: Files that say what an environment holds.
INPUTS: Mapping[str, None] = dict.fromkeys(
    (NAME, "package-lock.json", "npm-shrinkwrap.json", "pnpm-lock.yaml", "yarn.lock", "pnpm-workspace.yaml", ".npmrc",
     ".yarnrc", ".yarnrc.yml", ".pnpmfile.cjs", "bun.lock", "bun.lockb", ".node-version", ".nvmrc")
)  # fmt: skip
