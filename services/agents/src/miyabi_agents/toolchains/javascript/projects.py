"""Recognises projects of JavaScript: packages, workspaces, their package manager and their test runner."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import PurePosixPath

from miyabi_agents.toolchains.javascript import scripts
from miyabi_agents.toolchains.javascript.building import build_of
from miyabi_agents.toolchains.javascript.manifest import (
    NAME,
    Manifest,
    join,
    member,
    parent,
    pnpm_packages,
    read,
    relative,
)
from miyabi_agents.toolchains.port import BaseFiles, Project, limited
from miyabi_agents.verification.config import RepositoryConfig
from miyabi_core.text import first

#: Most packages that are looked at.
MAX_PACKAGES = 400
#: Most projects of one repository.
MAX_PROJECTS = 100
#: Folders whose packages are material of tests or examples, unless they are members of a workspace.
_ASIDE = re.compile(
    r"(^|/)(node_modules|bower_components|fixtures?|__fixtures__|__mocks__|examples?|samples?|templates?|test|tests|"
    r"__tests__|spec|testdata|e2e|vendor|third[_-]party|\.[^/]+)(/|$)"
)
#: Lock files with the package manager that writes them, in the order in which they are believed.
LOCKS = {
    "pnpm-lock.yaml": "pnpm", "yarn.lock": "yarn", "package-lock.json": "npm", "npm-shrinkwrap.json": "npm",
    "bun.lock": "bun", "bun.lockb": "bun",
}  # fmt: skip
#: Runners in the order in which they are believed where no script names one.
_RUNNERS = ("vitest", "jest", "mocha", "ava", "tape", "jasmine")
#: Files that configure a runner.
CONFIGS = re.compile(
    r"^(?:(vitest)(?:\.[\w-]+)*\.config\.[cm]?[jt]s|vitest\.workspace\.(?:[cm]?[jt]s|json)|(jest)(?:\.[\w-]+)?\.config\.(?:[cm]?[jt]s|json)|"
    r"\.(mocha)rc(?:\.(?:[cm]?js|json|jsonc|ya?ml))?|(ava)\.config\.[cm]?js|(jasmine)\.m?js(?:on)?)$"
)
_PROJECTS = re.compile(rb"\bprojects\s*[:=]|\bworkspace\s*:")
#: What the configuration's formats are called here.
_FORMATS = {"vitest", "jest", "mocha", "tap", "node"}


def recognise(base: BaseFiles, config: RepositoryConfig | None) -> list[Project]:
    """Return the projects, outermost first; the configuration's command wins over what is recognised."""
    paths = base.paths()
    every = sorted((parent(path) for path in paths if PurePosixPath(path).name == NAME), key=_depth)
    folders, rest = first(every, MAX_PACKAGES)
    manifests = {folder: found for folder in folders if (found := read(base, folder)) is not None}
    told = _told(base, config, manifests)
    if told is not None:
        return [told]
    projects: list[Project] = []
    roots: dict[str, tuple[Manifest, Sequence[str]]] = {
        folder: (manifest, globs) for folder, manifest in manifests.items() if (globs := _globs(base, manifest))
    }
    for folder, manifest in manifests.items():
        root = _root_of(folder, roots)
        if root is None and _ASIDE.search(folder):
            continue
        project = _project(base, manifest, manifests[root or folder], paths)
        if project is not None and not _covered(base, project, projects):
            projects.append(project)
    return limited(projects, MAX_PROJECTS, beyond=rest)


def _told(base: BaseFiles, config: RepositoryConfig | None, manifests: dict[str, Manifest]) -> Project | None:
    """Return the project that the configuration describes, where its command is one of this ecosystem."""
    if config is None or not config.test.command:
        return None
    words = [word for word in config.test.command if word != "{targets}"]
    found = scripts.command(words)
    if found is None and config.test.format not in _FORMATS:
        return None
    root = PurePosixPath(config.test.cwd).as_posix()
    manifest = manifests.get(root) or Manifest(folder=root)
    if found is None and config.test.format == "tap":
        found = scripts.Command("tap", options=tuple(words))
    elif found is None:
        found = scripts.find(manifest) or scripts.Command(config.test.format)
    return _made(base, manifest, manifests.get(root, manifest), found, origin=".miyabi.yaml")


def _project(base: BaseFiles, manifest: Manifest, root: Manifest, paths: Sequence[str]) -> Project | None:
    """Return the project of a package that has tests; None where it has none."""
    found = scripts.find(manifest) or _by_packages(manifest) or _by_files(base, manifest, paths)
    if found is None:
        return None
    return _made(base, manifest, root, found)


