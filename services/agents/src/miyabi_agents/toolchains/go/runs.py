"""Puts together the command that runs the tests of some packages, with a build cache of the run's own."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from miyabi_agents.toolchains.go.environment import CACHE, variables
from miyabi_agents.toolchains.port import Environment, Project, TestRun

#: Our own script that runs `go test` and writes the report.
REPORT = Path(__file__).parent / "report"


def test_run(project: Project, environment: Environment, targets: Sequence[str] | None) -> TestRun:
    """Return the command for some packages, as folders relative to the repository; None: all of the module."""
    keys = dict(key.split("=", 1) for key in environment.recipe.keys if "=" in key)
    go, python = keys.get("go", "go"), keys.get("python", "python3")
    packages = ["./..."] if targets is None else [_package(target, project.root) for target in targets]
    named = project.facts.get("arguments", ())
    arguments = ["-count=1", *(named if isinstance(named, tuple | list) else ())]
    modules = {"GOPROXY": "off", "GOFLAGS": "-mod=vendor" if project.facts.get("vendored") else "-mod=readonly"}
    if project.facts.get("workspace"):
        modules = {"GOPROXY": "off"}
    return TestRun(
        command=[python, "-I", str(REPORT / "run_tests.py"), go, *arguments, "--", *packages],
        cwd=project.root,
        environment={
            **variables(Path(go), project),
            "GOFLAGS": "",
            **modules,
            "GOCACHE": "{scratch}/cache",
            "NO_COLOR": "1",
        },
        readable=(REPORT, *environment.recipe.readable),
        copies={"cache": environment.path / CACHE},
        shown=" ".join(["go test", *arguments, *packages]),
    )


def _package(target: str, root: str) -> str:
    """Return a package as the go command takes it in the module's folder."""
    path = PurePosixPath(target)
    below = path.relative_to(root) if root not in {"", "."} and path.is_relative_to(root) else path
    return "." if str(below) == "." else f"./{below}"
