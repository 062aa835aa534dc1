"""Reads what tox, Hatch and nox would install for tests; runs nothing of them."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping, Sequence
from posixpath import dirname

from miyabi_agents.toolchains.python.manifests.names import TEST_NAMES, normal
from miyabi_agents.toolchains.python.manifests.requirement import Gathered, take
from miyabi_agents.toolchains.python.manifests.requirement_files import read as read_file
from miyabi_agents.toolchains.python.manifests.tree import Tree, ini, joined, strings, table, text_of
from miyabi_core.text import split_lines

#: Environments of tox that are for tests, by a part of the name.
_TOX = ("testenv", "testenv:test", "testenv:tests", "testenv:py", "testenv:py3", "testenv:unit", "testenv:pytest")
#: A factor before a dependency (`dj42: django~=4.2`): one environment among several.
_FACTOR = re.compile(r"^[\w{},!.-]+:\s")
#: Environments of Hatch that are for tests.
_HATCH = ("hatch-test", "test", "tests", "testing", "default")


def path_in(project: str, name: str) -> str:
    """Return the path of a file in a project's folder."""
    return name if project == "." else f"{project}/{name}"


def tox_sections(tree: Tree, project: str) -> Mapping[str, Mapping[str, str]]:
    """Return tox's sections from `tox.ini`, `setup.cfg` or the old form in `pyproject.toml`."""
    sections = tree.ini(path_in(project, "tox.ini"))
    if not sections:
        pyproject = tree.toml(path_in(project, "pyproject.toml"))
        legacy = text_of(table(table(pyproject.get("tool")).get("tox")).get("legacy_tox_ini"))
        sections = ini(legacy) if legacy else {}
    return sections


def tox(tree: Tree, project: str) -> Gathered:
    """Return what tox installs for tests whatever the factors.

    Raises:
        EnvironmentBuildError: a requirements file that it names is refused.
    """
    gathered = Gathered()
    sections = tox_sections(tree, project)
    for name in _TOX:
        section = sections.get(name, {})
        lines = split_lines(section.get("deps", ""))
        extras = re.split(r"[\s,]+", section.get("extras", "").strip())
        groups = re.split(r"[\s,]+", section.get("dependency_groups", "").strip())
        _take(
            tree,
            project,
            [*lines, *(f".[{extra}]" for extra in extras if extra and ":" not in extra)],
            gathered,
            f"tox.ini, [{name}]",
        )
        gathered.groups.extend(group for group in groups if group and ":" not in group)
    native = table(table(table(tree.toml(path_in(project, "pyproject.toml")).get("tool")).get("tox"))) or tree.toml(
        path_in(project, "tox.toml")
    )
    environments = [table(native.get("env_run_base")), *(
        table(value) for name, value in table(native.get("env")).items() if normal(name) in TEST_NAMES
    )]  # fmt: skip
    for environment in environments:
        _take(tree, project, strings_of_list(environment.get("deps")), gathered, "tox")
        gathered.extras.extend(strings(environment.get("extras")))
        gathered.groups.extend(strings(environment.get("dependency_groups")))
    if not gathered.empty:
        gathered.origins.append("tox.ini" if sections else "tox")
        gathered.inputs.append(path_in(project, "tox.ini") if sections else path_in(project, "pyproject.toml"))
    return gathered


def strings_of_list(value: object) -> tuple[str, ...]:
    """Return the strings of a list; text alone counts as its lines."""
    return tuple(split_lines(value)) if isinstance(value, str) else strings(value)


def hatch(tree: Tree, project: str) -> Gathered:
    """Return what Hatch's environments for tests hold."""
    pyproject = table(table(tree.toml(path_in(project, "pyproject.toml")).get("tool")).get("hatch"))
    environments = {**table(pyproject.get("envs")), **table(tree.toml(path_in(project, "hatch.toml")).get("envs"))}
    gathered = Gathered()
    for name in _HATCH:
        environment = table(environments.get(name))
        lines = [*strings(environment.get("dependencies")), *strings(environment.get("extra-dependencies"))]
        before = len(gathered.requirements)
        take(lines, gathered, where=f"Hatch's environment {name}", needed=False)
        gathered.extras.extend(strings(environment.get("features")))
        gathered.groups.extend(strings(environment.get("dependency-groups")))
        if len(gathered.requirements) > before:
            gathered.origins.append(f"Hatch's environment {name}")
    return gathered


def nox(tree: Tree, project: str) -> Gathered:
    """Return what the test sessions of `noxfile.py` install, read from its syntax tree.

    Raises:
        EnvironmentBuildError: a requirements file that it names is refused.
    """
    gathered = Gathered()
    program = tree.module(path_in(project, "noxfile.py"))
    for function in program.body if program else ():
        if not isinstance(function, ast.FunctionDef) or not re.search(r"test|^unit|^check$", function.name):
            continue
        for arguments in _installs(function):
            _take(tree, project, _paired(arguments), gathered, f"noxfile.py, session {function.name}")
    if not gathered.empty:
        gathered.origins.append("noxfile.py")
        gathered.inputs.append(path_in(project, "noxfile.py"))
    return gathered


def _installs(function: ast.FunctionDef) -> Iterator[list[str]]:
    """Return the literal arguments of each `session.install(...)`."""
    for node in ast.walk(function):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "install":
            yield [item.value for item in node.args if isinstance(item, ast.Constant) and isinstance(item.value, str)]


def _paired(arguments: Sequence[str]) -> list[str]:
    """Join options to the values that follow them; leave out those of installers."""
    lines: list[str] = []
    words = iter(arguments)
    for word in words:
        if word in ("-r", "-c", "-e", "--requirement", "--constraint", "--editable"):
            lines.append(f"{word} {next(words, '')}")
        elif not word.startswith("-") or word[:2] in ("-r", "-c", "-e"):
            lines.append(word)
    return lines


def _take(tree: Tree, project: str, lines: Sequence[str], into: Gathered, where: str) -> None:
    """Take over lines of dependencies as tox has them: requirements, files, the project itself."""
    for line in lines:
        text = re.sub(r"\{toxinidir\}/?|\{tox_root\}/?", "", line.split(" #")[0]).strip()
        if not text or text.startswith("#") or _FACTOR.match(text) or "{" in text:
            continue
        option = re.fullmatch(r"(-r|--requirement|-c|--constraint|-e|--editable)[\s=]*(.+)", text)
        if option and option[1] in ("-r", "--requirement"):
            target = joined(project, option[2].strip())
            if target is not None and tree.has(target):
                into.join(read_file(tree, target, project=project))
            continue
        if option and option[1] in ("-c", "--constraint"):
            continue
        text = option[2] if option else text
        own = re.fullmatch(r"\./?(?:\[([\w\s,.-]*)\])?", text)
        if own:
            into.itself = True
            into.extras.extend(name.strip() for name in (own[1] or "").split(",") if name.strip())
        elif dirname(text) == "" or "@" in text:
            take([text], into, where=where, needed=False)
