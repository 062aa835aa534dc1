"""The steps that every package manager shares: getting it, installing without scripts, running scripts."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import Enum
from pathlib import Path

from miyabi_agents.toolchains.javascript.install.settings import QUIET
from miyabi_agents.toolchains.javascript.manifest import Manifest, join
from miyabi_agents.toolchains.port import BaseFiles, Machine, Phase, Project, Step

#: Our own scripts for the recipe; plain JavaScript without dependencies.
SCRIPTS = Path(__file__).parent
#: Commits older than this get packages as of their own day where nothing pins them.
OLD = timedelta(days=30)
#: Scripts of a project that only concern people who work on it.
_HOOKS = re.compile(
    r"\b(husky|simple-git-hooks|lefthook|git config|is-ci|not-in-publish|nano-staged|lint-staged|exit 0)\b"
)


class Effort(Enum):
    """How much of what a manifest names is to be installed."""

    #: What the lock file says, all of it.
    WHOLE = "whole"
    #: All but what cannot be had, which is left out by name.
    AVAILABLE = "available"
    #: What tests, sources and configuration name, and of that what can be had.
    NEEDED = "needed"


@dataclass
class Site:
    """What one recipe is made for."""

    project: Project
    base: BaseFiles
    machine: Machine
    manifest: Manifest
    effort: Effort
    #: Development packages to keep; None: all, and none is left out.
    keep: Sequence[str] | None = None
    notes: list[str] = field(default_factory=list)

    @property
    def node(self) -> str:
        """The interpreter."""
        return str(self.machine.programs["node"])

    @property
    def npm(self) -> list[str]:
        """The words that start npm."""
        npm = self.machine.programs["npm"]
        return [self.node, str(npm)] if npm.suffix == ".js" else [str(npm)]

    @property
    def lock(self) -> str:
        """Path of the lock file; empty where there is none."""
        return str(self.project.facts.get("lock", ""))

    @property
    def frozen(self) -> bool:
        """Whether the lock file is followed to the letter."""
        return bool(self.lock) and self.effort is Effort.WHOLE

    @property
    def version(self) -> str:
        """Version of the package manager, where the manifest names one."""
        return str(self.project.facts.get("version", ""))

    @property
    def cwd(self) -> str:
        """Where everything is run: the workspace's folder."""
        return "{tree}" if self.manifest.folder == "." else f"{{tree}}/{self.manifest.folder}"

    def has(self, name: str) -> bool:
        """Tell whether the workspace's folder has a file."""
        return join(self.manifest.folder, name) in set(self.base.paths())

    def locked(self) -> str:
        """Return the lock file's text."""
        return (self.base.read(self.lock) or b"").decode("utf-8", "replace") if self.lock else ""

    def date(self) -> list[str]:
        """Return npm's option for the commit's day, where that is more than 30 days ago, and note it."""
        day = self.base.committed.astimezone(UTC)
        if self.lock or datetime.now(UTC) - day < OLD:
            return []
        self.notes.append(f"Packages as of {day:%Y-%m-%d}, the commit's day: no lock file pins them.")
        return [f"--before={day:%Y-%m-%dT%H:%M:%SZ}"]


def environment(site: Site, told: Mapping[str, str]) -> dict[str, str]:
    """Return the variables of a step."""
    path = f"{Path(site.node).parent}:{{env}}/pm/node_modules/.bin:/usr/local/bin:/usr/bin:/bin"
    return {**QUIET, **told, "PATH": path}


def get(site: Site, package: str) -> Step:
    """Return the step that brings a package manager from the package index."""
    quiet = ["--ignore-scripts", "--no-package-lock", "--no-save"]
    command = [*site.npm, "install", "--prefix", "{env}/pm", *quiet, package]
    variables = environment(site, {})
    return Step(f"get {package}", Phase.FETCH, command, variables, cwd="{env}", downloads_only=True)


def install(site: Site, command: Sequence[str], told: Mapping[str, str]) -> Step:
    """Return the step that installs packages without their scripts."""
    keep = None if site.keep is None else list(site.keep)
    asked = json.dumps({"command": list(command), "keep": keep, "yarn": "YARN_IGNORE_PATH" in told, "npm": site.npm})
    words = [site.node, str(SCRIPTS / "install.cjs"), asked]
    variables = environment(site, told)
    downloads = not _runs_code(site)
    return Step("install packages", Phase.FETCH, words, variables, cwd=site.cwd, downloads_only=downloads)


def _runs_code(site: Site) -> bool:
    """Tell whether installing runs code of the repository: hooks of pnpm, plugins of yarn."""
    settings = site.base.read(join(site.manifest.folder, ".yarnrc.yml")) or b""
    old = site.base.read(join(site.manifest.folder, ".yarnrc")) or b""
    return site.has(".pnpmfile.cjs") or b"plugins" in settings or b"yarn-path" in old


def build(site: Site, rebuild: Sequence[str], told: Mapping[str, str]) -> list[Step]:
    """Return the steps that run install scripts, of packages and of the project, without a network; all optional."""
    commands = {"run install scripts of packages": list(rebuild)}
    for name in ("postinstall", "prepare"):
        script = site.manifest.scripts.get(name, "")
        hooks = _HOOKS.search(script)
        if script and (not hooks or "patch-package" in script):
            commands[f"run the project's {name}"] = [*site.npm, "run", name]
    variables = environment(site, told)
    return [
        Step(name, Phase.BUILD, command, variables, cwd=site.cwd, optional=True) for name, command in commands.items()
    ]
