"""Notes which lines of some files are executed, in each interpreter of a run of tests that is measured.

A line is written when it is executed for the first time, so that no end of a process, however sudden, takes it away.
"""

# Paths are text here: tests may have changed pathlib in this very interpreter.
# ruff: noqa: PTH118, PTH123
from __future__ import annotations

import os
import sys
import threading
import warnings
from collections.abc import Iterator
from types import CodeType, FrameType
from typing import Any

from . import variables

#: Files of the report: what can be executed, and what was.
CODE, HITS = "coverage.code", "coverage.hits"
#: Stands in `CODE` for a file that this interpreter cannot compile.
UNREADABLE = "x"
#: Stands in `HITS` for a tracer of the tests' own, which took the place of ours.
DISTURBED = "!"
#: Modules that set a tracer and put ours back, or set ours.
HARMLESS = frozenset({"threading", "doctest"})
#: Code that is run only by who asks for annotations (PEP 649): its lines are those of the definition.
_LAZY = "__annotate__"
#: Identifiers that `sys.monitoring` leaves to tools without one of their own.
_TOOLS = (4, 3)

# Kept from tests that replace them.
_open, _write, _close, _realpath = os.open, os.write, os.close, os.path.realpath


def start() -> None:
    """Begin, where the run is measured."""
    named, folder = os.environ.get(variables.MEASURED), os.environ.get(variables.FOLDER)
    if not named or not folder:
        return
    tree = os.environ.get(variables.TREE, "")
    files = [_realpath(os.path.join(tree, path)) for path in named.split("\n")]
    _list_code(os.path.join(folder, CODE), files)
    recorder = Recorder(os.path.join(folder, HITS), files)
    if not _monitor(recorder):
        _trace(recorder)


class Recorder:
    """Writes each line once.

    Args:
        file: Where to; all processes of the run add to it.
        files: What is measured, with links resolved.
    """

    def __init__(self, file: str, files: list[str]) -> None:
        self._file = file
        self._wanted = {name: number for number, name in enumerate(files)}
        self._numbers: dict[str, int] = {}
        self._seen: set[tuple[int, int]] = set()

    def number(self, code: CodeType) -> int:
        """Return the number of the file that code comes from; -1 where it is not measured."""
        name = code.co_filename
        found = self._numbers.get(name)
        if found is None:
            found = self._numbers[name] = self._wanted.get(_realpath(name), -1)
        return found

    def note(self, number: int, line: int) -> None:
        """Note a line."""
        if (number, line) not in self._seen:
            self._seen.add((number, line))
            self.say(f"{number} {line}")

    def say(self, text: str) -> None:
        """Add a line to the file."""
        try:
            handle = _open(self._file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        except OSError:
            return
        try:
            _write(handle, (text + "\n").encode("ascii"))
        finally:
            _close(handle)


def _list_code(target: str, files: list[str]) -> None:
    """Write which lines can be executed; the first interpreter of the run does."""
    try:
        handle = _open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError:
        return
    try:
        for number, name in enumerate(files):
            _write(handle, "".join(f"{number} {row}\n" for row in _rows(name)).encode("ascii"))
    finally:
        _close(handle)


def _rows(name: str) -> list[str]:
    """Return the lines of a file that hold code, as they are written."""
    try:
        return [str(line) for line in sorted(_executable(name))]
    except (OSError, SyntaxError, ValueError, RecursionError, MemoryError):
        return [UNREADABLE]


def _executable(name: str) -> set[int]:
    """Return the lines of a file that hold code.

    Raises:
        OSError: it cannot be read.
        SyntaxError: it is no code for this interpreter; ValueError, RecursionError, MemoryError likewise.
    """
    with open(name, "rb") as content, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        codes = [compile(content.read(), name, "exec", 0, True)]
    found: set[int] = set()
    while codes:
        code = codes.pop()
        found.update(_lines(code))
        codes += [one for one in code.co_consts if isinstance(one, CodeType) and one.co_name != _LAZY]
    return found


def _lines(code: CodeType) -> Iterator[int]:
    """Return the lines of one piece of code; one that begins a function belongs to what is around it."""
    if hasattr(code, "co_lines"):
        rows = [line for _, _, line in code.co_lines()]
    else:
        import dis  # noqa: PLC0415 - before Python 3.10 only

        rows = [line for _, line in dis.findlinestarts(code)]
    first = code.co_firstlineno if code.co_name != "<module>" else 0
    return (line for line in rows if line and line != first)


def _monitor(recorder: Recorder) -> bool:
    """Have the interpreter itself tell of lines (PEP 669, from Python 3.12 on), each once; False where it cannot."""
    monitoring: Any = getattr(sys, "monitoring", None)
    free = [tool for tool in _TOOLS if monitoring is not None and monitoring.get_tool(tool) is None]
    if not free:
        return False
    tool, events = free[0], monitoring.events
    monitoring.use_tool_id(tool, "miyabi")

    def begins(code: CodeType, _offset: int) -> Any:
        if recorder.number(code) >= 0:
            monitoring.set_local_events(tool, code, events.LINE)
        return monitoring.DISABLE

    def line(code: CodeType, row: int) -> Any:
        recorder.note(recorder.number(code), row)
        return monitoring.DISABLE

    monitoring.register_callback(tool, events.PY_START, begins)
    monitoring.register_callback(tool, events.LINE, line)
    monitoring.set_events(tool, events.PY_START)
    return True


def _trace(recorder: Recorder) -> None:
    """Trace calls, and lines where the code is measured; a tracer of the tests' own in our place is noted."""

    def lines(frame: FrameType, event: str, _argument: Any) -> Any:
        if event == "line":
            recorder.note(recorder.number(frame.f_code), frame.f_lineno)
        return lines

    def calls(frame: FrameType, _event: str, _argument: Any) -> Any:
        return lines if recorder.number(frame.f_code) >= 0 else None

    def watch(event: str, _arguments: Any) -> None:
        # The frame that sets it; there is no other way to know it.
        if event == "sys.settrace" and sys._getframe(1).f_globals.get("__name__") not in HARMLESS:  # noqa: SLF001
            recorder.say(DISTURBED)

    threading.settrace(calls)
    sys.settrace(calls)
    if hasattr(sys, "addaudithook"):
        sys.addaudithook(watch)
