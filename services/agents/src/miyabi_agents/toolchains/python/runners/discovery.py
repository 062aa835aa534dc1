"""Tells which files are tests, which stand beside tests, and which decide how tests are run."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from posixpath import basename, dirname

from miyabi_agents.toolchains import toml
from miyabi_agents.toolchains.port import BaseFiles
from miyabi_agents.toolchains.python.layout.pytest_options import PytestOptions
from miyabi_agents.toolchains.python.layout.pytest_options import read as read_options
from miyabi_agents.toolchains.python.manifests.tree import Tree, ini, matches, table, within

#: What unittest and Django look for, beside pytest's own patterns.
UNITTEST_FILES = ("test*.py", "tests.py", "*_tests.py", "*_test.py")
#: Folders that pytest does not go into where nothing else is configured (its reference, `norecursedirs`).
NOT_ENTERED = ("*.egg", ".*", "_darcs", "build", "CVS", "dist", "node_modules", "venv", "{arch}")
#: What folders of tests are called.
TEST_FOLDERS = frozenset({"tests", "test", "testing", "unit_tests", "integration_tests", "testsuite", "__tests__"})
#: Code that makes a file one of tests, whatever its name.
_HOLDS_TESTS = re.compile(
    rb"^[ \t]*(?:async[ \t]+)?def[ \t]+test|^[ \t]*class[ \t]+Test\w*\b|^[ \t]*class[ \t]+\w+\([^\n)]{0,300}TestCase"
    rb"|^def[ \t]+load_tests\b|^[ \t]*[Tt]est\w*[ \t]*=",
    re.MULTILINE,
)
#: Files that decide how tests are found, run or judged.
HARNESS = frozenset({
    "conftest.py", "pytest.ini", ".pytest.ini", "pytest.toml", ".pytest.toml", "tox.ini", "tox.toml",
    "setup.cfg", "noxfile.py", ".coveragerc", "sitecustomize.py", "usercustomize.py", "runtests.py",
    ".miyabi.yaml",
})  # fmt: skip
#: Packages at the root that would stand in for the runner; modules there: these and the standard library.
_RUNNERS = frozenset({
    "pytest", "_pytest", "unittest", "pluggy", "iniconfig", "doctest", "xdist", "execnet", "pytest_cov",
    "miyabi_report",
})  # fmt: skip
#: Tables of `pyproject.toml` (below `tool`) and sections of `setup.cfg` that a runner reads.
_TABLES = ("pytest", "coverage", "tox", "nox", "django")
_SECTIONS = ("tool:pytest", "pytest", "coverage", "aliases", "tox", "testenv", "nosetests", "options.entry_points")


class Rules:
    """The rules of one commit, read once.

    Args:
        base: Its files; data of strangers.
    """

    def __init__(self, base: BaseFiles) -> None:
        self._base = base
        self._tree = Tree(base)
        self._options: dict[str, PytestOptions] = {}
        self._folders: frozenset[str] | None = None

    def is_test(self, path: str, content: bytes | None = None) -> bool:
        """Tell whether a file holds tests: by name as its runner looks, and by what it holds where that is known."""
        if not path.endswith(".py") or basename(path) in ("conftest.py", "__init__.py"):
            return False
        options = self._of(dirname(path) or ".")
        by_pytest, by_unittest = self._named(path, options), _any(basename(path), UNITTEST_FILES)
        if not (by_pytest or by_unittest) or _is_left_out(path, options):
            return False
        content = content if content is not None else self._base.read(path)
        if content is None:
            return by_pytest
        # What nearly all of them hold is found far sooner than by the pattern.
        holds = b"\ndef test" in content or b" def test" in content or _HOLDS_TESTS.search(content) is not None
        return holds and (by_pytest or b"TestCase" in content)

    def is_support(self, path: str) -> bool:
        """Tell whether a file stands beside tests: below a folder of tests that does hold some, or as a snapshot."""
        if self.is_test(path):
            return False
        if basename(path) == "conftest.py":
            return True
        if "__snapshots__" in dirname(path).split("/"):
            return True
        folder = _test_folder(path)
        while folder is not None and folder not in self._used():
            # Data may lie in a folder that is called as those of tests are, and holds none.
            folder = _test_folder(folder)
        return folder is not None

    def _used(self) -> frozenset[str]:
        """Return the folders of tests that hold tests, by their names and contents."""
        if self._folders is None:
            named = (path for path in self._tree.paths if path.endswith(".py") and _test_folder(path) is not None)
            self._folders = frozenset(folder for path in named if (folder := _test_folder(path)) and self.is_test(path))
        return self._folders

    def _of(self, folder: str) -> PytestOptions:
        """Return the configuration for a folder."""
        if folder not in self._options:
            # Only folders that exist can hold a configuration; the nearest one counts.
            self._options[folder] = read_options(self._tree, folder)
        return self._options[folder]

    def _named(self, path: str, options: PytestOptions) -> bool:
        """Tell whether pytest takes a file by its patterns: with a slash they are for the end of the path."""
        for pattern in options.python_files:
            if "/" not in pattern and matches(basename(path), pattern):
                return True
            if "/" in pattern and (matches(path, pattern) or matches(path, f"*/{pattern}")):
                return True
        return False


def is_test(path: str, base: BaseFiles) -> bool:
    """Tell whether a file holds tests, by the runner's own rules of names and by the project's configuration."""
    return Rules(base).is_test(path)


def is_support(path: str, base: BaseFiles) -> bool:
    """Tell whether a file stands beside tests to help them: a helper, a fixture, data, a package's `__init__.py`."""
    return Rules(base).is_support(path)


