"""Reads what kind of test an object of unittest is, and what it is called."""

# Paths are text here: tests may have changed pathlib in this very interpreter.
# ruff: noqa: PTH109, PTH113, PTH118
from __future__ import annotations

import os
import re
import sys
from typing import Any

from .names import Names

#: What unittest names its stand-ins for a class or a module whose set-up failed.
_SET_UP = re.compile(r"^(?:setUpClass|tearDownClass|setUpModule|tearDownModule) \((.+)\)$")
#: The files of a traceback, and characters of a message that are looked through.
_FILES = re.compile(r'^ {2,4}File "([^"\n]{1,1000})", line', re.MULTILINE)
_MESSAGE = 50_000
#: Suites within suites that are followed.
_DEPTH = 200


def listed(suite: Any) -> list[Any]:
    """Return the tests of a suite, in order, without running anything."""
    found: list[Any] = []
    waiting = [(suite, 0)]
    while waiting:
        one, depth = waiting.pop()
        if hasattr(one, "countTestCases") and hasattr(one, "id") and not hasattr(one, "__iter__"):
            found.append(one)
        elif hasattr(one, "__iter__") and depth < _DEPTH:
            waiting.extend((inner, depth + 1) for inner in reversed(list(one)))
    return found


def failed_import(test: Any) -> str:
    """Return the file, as far as it is known, of a module that could not be imported or that skips itself.

    Empty where *test* is a test. unittest makes such stand-ins in its loader.
    """
    name = type(test).__name__
    if name not in {"_FailedTest", "ModuleSkipped"} or not type(test).__module__.startswith("unittest"):
        return ""
    module = str(getattr(test, "_testMethodName", ""))
    # A module of a package is named by its last part alone; where it stands, only the loader's message says.
    message = str(getattr(test, "_exception", ""))[-_MESSAGE:]
    ends = tuple(os.sep + module.replace(".", os.sep) + ending for ending in (".py", os.sep + "__init__.py"))
    named = [file for file in _FILES.findall(message) if file.endswith(ends)]
    return named[0] if named else _file_of_module(module)


def _file_of_module(module: str) -> str:
    """Return where a module would be: looked for on the path, as it cannot be imported."""
    parts = module.split(".")
    for cut in range(len(parts), 0, -1):
        for entry in sys.path:
            place = os.path.join(entry or os.getcwd(), *parts[:cut])
            for file in (place + ".py", os.path.join(place, "__init__.py")):
                if os.path.isfile(file):
                    return file
    return "/".join(parts) + ".py"


def broken_set_up(test: Any) -> str:
    """Return the class or module whose set-up failed, where *test* stands for one; empty else."""
    found = _SET_UP.match(str(test.id())) if type(test).__name__ == "_ErrorHolder" else None
    return found[1] if found else ""


def identity_of(test: Any, names: Names) -> str:
    """Return `tests/test_x.py::Class::method`, or for a doctest `file::name`."""
    doctest = getattr(test, "_dt_test", None)
    if doctest is not None:
        file = str(getattr(doctest, "filename", None) or "?")
        return f"{names.file(file)}::{doctest.name}"
    kind = type(test)
    module = sys.modules.get(kind.__module__)
    file = getattr(module, "__file__", None) or kind.__module__.replace(".", "/") + ".py"
    method = getattr(test, "_testMethodName", None) or str(test.id()).rpartition(".")[2]
    return "::".join((names.file(file), *kind.__qualname__.split("."), str(method)))
