"""Writes a report: one line a record, each with a code that only the holder of the run's key can make.

The functions of the system are bound when this is imported: tests replace `os`, `time` and `open` at will.
"""

# Paths are text here: tests may have changed pathlib in this very interpreter.
# ruff: noqa: PTH118, PTH123
from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Callable
from hashlib import blake2b
from typing import Any

from . import variables

#: Longest line, in characters: a reader need never hold more at once.
MAX_LINE = 60_000
#: Longest text in a record, in characters: a reason is for a person.
MAX_TEXT = 2_000
#: From this size on texts are left out, so that the end still fits into what the sandbox hands on (64 MiB).
FULL_BYTES = 48 << 20
#: Descriptors of reports lie from here on: tests that close "all" of their own stop earlier.
_FIRST_DESCRIPTOR = 700


def code_of(key: bytes, number: int, text: bytes) -> str:
    """Return what authenticates line *number*: neither forged nor moved lines fit."""
    return blake2b(b"%d %s" % (number, text), key=key, digest_size=10).hexdigest()


def clean(text: object, most: int = MAX_TEXT) -> str:
    """Return text that every reader can take: no lone surrogate, no NUL, at most *most* characters."""
    return str(text)[:most].encode("utf-8", "backslashreplace").decode("utf-8").replace("\0", "\\0")


class Sink:
    """One report, written by one process.

    Args:
        folder: Where reports are put.
        key: The run's key.
        runner: `pytest` or `unittest`; begins the file's name.
    """

    def __init__(self, folder: str, key: bytes, runner: str) -> None:
        self._key = key
        self._number = 0
        self._size = 0
        self._closed = False
        self._process = os.getpid()
        name = f"{runner}-{self._process}-{os.urandom(6).hex()}.jsonl"
        self._path = os.path.join(folder, name)
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        self._descriptor = _out_of_the_way(os.open(self._path, flags, 0o600))
        self._write_bytes = _writer(os.write, os.getpid)

    def write(self, *record: Any) -> None:
        """Append a record; a process that was forked from the runner writes nothing."""
        if self._closed:
            return
        if self._size > FULL_BYTES:
            record = tuple(part[:200] if isinstance(part, str) else part for part in record)
        text = json.dumps(record, separators=(",", ":")).encode("ascii")[:MAX_LINE]
        line = code_of(self._key, self._number, text).encode("ascii") + b" " + text + b"\n"
        if self._write_bytes(self._process, self._descriptor, line):
            self._number += 1
            self._size += len(line)

    def close(self, summary: dict[str, Any]) -> None:
        """Append the end: nothing may follow it."""
        self.write("done", summary)
        self._closed = True


def _writer(write: Callable[[int, bytes], int], getpid: Callable[[], int]) -> Callable[[int, int, bytes], bool]:
    """Return a function that writes all of a line, held by nothing that tests replace."""

    def write_bytes(process: int, descriptor: int, line: bytes) -> bool:
        if getpid() != process:
            return False
        while line:
            line = line[write(descriptor, line) :]
        return True

    return write_bytes


def _out_of_the_way(descriptor: int) -> int:
    """Move a descriptor up, where that is allowed."""
    try:
        moved = fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, _FIRST_DESCRIPTOR)
    except OSError:
        return descriptor
    os.close(descriptor)
    return moved


def claim(runner: str) -> Sink | None:
    """Return the report of this run, once: the first runner that asks gets it, and the key is gone.

    Returns None where there is none to be written, as below a runner that has claimed it.
    """
    key = os.environ.pop(variables.KEY, "")
    folder = os.environ.get(variables.FOLDER, "")
    if not key or not folder:
        return None
    _forget(key.encode())
    try:
        return Sink(folder, bytes.fromhex(key), runner)
    except (OSError, ValueError):
        return None


def _forget(key: bytes) -> None:
    """Take the key out of the memory that `/proc/self/environ` shows (proc(5)); where that cannot be, it stays.

    It is written to as memory: the sandbox lets nobody write to `/proc/self/mem`.
    """
    try:
        import ctypes  # noqa: PLC0415 - some interpreters are built without it

        with open("/proc/self/stat", "rb") as file:
            start, end = map(int, file.read().rpartition(b")")[2].split()[47:49])
        if 0 < start < end:
            at = ctypes.string_at(start, min(end - start, 1 << 20)).find(key)
            if at >= 0:
                ctypes.memset(start + at, ord("x"), len(key))
    except (OSError, ValueError, ImportError, AttributeError):
        return
