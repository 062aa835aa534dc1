"""Begins in each interpreter: hands on to the environment's own `sitecustomize`, guards names, waits for unittest."""

# Paths are text here: tests may have changed pathlib in this very interpreter.
# ruff: noqa: PTH100, PTH109, PTH120
from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec, PathFinder
from importlib.util import module_from_spec
from types import ModuleType

from . import variables

#: Modules that decide verdicts: a file of the checkout must not stand in for them.
RUNNERS = (
    "pytest _pytest pluggy iniconfig exceptiongroup tomli xdist execnet unittest doctest sitecustomize "
    "usercustomize miyabi_report pytest_cov coverage django asgiref sqlparse pytest_asyncio pytest_django "
    "anyio trio hypothesis"
)
#: Where an interpreter does not say what its standard library holds (before 3.10), at least what runners import.
FALLBACK = (
    "abc argparse ast asyncio atexit base64 bdb bisect collections concurrent contextlib copy csv ctypes "
    "dataclasses datetime difflib dis enum errno fnmatch functools getpass glob gettext hashlib heapq "
    "importlib inspect io itertools json keyword linecache locale logging math multiprocessing operator os "
    "pathlib pdb pickle pkgutil platform pprint queue random re runpy shlex shutil signal site socket stat "
    "string struct subprocess sys tempfile textwrap threading time timeit token tokenize traceback types "
    "typing unicodedata urllib uuid warnings weakref xml zipfile zipimport"
)


def start() -> None:
    """Do all of it; each part is for itself."""
    here = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    tree = os.environ.get(variables.TREE, "")
    sys.meta_path.insert(0, Guard(tree))
    if variables.MEASURED in os.environ:
        from . import executed  # noqa: PLC0415 - few runs are measured

        executed.start()
    _next_sitecustomize(here, tree)


class Guard:
    """Finds the runner and the standard library outside the checkout, and tells when unittest comes.

    Args:
        tree: Root of the checkout; empty where nothing is guarded.
    """

    def __init__(self, tree: str) -> None:
        self._tree = os.path.realpath(tree) + os.sep if tree else ""
        own = os.environ.get(variables.OWN_NAMES, "").split(",")
        known = getattr(sys, "stdlib_module_names", None) or FALLBACK.split()
        self._packages = frozenset(os.environ.get(variables.PACKAGES, "").split(","))
        self._guarded = frozenset(known).union(RUNNERS.split()).difference(own, sys.builtin_module_names)

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Answer for guarded names, what is tested, and the module of unittest's suites; None for all others."""
        if name == "unittest.suite":
            return _watched(PathFinder.find_spec(name, path, target))
        if path is not None or not self._tree:
            return None
        if name in self._packages:
            # Editable installs of some build backends would otherwise answer first, with the environment's tree.
            spec = PathFinder.find_spec(name, [entry for entry in sys.path if self._inside(entry)], target)
            return spec if spec is not None and spec.loader is not None else None
        if name not in self._guarded:
            return None
        return PathFinder.find_spec(name, [entry for entry in sys.path if not self._inside(entry)], target)

    def invalidate_caches(self) -> None:
        """Forget nothing: there is nothing that is remembered."""

    def _inside(self, entry: str) -> bool:
        """Tell whether an entry of the path lies in the checkout."""
        return (os.path.realpath(entry or os.getcwd()) + os.sep).startswith(self._tree)


def _watched(spec: ModuleSpec | None) -> ModuleSpec | None:
    """Return unittest's module of suites with our recorder laid over it once it is there."""
    if spec is None or spec.loader is None or variables.KEY not in os.environ:
        return spec
    run = spec.loader.exec_module

    def run_and_watch(module: ModuleType) -> None:
        run(module)
        from . import suites  # noqa: PLC0415 - most interpreters never come here

        suites.watch(module)

    spec.loader.exec_module = run_and_watch  # type: ignore[method-assign]
    return spec


def _next_sitecustomize(here: str, tree: str) -> None:
    """Run the `sitecustomize` that this one stands before: the environment's or the system's, never the checkout's."""
    root = os.path.realpath(tree) + os.sep if tree else "\0"
    rest = [entry for entry in sys.path if entry != here and not (os.path.realpath(entry) + os.sep).startswith(root)]
    spec = PathFinder.find_spec("sitecustomize", rest)
    if spec is not None and spec.loader is not None:
        spec.loader.exec_module(module_from_spec(spec))
