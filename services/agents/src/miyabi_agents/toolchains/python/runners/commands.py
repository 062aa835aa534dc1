"""Says how the tests of a Python project are run, so that what runs them reports to us and imports the checkout."""

from __future__ import annotations

import os
import secrets
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from posixpath import dirname, join, normpath, relpath
from shlex import join as shown_as

from miyabi_agents.toolchains.port import Environment, Project, TestRun
from miyabi_agents.toolchains.python.runners.report.miyabi_report import variables
from miyabi_agents.toolchains.python.runners.report.miyabi_report.boot import RUNNERS

#: Folder that is put on the path of whatever runs tests.
REPORT_FOLDER = Path(__file__).parent / "report"
#: The environment's interpreter, and the folder of its programs.
PYTHON, PROGRAMS = "{env}/venv/bin/python", "{env}/venv/bin"
#: Packages at a root of imports that are not what is tested.
NOT_TESTED = frozenset({
    "tests", "test", "testing", "docs", "doc", "examples", "example", "benchmarks", "benchmark", "scripts",
    "tools", "setup", "conftest", "noxfile", "tasks", "fabfile", "manage", "ci", "build", "dist", "versioneer",
})  # fmt: skip
#: Folder that labels of Django's own tests are relative to.
TESTS = "tests"
#: Names that nobody needs to guard: folders of tests are called so.
NEVER_GUARDED = frozenset({"test", "tests"})
#: Entries of a folder that are looked at.
_MAX_ENTRIES = 5_000


def test_run(project: Project, environment: Environment, targets: Sequence[str] | None) -> TestRun:
    """Return the command for some files of tests; None: the whole suite.

    Args:
        project: Facts that are looked at, each of which may be missing: `roots` of imports, `manage` and `runtests`
            (from the repository's root), `settings` of Django, `tests` (folders), `packages`; of the operator
            `config_command`, `cwd` and `format`.
        environment: Its interpreter is `{env}/venv/bin/python`.
        targets: Paths from the repository's root.
    """
    cwd = normpath(_text(project, "cwd") or project.root)
    own = _list(project, "config_command")
    command = _configured(project, own, cwd, targets) if own else _recognised(project, environment, cwd, targets)
    return TestRun(
        command=command,
        cwd=cwd,
        environment=_environment(project, environment, cwd, targets, ours=not own),
        readable=(REPORT_FOLDER,),
        shown=shown_as([part.replace(PYTHON, "python") for part in command]).replace("python -m pytest", "pytest"),
    )


def _text(project: Project, name: str) -> str:
    """Return a fact that is text; empty where it is none."""
    value = project.facts.get(name)
    return value if isinstance(value, str) else ""


def _list(project: Project, name: str) -> list[str]:
    """Return a fact that is a list of texts; a text counts as one."""
    value = project.facts.get(name)
    if isinstance(value, str):
        return [value] if value else []
    return [str(part) for part in value] if isinstance(value, Sequence) else []


def _from(cwd: str, path: str) -> str:
    """Return a path from the folder that the command runs in, so that no program takes it for an option or a list."""
    found = relpath(path, cwd) if path else ""
    return f"./{found}" if found.startswith(("-", "@")) else found


def _configured(project: Project, own: Sequence[str], cwd: str, targets: Sequence[str] | None) -> list[str]:
    """Return the operator's own command: `{targets}` becomes one argument a target."""
    found: list[str] = []
    for part in own:
        if part == "{targets}":
            found += [_label(project, cwd, target) for target in targets or ()]
        else:
            found.append(part.replace("{python}", PYTHON))
    return found


def _label(project: Project, cwd: str, target: str) -> str:
    """Return what an operator's command calls a target: a file as a module for unittest and Django, else as it is."""
    if _is_configured(project, target):
        return target
    runner = _text(project, "format") or project.runner
    if runner not in {"unittest", "django"} or not target.endswith(".py"):
        return _from(cwd, target)
    home = cwd
    if runner == "django":
        home = dirname(_text(project, "runtests")) or (TESTS if target.startswith(f"{TESTS}/") else cwd)
    return _dotted(relpath(target, home))


def _module(project: Project, home: str, target: str) -> str:
    """Return what unittest's or Django's own programs call a target: a file as a module, seen from a folder."""
    return target if _is_configured(project, target) else _dotted(_from(home, target))


def _is_configured(project: Project, target: str) -> bool:
    """Tell whether the repository's file names a target, which is then given as it is written there."""
    return target in _list(project, "config_targets")


def _recognised(project: Project, environment: Environment, cwd: str, targets: Sequence[str] | None) -> list[str]:
    """Return the command of the recognised runner."""
    runner = _text(project, "format") or project.runner
    if runner == "django":
        return _django(project, cwd, targets)
    if runner != "unittest":
        return [PYTHON, "-m", "pytest", *(_label(project, cwd, target) for target in targets or ())]
    if targets is not None:
        return [PYTHON, "-m", "unittest", "-v", *(_module(project, cwd, target) for target in targets)]
    start = _from(cwd, next(iter(_list(project, "tests")), "")) or _usual_folder(environment.tree / cwd)
    top = ["-t", "."] if (environment.tree / cwd / start / "__init__.py").is_file() else []
    return [PYTHON, "-m", "unittest", "discover", "-v", "-s", start, "-p", "*test*.py", *top]


