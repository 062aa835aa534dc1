"""Puts together the command that runs the tests of some packages, with a target folder of the run's own."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from miyabi_agents.toolchains.port import Environment, Project, TestRun
from miyabi_agents.toolchains.rust.environment import common

#: Our own script that runs test binaries and writes the report.
REPORT = Path(__file__).parent / "report"


def test_run(project: Project, environment: Environment, packages: Sequence[str] | None) -> TestRun:
    """Return the command for some packages, by their folders; None: the whole workspace."""
    keys = dict(key.split("=", 1) for key in environment.recipe.keys if "=" in key)
    cargo, python = keys.get("cargo", "cargo"), keys.get("python", "python3")
    features = keys.get("features", "")
    named = [] if packages is None else list(packages)
    tree = "{tree}" if project.root == "." else f"{{tree}}/{project.root}"
    return TestRun(
        command=[python, "-I", str(REPORT / "run_tests.py"), cargo, "{tree}", tree, features, *named],
        cwd=project.root,
        environment={
            **common(Path(cargo), Path(keys.get("rustc", "rustc"))),
            "CARGO_TARGET_DIR": "{scratch}/target",
            "CARGO_NET_OFFLINE": "true",
            "RUST_BACKTRACE": "0",
        },
        readable=(REPORT, *environment.recipe.readable),
        copies={"target": environment.path / "target"},
        shown=" ".join(["cargo test", *(f"-p {name}" for name in named)])
        + ("" if named else " --workspace")
        + (f" --features {features}" if features else ""),
    )
