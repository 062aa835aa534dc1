"""Which tests are run for a change: its own, and the neighbourhood of what it touches; never a whole large suite."""

from __future__ import annotations

import re
from functools import cache
from pathlib import PurePosixPath

from miyabi.coordinator.v1.result_pb2 import ChangeSet
from miyabi_agents.verification.config import TestConfig


def is_test(path: str) -> bool:
    """Tell whether a path is a test by the usual names."""
    parts = PurePosixPath(path).parts
    name = parts[-1]
    in_folder = any(part in {"tests", "test", "__tests__"} for part in parts[:-1])
    return (
        in_folder
        or name.startswith("test_")
        or name in {"tests.py", "test.py"}
        or re.search(r"[._]test\.\w+$", name) is not None
    )


@cache
def glob(pattern: str) -> re.Pattern[str]:
    """Translate a glob: `**/` any folders, `**` anything, `*` and `?` within one folder."""
    tokens = {"**/": "(?:[^/]+/)*", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    pieces = re.split(r"(\*\*/|\*\*|\*|\?)", pattern)
    return re.compile("".join(tokens.get(piece, re.escape(piece)) for piece in pieces))


def label_of(path: str, config: TestConfig) -> str:
    """Return what the test command calls a test file: a dotted module, or for pytest the path."""
    relative = PurePosixPath(path)
    if config.format == "pytest":
        return str(relative)
    root = PurePosixPath("tests") if config.format == "django" else PurePosixPath(config.cwd)
    if relative.is_relative_to(root) and str(root) != ".":
        relative = relative.relative_to(root)
    parts = relative.with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def test_files(change: ChangeSet) -> list[str]:
    """Return the tests that a change adds or edits, as paths."""
    return [file.path for file in change.files if not file.deleted and is_test(file.path)]


def choose(change: ChangeSet, config: TestConfig) -> list[str]:
    """Return the targets for a change, sorted, without those that lie within another."""
    own = {
        label_of(path, config)
        for path in test_files(change)
        if path.endswith(".py") and (config.format == "pytest" or not _is_support(path))
    }
    near = {
        target
        for rule in config.targets
        for file in change.files
        if not is_test(file.path) and glob(rule.source).fullmatch(file.path)
        for target in rule.tests
    }
    separator = "/" if config.format == "pytest" else "."
    every = own | near
    return sorted(target for target in every if not any(target.startswith(f"{other}{separator}") for other in every))


def _is_support(path: str) -> bool:
    """Tell whether a file beside tests holds none itself."""
    return PurePosixPath(path).name in {"__init__.py", "conftest.py", "models.py", "urls.py", "settings.py"}