def _any(name: str, patterns: tuple[str, ...]) -> bool:
    return any(matches(name, pattern) for pattern in patterns)


def _is_left_out(path: str, options: PytestOptions) -> bool:
    """Tell whether a file lies in a folder that is not entered; patterns are for each folder's name."""
    patterns = tuple(options.listed("norecursedirs")) or NOT_ENTERED
    named = any(within(folder, path) and folder not in (".", "") for folder in options.listed("testpaths"))
    return not named and any(_any(part, patterns) for part in dirname(path).split("/") if part)


def _test_folder(path: str) -> str | None:
    """Return the nearest folder above a file that is called as folders of tests are; None where there is none."""
    folder = dirname(path)
    while folder:
        if basename(folder) in TEST_FOLDERS:
            return folder
        folder = dirname(folder)
    return None


def is_harness(path: str) -> bool:
    """Tell whether a file decides how tests are found, run or judged.

    Beside the known files: what starts with the interpreter (`*.pth`), and at the root what would stand in for
    the runner or the standard library.
    """
    name = basename(path)
    if name in HARNESS or name.endswith(".pth"):
        return True
    if "/" not in path:
        return name.endswith(".py") and name[:-3] in _RUNNERS | (sys.stdlib_module_names - {"test"})
    return path.partition("/")[0] in _RUNNERS and name == "__init__.py" and path.count("/") == 1


def harness_changed(path: str, before: bytes | None, after: bytes | None) -> bool:
    """Tell whether a change of a file changes how tests are run: of manifests only the runners' parts count."""
    name = basename(path)
    if before == after:
        return False
    if name == "pyproject.toml":
        return _tables(before) != _tables(after)
    if name == "setup.cfg":
        return _sections(before) != _sections(after)
    return is_harness(path)


def _tables(content: bytes | None) -> object:
    """Return the runners' tables of a `pyproject.toml`; the content itself where it cannot be read."""
    try:
        tool = table(toml.loads((content or b"").decode("utf-8", "strict")).get("tool"))
    except (ValueError, RecursionError):
        return content
    hatch = table(table(tool.get("hatch")).get("envs"))
    return {**{name: tool.get(name) for name in _TABLES}, "hatch": dict(hatch)}


def _sections(content: bytes | None) -> Mapping[str, Mapping[str, str]]:
    """Return the runners' sections of a `setup.cfg`."""
    found = ini((content or b"").decode("utf-8", "replace"))
    return {name: values for name, values in found.items() if name.startswith(_SECTIONS)}