def _usual_folder(folder: Path) -> str:
    """Return the folder of tests that a project has by custom."""
    return next((name for name in ("tests", "test") if (folder / name).is_dir()), ".")


def _dotted(path: str) -> str:
    """Return a file's module, as unittest and Django name it."""
    module = path.removeprefix("./").removesuffix(".py").replace("/", ".")
    return module.removesuffix(".__init__")


def _django(project: Project, cwd: str, targets: Sequence[str] | None) -> list[str]:
    """Return the command of Django's runner: Django's own `runtests.py`, `manage.py test`, or `django test`."""
    manage, runtests = _text(project, "manage"), _text(project, "runtests")
    program: list[str] = [PYTHON, "-m", "django", "test", "--noinput"]
    home = cwd
    if runtests and ("django" in _list(project, "packages") or not (manage or _text(project, "settings"))):
        program, home = [PYTHON, _from(cwd, runtests)], dirname(runtests) or "."
    elif manage:
        program, home = [PYTHON, _from(cwd, manage), "test", "--noinput"], dirname(manage) or "."
    # A label is a module, as the program's own folder sees it.
    return [*program, *(_module(project, home, target) for target in targets or ())]


def _environment(
    project: Project, environment: Environment, cwd: str, targets: Sequence[str] | None, *, ours: bool
) -> Mapping[str, str]:
    """Return the variables: where to report, what to import from, what stands still."""
    roots = _roots(project, environment, cwd, targets)
    found = {
        variables.KEY: secrets.token_hex(16),
        variables.TREE: "{tree}",
        variables.ENVIRONMENT: "{env}",
        variables.SECONDS: "{seconds}",
        variables.PACKAGES: ",".join(_packages(project, environment, roots)),
        variables.OWN_NAMES: ",".join(_own_names(environment, roots)),
        "PATH": f"{PROGRAMS}:/usr/local/bin:/usr/bin:/bin",
        "VIRTUAL_ENV": "{env}/venv",
        "PYTHONPATH": ":".join([str(REPORT_FOLDER), *(normpath(join("{tree}", root)) for root in roots)]),
        # Sets have one order, so that names of tests made from them are the same twice.
        "PYTHONHASHSEED": "0",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONNOUSERSITE": "1",
        **variables.PYTEST,
        variables.SCRATCH: "{scratch}",
        "COVERAGE_FILE": "{scratch}/.coverage",
    }
    if targets is None:
        found[variables.WHOLE] = "1"
    if ours:
        found[variables.OURS] = "1"
    settings = _text(project, "settings")
    return {**found, "DJANGO_SETTINGS_MODULE": settings} if settings else found


def _roots(project: Project, environment: Environment, cwd: str, targets: Sequence[str] | None) -> list[str]:
    """Return the folders that modules are imported from, relative to the repository, first come first served.

    The repository's root and the folder that the command runs in are last: suites rely on what `python -m` puts there.
    Folders of tests that are no packages follow, where unittest would put them.
    """
    roots = [*_list(project, "roots"), project.root, cwd]
    if (_text(project, "format") or project.runner) == "unittest":
        folders = {dirname(target) or "." for target in targets or ()}
        roots += sorted(folder for folder in folders if not (environment.tree / folder / "__init__.py").is_file())
    return list(dict.fromkeys(normpath(root) for root in roots))


def _entries(folder: Path) -> list[str]:
    """Return the importable names in a folder of base's checkout."""
    found: list[str] = []
    with suppress(OSError), os.scandir(folder) as entries:
        for _, entry in zip(range(_MAX_ENTRIES), entries, strict=False):
            path = folder / entry.name
            if path.suffix == ".py" or (not path.suffix and (path / "__init__.py").is_file()):
                found.append(path.stem)
    return sorted(found)


def _packages(project: Project, environment: Environment, roots: Sequence[str]) -> list[str]:
    """Return what is tested, by top-level names: it must come from the checkout."""
    found = _list(project, "packages")
    if not found:
        found = [name for root in roots for name in _entries(environment.tree / root)]
    usual = sys.stdlib_module_names | NOT_TESTED
    return sorted({name for name in found if name.isidentifier() and name not in usual})[:200]


def _own_names(environment: Environment, roots: Sequence[str]) -> list[str]:
    """Return the names that the project itself shares with a runner or the standard library."""
    known = sys.stdlib_module_names | set(RUNNERS.split())
    mine = {name for root in roots for name in _entries(environment.tree / root)}
    return sorted((known & mine) | NEVER_GUARDED)
