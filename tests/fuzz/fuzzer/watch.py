"""Runs one parser on one input at a time: bounded in time, with what it raised and how long it took."""

from __future__ import annotations

import mmap
import signal
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import FrameType

from fuzzer.registry import Target

#: Longest input: what fits is where parsers have been slow, and more would only make the search slower.
MAX_BYTES = 1 << 16
#: Processor time that one input may take; honest ones take some milliseconds.
MAX_SECONDS = 5.0
#: Slowest inputs that are remembered, for the test of growth.
SLOWEST = 5
#: Frames of a fault that tell it from others.
_FRAMES = 2


class _TooSlowError(BaseException):
    """An input took its time; no target may catch this."""


@dataclass
class Watch:
    """What became of every input of a target."""

    target: Target
    inputs: int = 0
    seconds: float = 0.0  #: processor time, of the parser alone
    #: The slowest inputs, slowest first.
    slowest: list[tuple[float, bytes]] = field(default_factory=list)
    #: The shortest input for each fault, by what tells faults apart.
    faults: dict[str, bytes] = field(default_factory=dict)
    #: Where the input that is being run stands, its length first, for whoever has to kill us.
    current: mmap.mmap | None = None

    def run(self, data: bytes) -> bool:
        """Run the target on an input, cut to the longest; returns whether it was new in being slow or wrong."""
        data = data[:MAX_BYTES]
        if self.current is not None:
            self.current[: len(data) + 4] = len(data).to_bytes(4, "big") + data
        before = time.process_time()
        fault = _fault(self.target, data)
        took = time.process_time() - before
        self.inputs += 1
        self.seconds += took
        return self._is_slow(took, data) | self._is_wrong(fault, data)

    def _is_slow(self, took: float, data: bytes) -> bool:
        """Remember an input among the slowest."""
        if len(self.slowest) == SLOWEST and took <= self.slowest[-1][0]:
            return False
        self.slowest = sorted([*self.slowest, (took, data)], reverse=True)[:SLOWEST]
        return True

    def _is_wrong(self, fault: str, data: bytes) -> bool:
        """Remember the shortest input of a fault."""
        if not fault or len(self.faults.get(fault, data + b"x")) <= len(data):
            return False
        self.faults[fault] = data
        return True


def _fault(target: Target, data: bytes) -> str:
    """Return what an input raised, and where; empty where it raised nothing."""
    try:
        with _limited():
            target.run(data)
    except _TooSlowError as error:
        return f"took more than {MAX_SECONDS:g} s: {_place(error)}"
    except Exception as error:  # noqa: BLE001 - a fault is any of them
        return f"{type(error).__name__}: {_place(error)}"
    return ""


def _place(error: BaseException) -> str:
    """Return the innermost places of a traceback."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename != __file__]
    return " < ".join(f"{frame.filename.rpartition('/')[2]}:{frame.lineno}" for frame in frames[: -_FRAMES - 1 : -1])


@contextmanager
def _limited() -> Iterator[None]:
    """End what takes too much processor time; regular expressions of Python's own look at signals too."""
    previous = signal.signal(signal.SIGPROF, _too_slow)
    signal.setitimer(signal.ITIMER_PROF, MAX_SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, previous)


def _too_slow(_number: int, _frame: FrameType | None) -> None:
    raise _TooSlowError
