"""Finds the Python projects of a repository."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from posixpath import basename, dirname

from miyabi_agents.toolchains.port import Project, limited
from miyabi_agents.toolchains.python.layout import django, plugins, runner, sources, tests
from miyabi_agents.toolchains.python.layout.pytest_options import PytestOptions
from miyabi_agents.toolchains.python.layout.pytest_options import read as read_options
from miyabi_agents.toolchains.python.manifests.groups import Pyproject
from miyabi_agents.toolchains.python.manifests.static_setup import StaticSetup
from miyabi_agents.toolchains.python.manifests.task_runners import path_in
from miyabi_agents.toolchains.python.manifests.tree import Tree, table
from miyabi_agents.verification.config import RepositoryConfig
from miyabi_core.text import first

#: Projects of one repository that are told apart; the rest belongs to those around it.
MAX_PROJECTS = 200
#: Files of one project that are looked through.
MAX_FILES = 50_000
#: Folders in which a manifest makes no project: what others wrote, what is data of tests, what is built.
_PASSED_BY = frozenset({"node_modules", "vendor", "vendored", "_vendor", "third_party", "site-packages", "fixtures",
                        "testdata", "test_data", "test-data", "build", "dist", "templates", "cookiecutter",
                        "docs", "doc"})  # fmt: skip
#: Runners of this ecosystem that a configuration may name.
_RUNNERS = frozenset({"pytest", "unittest", "django"})


def find(tree: Tree, config: RepositoryConfig | None) -> Sequence[Project]:
    """Return the projects of a repository, outermost first."""
    owned, rest = _owned(tree)
    return limited([_project(tree, root, files, config) for root, files in owned.items()], MAX_PROJECTS, beyond=rest)


def _owned(tree: Tree) -> tuple[Mapping[str, Sequence[str]], int]:
    """Return the Python files of each project, and how many more projects there are.

    Files of a folder without tests count to the project around it.
    """
    programs = [path for path in tree.paths if path.endswith(".py")]
    every = sorted(_roots(tree, programs), key=lambda root: (root != ".", root.count("/"), root))
    roots, rest = first(every, MAX_PROJECTS)
    files = _shared_out(programs, roots)
    tested = {root for root in roots if tests.test_files(files[root], read_options(tree, root))}
    kept = [root for root in roots if root in tested or not any(_above(root, other) for other in tested)]
    if tested:
        kept = [root for root in kept if root in tested or files[root]]
    shared = _shared_out(programs, kept)
    return {root: shared[root][:MAX_FILES] for root in kept if shared[root] or root in tested}, rest


def _above(root: str, other: str) -> bool:
    return root != other and (other == "." or root.startswith(other + "/"))


def _shared_out(programs: Sequence[str], roots: Sequence[str]) -> dict[str, list[str]]:
    """Give each file to the nearest root above it."""
    known = set(roots)
    files: dict[str, list[str]] = {root: [] for root in roots}
    for path in programs:
        folder = dirname(path) or "."
        while folder not in known and folder != ".":
            folder = dirname(folder) or "."
        if folder in known:
            files[folder].append(path)
    return files


def _roots(tree: Tree, programs: Sequence[str]) -> set[str]:
    """Return the folders that hold a manifest of a project."""
    found: set[str] = set()
    for path in tree.paths:
        folder, name = dirname(path) or ".", basename(path)
        parts = () if folder == "." else tuple(folder.split("/"))
        if any(part.startswith(".") or part in _PASSED_BY for part in parts) or tests.TEST_FOLDERS & set(parts[:-1]):
            continue
        inner = bool(parts and parts[-1] in tests.TEST_FOLDERS)
        if not inner and _makes_project(tree, path, name, folder):
            found.add(folder)
    loose = any(tests.is_test_file(path, PytestOptions()) and "node_modules" not in path for path in programs)
    if loose and not found:
        found.add(".")
    return found


def _makes_project(tree: Tree, path: str, name: str, folder: str) -> bool:
    """Tell whether a file makes its folder a project."""
    if name == "pyproject.toml":
        content = tree.toml(path)
        tool = table(content.get("tool"))
        return any(key in content for key in ("project", "build-system", "dependency-groups")) or any(
            key in tool for key in ("poetry", "pytest", "pdm", "flit", "hatch", "uv")
        )
    if name == "setup.cfg":
        sections = tree.ini(path)
        return "name" in sections.get("metadata", {}) or (folder == "." and "tool:pytest" in sections)
    if name in ("setup.py", "Pipfile", "pytest.ini", "manage.py"):
        return True
    if folder == ".":
        return (
            name in ("tox.ini", "noxfile.py", "uv.lock")
            or re.fullmatch(r"requirements[\w.-]*\.(txt|in)", name) is not None
        )
    return name == "requirements.txt" and any(near.endswith(".py") for near in tree.files_of(folder))


def _project(tree: Tree, root: str, programs: Sequence[str], config: RepositoryConfig | None) -> Project:
    """Describe one project."""
    options = read_options(tree, root)
    files = tests.test_files(programs, options)
    style = tests.style(tree, files)
    settings = django.settings_of(tree, root, options)
    name, why = runner.choose(tree, root, options, style=style, settings=settings, files=programs)
    if config and config.test.format in _RUNNERS:
        name, why = config.test.format, "the configuration says so"
    roots = sources.roots(tree, root, programs)
    asked = plugins.configured(options) if name == "pytest" else ()
    used = plugins.used(style.texts) if name == "pytest" else ()
    return Project(
        toolchain="python",
        root=root,
        runner=name,
        origin=_origin(tree, root),
        facts={
            "why": why,
            "name": _name(tree, root),
            "tests": tests.folders_of(files),
            "test_files": len(files),
            "config": options.path,
            "python_files": tuple(options.python_files),
            "testpaths": tuple(options.listed("testpaths")),
            "addopts": options.addopts[:2_000],
            "plugins": tuple(asked),
            "plugins_used": tuple(used),
            "settings": settings,
            "manage": django.manage_of(tree, root, settings),
            "runtests": django.runtests_of(tree, root),
            "roots": tuple(roots),
            "packages": tuple(sources.packages_of(programs, roots)),
            "compiled": sources.compiled(tree, root),
            **_configured(config),
        },
    )


def _configured(config: RepositoryConfig | None) -> Mapping[str, str | bool | Sequence[str]]:
    """Return what the configuration says of the environment, for the recipe."""
    if config is None:
        return {}
    env = config.env
    found: dict[str, str | bool | Sequence[str]] = {}
    if config.test.command:
        found["config_command"] = tuple(config.test.command)
    if config.test.command or config.test.cwd != ".":
        found["cwd"] = config.test.cwd
    if config.test.targets:
        found["config_targets"] = tuple(target for rule in config.test.targets for target in rule.tests)
    if config.test.format != "auto":
        found["format"] = config.test.format
    return found | {
        "env_requirements": tuple(env.requirements),
        "env_extras": tuple(env.extras),
        "env_groups": tuple(env.groups),
        "env_python": env.python,
        "env_prefer": tuple(env.prefer),
        "env_only": env.only,
    }


def _name(tree: Tree, root: str) -> str:
    content = Pyproject(tree.toml(path_in(root, "pyproject.toml")), path=path_in(root, "pyproject.toml"))
    return content.name or StaticSetup(tree, root).name


def _origin(tree: Tree, root: str) -> str:
    """Return the file that describes the project best; the recipe says what was used of it."""
    for name in (
        "uv.lock",
        "poetry.lock",
        "pdm.lock",
        "Pipfile.lock",
        "pyproject.toml",
        "setup.py",
        "setup.cfg",
        "requirements.txt",
    ):
        if tree.has(path_in(root, name)):
            return path_in(root, name)
    return ""
