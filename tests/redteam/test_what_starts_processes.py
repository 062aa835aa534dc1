"""Walks the agents' code: nothing in it starts a process but our own git, our own worker and the sandbox's launcher."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

_SOURCE = Path(__file__).parents[2] / "services/agents/src/miyabi_agents"
#: What may start a process, and what it starts.
ALLOWED = {
    "workspace/git.py": "git, with a configuration of ours alone",
    "workspace/commit_files.py": "git, which reads objects and runs nothing of a repository",
    "workspace/objects/attributes.py": "git, which reads attributes from an index and runs nothing of a repository",
    "localisation/locator.py": "a worker of ours, which reads files of a repository and runs none",
    "sandbox": "the launcher, and what it confines",
}
#: Scripts that run inside the sandbox: what they start, a repository's test runner for one, is confined too.
INSIDE = (
    "toolchains/python/recipes/frontend.py",
    "analysers/audit/fetch_advisories.py",
    "toolchains/go/report/",
    "toolchains/rust/report/",
    "toolchains/javascript/report/",
    "toolchains/python/runners/report/",
)
#: Modules whose business is processes, whatever is called on them.
_MODULES = {
    "subprocess",
    "multiprocessing",
    "concurrent.futures",
    "pty",
    "sh",
    "pexpect",
    "runpy",
    "_posixsubprocess",
    "ctypes",
}
#: Functions of other modules that start one, or that load code that could.
_FUNCTIONS = {
    "create_subprocess_exec", "create_subprocess_shell", "subprocess_exec", "subprocess_shell", "system", "popen", "startfile",
    "fork", "forkpty", "posix_spawn", "posix_spawnp", "ProcessPoolExecutor", "run_in_executor_process",
    *(f"{word}{ending}" for word in ("exec", "spawn") for ending in ("l", "le", "lp", "lpe", "v", "ve", "vp", "vpe")),
}  # fmt: skip
#: What runs text as code within the agent's own process.
_EVALUATES = {"eval", "exec", "compile", "__import__", "execfile"}


def _modules() -> Iterator[tuple[str, ast.Module]]:
    """Yield every module of the agents by its path, with its syntax tree."""
    for path in sorted(_SOURCE.rglob("*.py")):
        name = path.relative_to(_SOURCE).as_posix()
        if not name.startswith(INSIDE):
            yield name, ast.parse(path.read_bytes())


def _starts(tree: ast.Module) -> set[str]:
    """Return the names with which a module could start a process."""
    found: set[str] = set()
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=names):
                found |= {alias.name for alias in names if _is_of(alias.name)}
            case ast.ImportFrom(module=module, names=names) if module:
                found |= {module} if _is_of(module) else set()
                found |= {alias.name for alias in names if alias.name in _FUNCTIONS or _is_of(f"{module}.{alias.name}")}
            case ast.Attribute(value=owner, attr=name) if name in _FUNCTIONS and ast.unparse(owner) != "platform":
                found.add(name)
    return found


def _is_of(module: str) -> bool:
    """Tell whether a module is one of those whose business is processes, or lies below one."""
    return any(module == known or module.startswith(f"{known}.") for known in _MODULES)


def _calls(tree: ast.Module) -> Iterator[ast.Call]:
    """Yield every call of a module."""
    return (node for node in ast.walk(tree) if isinstance(node, ast.Call))


def test_only_git_the_worker_and_the_launcher_start_processes() -> None:
    """Whatever a repository influences is run through the sandbox, since nothing else can run anything."""
    starting = {name for name, tree in _modules() if _starts(tree)}
    allowed = {name for name in starting if name in ALLOWED or name.split("/")[0] in ALLOWED}
    assert starting == allowed
    assert {name for name in ALLOWED if name.endswith(".py")} <= starting


def test_nothing_goes_through_a_shell() -> None:
    """No command is a text that something has to take apart."""
    for name, tree in _modules():
        for call in _calls(tree):
            assert not any(keyword.arg == "shell" for keyword in call.keywords), name
            words = [node.value for node in ast.walk(call) if isinstance(node, ast.Constant)]
            through = "-c" in words and {"sh", "bash", "/bin/sh", "/bin/bash"} & {str(word) for word in words}
            # The probe asks the sandbox itself whether it holds, with one line of ours.
            assert not through or name == "sandbox/probe.py", name


def test_no_text_is_run_as_code() -> None:
    """Neither does the agent's own process evaluate anything, nor load a module by a computed name."""
    for name, tree in _modules():
        for call in _calls(tree):
            called = call.func.id if isinstance(call.func, ast.Name) else ""
            assert called not in _EVALUATES, f"{name}:{call.lineno}"
            loads = call.func.attr if isinstance(call.func, ast.Attribute) else ""
            assert loads not in {"import_module", "exec_module", "run_path"}, f"{name}:{call.lineno}"


@pytest.mark.parametrize(
    "code",
    [
        "import subprocess",
        "from subprocess import run",
        "import asyncio\nasync def f(): await asyncio.create_subprocess_exec('x')",
        "from asyncio.subprocess import create_subprocess_exec",
        "import os\nos.system('x')",
        "from os import execv",
        "import multiprocessing.pool",
        "from concurrent.futures import ProcessPoolExecutor",
        "import os\nstart = os.posix_spawn",
    ],
)
def test_each_way_is_seen(code: str) -> None:
    """The walk sees what it is for."""
    assert _starts(ast.parse(code))
