"""Decides what goes into a project's environment: the first source that names its tests' tools, in a fixed order."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from miyabi_agents.errors import EnvironmentBuildError
from miyabi_agents.toolchains.port import Project
from miyabi_agents.toolchains.python.manifests import lock_files, task_runners, uv_lock
from miyabi_agents.toolchains.python.manifests.groups import Pyproject, gather, usual
from miyabi_agents.toolchains.python.manifests.names import BESIDE_TESTS, DEV_NAMES, TEST_NAMES, normal
from miyabi_agents.toolchains.python.manifests.requirement import Gathered, asked, name_of, take
from miyabi_agents.toolchains.python.manifests.requirement_files import found as requirement_files
from miyabi_agents.toolchains.python.manifests.requirement_files import read as read_file
from miyabi_agents.toolchains.python.manifests.static_setup import StaticSetup
from miyabi_agents.toolchains.python.manifests.task_runners import path_in
from miyabi_agents.toolchains.python.manifests.tree import Tree, joined, strings, table
from miyabi_agents.toolchains.python.manifests.uv_lock import UvLock
from miyabi_agents.toolchains.python.recipes.backends import backend_name
from miyabi_core.text import shortened

#: Manifests of a project whose content its environment depends on, wherever they are there.
_MANIFESTS = ("pyproject.toml", "setup.py", "setup.cfg", "MANIFEST.in", "hatch.toml", "tox.ini", "pytest.ini")
#: Lock files that are read by ourselves, in this order.
_LOCKS: Sequence[tuple[str, Callable[..., Gathered | None]]] = (
    ("poetry.lock", lock_files.poetry),
    ("pdm.lock", lock_files.pdm),
    ("Pipfile.lock", lock_files.pipfile),
)


@dataclass(frozen=True)
class Wanted:
    """What an environment holds."""

    requirements: Sequence[str] = ()
    constraints: Sequence[str] = ()  #: files, in the repository
    #: Added where they are not there already: the runner, its plugins, what the configuration asks for.
    tools: Sequence[str] = ()
    lock: UvLock | None = None
    extras: Sequence[str] = ()  #: of the lock, or for the build backend to choose from
    groups: Sequence[str] = ()  #: of the lock
    #: Folders that are built and installed, the project's own last.
    built: Sequence[str] = ()
    #: What the project itself needs, as far as it can be read without building it.
    plain: Sequence[str] = ()
    #: `plain` is all that the project itself needs, and its extras are among the requirements.
    known: bool = False
    pinned: bool = False
    origin: str = ""
    inputs: Sequence[str] = ()
    notes: Sequence[str] = field(default_factory=tuple)


def decide(project: Project, tree: Tree, *, python: tuple[int, ...], locked: bool = True) -> Wanted:
    """Return what a project's environment holds.

    Args:
        project: As recognised.
        tree: Base's files.
        python: Version of the interpreter, for markers.
        locked: Lock files are used.

    Raises:
        EnvironmentBuildError: a requirement that the project itself needs, or an option of a file, is refused, by name.
    """
    tools = _tools(project)
    configured = listed(project, "env_requirements")
    if project.facts.get("env_only"):
        return Wanted(requirements=(*configured, *tools), origin="the configuration alone", inputs=())
    pyproject = Pyproject(
        tree.toml(path_in(project.root, "pyproject.toml")), path=path_in(project.root, "pyproject.toml")
    )
    inputs = [path for name in _MANIFESTS if tree.has(path := path_in(project.root, name))]
    wanted = _of_lock(project, tree, pyproject, python) if locked else None
    wanted = wanted or _of_manifests(project, tree, pyproject, python)
    origin = ", ".join(["the configuration", wanted.origin] if configured else [wanted.origin])
    own = project.facts.get("name") or "-"
    return replace(
        wanted,
        requirements=[text for text in wanted.requirements if name_of(text) != own],
        tools=[text for text in dict.fromkeys((*wanted.tools, *tools, *configured)) if name_of(text) != own],
        origin=origin,
        inputs=tuple(sorted({*inputs, *wanted.inputs})),
    )


def listed(project: Project, name: str) -> Sequence[str]:
    """Return a fact that is a list of texts."""
    value = project.facts.get(name, ())
    return tuple(value) if isinstance(value, list | tuple) else ()


def _tools(project: Project) -> Sequence[str]:
    """Return the runner and its plugins."""
    if project.runner == "django":
        return ("django",)
    if project.runner != "pytest":
        return ()
    return ("pytest", *listed(project, "plugins"))


def _of_lock(project: Project, tree: Tree, pyproject: Pyproject, python: tuple[int, ...]) -> Wanted | None:
    """Return what a lock file pins; None where there is none that can be read."""
    lock = uv_lock.nearest(tree, project.root)
    if lock is not None:
        return _of_uv(project, tree, pyproject, lock, python)
    for name, read in _LOCKS:
        path = path_in(project.root, name)
        pins = read(tree, path, python=python) if tree.has(path) else None
        if pins is not None:
            extras = listed(project, "env_extras") or [name for name in pyproject.extras if name in TEST_NAMES]
            return Wanted(
                requirements=pins.requirements,
                built=_built(project, tree, pyproject),
                plain=_plain(project, tree, pyproject, python),
                extras=tuple(extras),
                known=True,
                pinned=True,
                origin=path,
                inputs=pins.inputs,
                notes=pins.notes,
            )
    return None


def _of_uv(project: Project, tree: Tree, pyproject: Pyproject, lock: UvLock, python: tuple[int, ...]) -> Wanted:
    """Return what `uv.lock` pins.

    Raises:
        EnvironmentBuildError: the project itself needs a package from an address.
    """
    for text in pyproject.dependencies:
        if name_of(text) in lock.remote and asked(text, python):
            raise EnvironmentBuildError(
                f"`{shortened(text, 200)}` comes from {lock.remote[name_of(text)]} in {lock.path}, which cannot be "
                "reached, and the project itself needs it"
            )
    groups = list(listed(project, "env_groups")) or _usual_of_uv(pyproject)
    if lock.folder != project.root and not listed(project, "env_groups"):
        path = path_in(lock.folder, "pyproject.toml")
        groups = list(dict.fromkeys([*groups, *_usual_of_uv(Pyproject(tree.toml(path), path=path))]))
    local = [folder for folder in lock.local.values() if backend_name(tree, folder) is not None]
    built = [folder for folder in local if folder != project.root]
    if project.root in lock.local.values() and backend_name(tree, project.root) is not None:
        built.append(project.root)
    groups_said = ", ".join(f'"{name}"' for name in groups)
    return Wanted(
        lock=lock,
        extras=listed(project, "env_extras"),
        groups=tuple(groups),
        built=tuple(built),
        plain=_plain(project, tree, pyproject, python),
        known=True,
        pinned=True,
        origin=lock.path + (f", groups {groups_said}" if groups else ""),
        inputs=[lock.path, *(path for folder in built if tree.has(path := path_in(folder, "pyproject.toml")))],
        notes=[
            f"left out: `{name}` of {lock.path} comes from {kind}, which cannot be reached"
            for name, kind in sorted(lock.remote.items())
        ],
    )


def _usual_of_uv(pyproject: Pyproject) -> list[str]:
    """Return the groups that tests need, else those that uv itself would install."""
    groups = usual(pyproject)[1]
    default = strings(table(pyproject.tool.get("uv")).get("default-groups"))
    return groups or [normal(name) for name in default if normal(name) in pyproject.groups]


def _of_manifests(project: Project, tree: Tree, pyproject: Pyproject, python: tuple[int, ...]) -> Wanted:
    """Return what manifests without pins ask for: sources in order, until one names a tool for tests."""
    gathered = Gathered()
    setup = StaticSetup(tree, project.root)
    pytest = project.runner == "pytest"
    for source, for_tests in _sources(project, tree, pyproject, setup):
        gathered.join(source if for_tests else _without_tools(source))
        if gathered.tests if pytest else for_tests and gathered.requirements:
            break
    for group in dict.fromkeys(gathered.groups):
        take(pyproject.expanded(pyproject.group(group)), gathered, where=f'group "{group}"', needed=False)
    static = [name for name in gathered.extras if normal(name) in pyproject.extras]
    gathered.join(gather(pyproject, extras=static, groups=()))
    used = listed(project, "plugins_used") if pytest and not gathered.tests else ()
    built = _built(project, tree, pyproject, also=gathered.local)
    return Wanted(
        requirements=gathered.requirements,
        constraints=gathered.constraints,
        tools=used,
        extras=tuple(dict.fromkeys(name for name in gathered.extras if normal(name) not in pyproject.extras)),
        built=built,
        plain=_plain(project, tree, pyproject, python),
        known=built in ((), (project.root,)) and not {"dependencies", "optional-dependencies"} & pyproject.dynamic,
        origin="; ".join(dict.fromkeys(gathered.origins)) or str(project.origin),
        inputs=gathered.inputs,
        notes=gathered.notes,
    )


def _sources(project: Project, tree: Tree, pyproject: Pyproject, setup: StaticSetup) -> Iterator[tuple[Gathered, bool]]:
    """Return what each kind of manifest asks for, in order, and whether it is for tests alone."""
    extras, groups = usual(pyproject)
    chosen = (listed(project, "env_extras") or extras, listed(project, "env_groups") or groups)
    yield gather(pyproject, extras=chosen[0], groups=chosen[1]), bool(TEST_NAMES & {*chosen[0], *chosen[1]})
    yield _of_setup(setup, project), bool(TEST_NAMES & {*setup.extras})
    installable = pyproject.installable or setup.there
    tests, dev, plain = requirement_files(tree, project.root)
    if not installable:
        yield _files(tree, plain, project), False
    yield _files(tree, tests, project), True
    yield task_runners.tox(tree, project.root), False
    yield _files(tree, dev, project), False
    for path in plain if installable else ():
        read = read_file(tree, path, project=project.root)
        if read.tests or read.itself:
            yield read, False
    yield task_runners.hatch(tree, project.root), False
    yield task_runners.nox(tree, project.root), False


def _without_tools(source: Gathered) -> Gathered:
    """Leave out of a list that is not for tests alone what documentation, releases and style need."""
    left = [text for text in source.requirements if BESIDE_TESTS.match(name_of(text))]
    if left:
        source.requirements = [text for text in source.requirements if text not in left]
        source.notes.append("left out as no tool of tests: " + ", ".join(sorted(map(name_of, left))))
    return source


def _files(tree: Tree, paths: Sequence[str], project: Project) -> Gathered:
    gathered = Gathered()
    for path in paths:
        gathered.join(read_file(tree, path, project=project.root))
    return gathered


def _of_setup(setup: StaticSetup, project: Project) -> Gathered:
    """Return the extras of `setup.py` that tests need; those that cannot be read are left to the build backend."""
    gathered = Gathered()
    if not setup.there:
        return gathered
    take(setup.tests_require, gathered, where="tests_require", needed=False)
    extras = [name for name in setup.extras if name in TEST_NAMES] or [
        name for name in setup.extras if name in DEV_NAMES
    ]
    for name in extras:
        take(setup.extras[name], gathered, where=f'extra "{name}"', needed=False)
    if extras or gathered.requirements:
        gathered.origins.append("setup.py, " + ", ".join([f'extra "{name}"' for name in extras] or ["tests_require"]))
    gathered.extras.extend(extras or listed(project, "env_extras"))
    return gathered


def _built(project: Project, tree: Tree, pyproject: Pyproject, *, also: Sequence[str] = ()) -> tuple[str, ...]:
    """Return the folders that are built: those that the project names, then its own."""
    named = [joined(project.root, path) for path in pyproject.folders]
    folders = [folder for folder in (*named, *also) if folder and folder != project.root]
    every = [folder for folder in dict.fromkeys(folders) if backend_name(tree, folder) is not None]
    return (*every[:50], project.root) if backend_name(tree, project.root) is not None else tuple(every[:50])


def _plain(project: Project, tree: Tree, pyproject: Pyproject, python: tuple[int, ...]) -> Sequence[str]:
    """Return what the project itself needs on our Python, as far as it is written down.

    Raises:
        EnvironmentBuildError: one that names an address.
    """
    gathered = Gathered()
    setup = path_in(project.root, "setup.py")
    written = (
        (pyproject.expanded(pyproject.dependencies), pyproject.path),
        (StaticSetup(tree, project.root).dependencies, setup),
    )
    for texts, where in written:
        take([text for text in texts if asked(text, python)], gathered, where=where, needed=True)
    return gathered.requirements