def _made(base: BaseFiles, manifest: Manifest, root: Manifest, found: scripts.Command, *, origin: str = "") -> Project:
    """Put together what was found."""
    lock, manager, version = manager_of(base, root)
    described = join(root.folder, lock or NAME)
    facts: dict[str, str | bool | int | Sequence[str]] = {
        "manager": manager,
        "version": version,
        "lock": join(root.folder, lock) if lock else "",
        "workspace": root.folder,
        "script": found.script,
        "node": tuple(found.node),
        "arguments": tuple(found.options),
        "globs": tuple(found.targets),
        "environment": tuple(f"{key}={value}" for key, value in sorted((found.environment or {}).items())),
        "build": build_of(base, manifest, root, found),
    }
    note = f"{described}, {manager}{f' {version}' if version else ''}"
    return Project("javascript", manifest.folder, found.runner, f"{origin}, {note}" if origin else note, facts)


def _by_packages(manifest: Manifest) -> scripts.Command | None:
    """Return the runner that a package needs for development, where its scripts say none."""
    name = next((name for name in _RUNNERS if manifest.wants(name)), None)
    return scripts.Command(name) if name else None


def _by_files(base: BaseFiles, manifest: Manifest, paths: Sequence[str]) -> scripts.Command | None:
    """Return node's own runner where a test imports it, else what `npm test` prints, where that is a real script."""
    own = [
        path
        for path in paths
        if relative(path, manifest.folder) is not None and "test" in path and path.endswith(("js", "ts"))
    ]
    if any(re.search(rb"""["']node:test["']""", base.read(path) or b"") for path in own[:50]):
        return scripts.Command("node")
    script = manifest.scripts.get("test", "")
    if (
        not script
        or "no test specified" in script
        or re.search(r"\b(-r|--recursive|turbo|lerna|nx|--workspaces)\b", script)
    ):
        return None
    return scripts.Command("tap", "test", options=("npm", "run", "--silent", "test"))


def _covered(base: BaseFiles, project: Project, outer: Sequence[Project]) -> bool:
    """Tell whether a package's tests are run by the workspace's own runner, with the workspace's configuration."""
    root = next((entry for entry in outer if entry.root == project.facts["workspace"]), None)
    if root is None or root is project or root.runner != project.runner:
        return False
    own = any(CONFIGS.match(PurePosixPath(path).name) for path in _beside(base, project.root))
    configs = [path for path in _beside(base, root.root) if CONFIGS.match(PurePosixPath(path).name)]
    spread = any("workspace" in path or _PROJECTS.search(base.read(path) or b"") for path in configs)
    manifest = read(base, root.root)
    jest = manifest.sections.get("jest") if manifest else None
    return spread or not own or (isinstance(jest, dict) and "projects" in jest)


def _beside(base: BaseFiles, folder: str) -> Iterable[str]:
    """Return the files that lie in a folder itself."""
    return (path for path in base.paths() if parent(path) == folder)


def _globs(base: BaseFiles, manifest: Manifest) -> Sequence[str]:
    """Return the globs of a workspace's packages."""
    return pnpm_packages(base.read(join(manifest.folder, "pnpm-workspace.yaml"))) or manifest.workspaces


def _root_of(folder: str, roots: dict[str, tuple[Manifest, Sequence[str]]]) -> str | None:
    """Return the workspace that a package is a member of; itself, where it is one."""
    if folder in roots:
        return folder
    for root, (_, globs) in roots.items():
        below = relative(folder, root)
        if below is not None and member(globs, below):
            return root
    return None


def manager_of(base: BaseFiles, root: Manifest) -> tuple[str, str, str]:
    """Return the lock file, the package manager and its version, as far as they are said."""
    here = {PurePosixPath(path).name for path in _beside(base, root.folder)}
    lock = next((name for name in LOCKS if name in here), "")
    named = re.fullmatch(r"(npm|pnpm|yarn|bun)@\^?(\d[\w.-]{0,40})(?:\+.*)?", root.manager)
    manager = named[1] if named else LOCKS.get(lock, "npm")
    if lock and LOCKS[lock] != manager:
        lock = next((name for name in LOCKS if name in here and LOCKS[name] == manager), "")
    return lock, manager, named[2] if named else ""


def _depth(folder: str) -> tuple[int, str]:
    return (0 if folder == "." else folder.count("/") + 1, folder)
