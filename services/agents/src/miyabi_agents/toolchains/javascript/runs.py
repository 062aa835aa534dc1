"""Puts together the command that runs a project's tests with the runner's own machine-readable report."""

from __future__ import annotations

import json
import shlex
from collections.abc import Sequence
from pathlib import Path

from miyabi_agents.toolchains.javascript.manifest import join, relative
from miyabi_agents.toolchains.port import Environment, Project, Recipe, TestRun

#: Our own reporters and the script that starts runners; plain JavaScript without dependencies.
REPORT = Path(__file__).parent / "report"


def test_run(project: Project, environment: Environment, targets: Sequence[str] | None) -> TestRun:
    """Return the command for some test files, relative to the repository; None: the whole suite."""
    node, npm = programs(environment.recipe)
    files = None if targets is None else [own for path in targets if (own := relative(path, project.root)) is not None]
    asked = {
        "runner": project.runner,
        "node": _list(project, "node"),
        "arguments": _list(project, "arguments"),
        "globs": _list(project, "globs"),
        "files": files,
    }
    build = _list(project, "build")
    before = (
        [[*npm, "--prefix", "{tree}" if build[0] == "." else f"{{tree}}/{build[0]}", "run", build[1]]] if build else []
    )
    return TestRun(
        command=[node, str(REPORT / "run.cjs"), json.dumps(asked)],
        cwd=project.root,
        environment=_environment(project, node),
        before=before,
        readable=(REPORT, *environment.recipe.readable),
        shown=shown(project, files),
    )


def shown(project: Project, files: Sequence[str] | None) -> str:
    """Return what a person would type in the project's folder."""
    program = {"node": "node --test", "vitest": "vitest run", "tap": "npm test"}.get(project.runner, project.runner)
    words = [*_list(project, "arguments"), *(_list(project, "globs") if files is None else files)]
    return " ".join([program, *map(shlex.quote, words if project.runner != "tap" else [])])


def programs(recipe: Recipe) -> tuple[str, list[str]]:
    """Return node and the words that start npm, as the recipe's keys name them."""
    keys = dict(key.split("=", 1) for key in recipe.keys if "=" in key)
    return keys.get("node", "node"), keys.get("npm", "npm").split(" ")


def _environment(project: Project, node: str) -> dict[str, str]:
    """Return the variables of a run: the script's own, without colours, as on a build server."""
    own = dict(pair.split("=", 1) for pair in _list(project, "environment"))
    modules = join(project.root, "node_modules/.bin")
    path = f"{Path(node).parent}:{{tree}}/{modules}:{{env}}/pm/node_modules/.bin:/usr/local/bin:/usr/bin:/bin"
    return {
        **own,
        "PATH": path,
        "CI": "1",
        "NO_COLOR": "1",
        "FORCE_COLOR": "0",
        "NODE_DISABLE_COLORS": "1",
        "npm_config_update_notifier": "false",
        "npm_config_cache": "{scratch}/npm",
        "TZ": own.get("TZ", "UTC"),
    }


def _list(project: Project, key: str) -> list[str]:
    """Return a fact that is a list."""
    value = project.facts.get(key, ())
    return [value] if isinstance(value, str) else [str(word) for word in value] if isinstance(value, Sequence) else []
