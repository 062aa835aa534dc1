"""Base's configuration of analysers decides; a change that edits one is told so by a finding."""

from __future__ import annotations

from pathlib import PurePosixPath

from miyabi_agents.analysers.base import MEDIUM, RawFinding
from miyabi_core.text import split_lines

#: Points for an edit of what decides what analysers say.
POINTS = 10
#: Names of files that configure an analyser and nothing else.
NAMES = frozenset({
    "ruff.toml", ".ruff.toml", "mypy.ini", ".mypy.ini", ".flake8", ".pylintrc", "pylintrc", ".bandit", "bandit.yaml",
    ".secrets.baseline", "pyrightconfig.json", ".eslintrc", ".eslintrc.js", ".eslintrc.cjs", ".eslintrc.json",
    ".eslintrc.yml", ".eslintrc.yaml", "eslint.config.js", "eslint.config.mjs", "eslint.config.cjs", "eslint.config.ts",
    ".eslintignore", "biome.json", "biome.jsonc", ".golangci.yml", ".golangci.yaml", ".golangci.toml", "clippy.toml",
    ".clippy.toml", "sgconfig.yml", ".semgrepignore",
})  # fmt: skip
#: Files that hold such a part among others, with what begins it.
SECTIONS = {
    "pyproject.toml": (b"[tool.ruff", b"[tool.mypy", b"[tool.bandit", b"[tool.pylint", b"[tool.pyright"),
    "setup.cfg": (b"[mypy", b"[flake8", b"[pylint", b"[bandit"),
    "tox.ini": (b"[flake8", b"[pylint", b"[bandit"),
    "package.json": (b'"eslintConfig"', b'"eslintIgnore"'),
}


def is_configuration(path: str) -> bool:
    """Tell whether a file configures an analyser, alone or among other things."""
    name = PurePosixPath(path).name
    return name in NAMES or name in SECTIONS


def find(path: str, before: bytes | None, after: bytes | None) -> list[RawFinding]:
    """Return a finding where a change edits what decides what analysers say."""
    name = PurePosixPath(path).name
    if name in NAMES or (name in SECTIONS and _parts(name, before) != _parts(name, after)):
        message = "the change edits what decides what analysers say; base's own was used"
        return [RawFinding("configuration", path, 0, MEDIUM, POINTS, message)]
    return []


def _parts(name: str, content: bytes | None) -> list[bytes]:
    """Return the lines of the parts that concern analysers."""
    kept, inside = [], False
    for line in split_lines(content or b""):
        begins = line.lstrip()
        if name == "package.json":
            inside = inside or begins.startswith(SECTIONS[name])
        elif begins.startswith(b"["):
            inside = begins.startswith(SECTIONS[name])
        if inside:
            kept.append(line.rstrip())
    return kept
