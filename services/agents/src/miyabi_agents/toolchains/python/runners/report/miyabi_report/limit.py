"""Ends a test that takes too long: raises in the main thread, so that the run goes on with the next."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from time import monotonic
from types import FrameType

from . import variables

#: Seconds for one test where nothing else is said.
DEFAULT_SECONDS = 60.0
#: Seconds for taking down what a test has set up, after its time is over.
TAKE_DOWN_SECONDS = 10.0
#: Seconds after which a test that caught the exception gets it again.
AGAIN_SECONDS = 1.0
#: A test that caught it so often will not end: the run does.
MOST_TIMES = 5
#: Status of a runner that ended itself for it (sysexits.h has none for this; 70 is an internal error).
EXIT_STUCK = 70


class DidNotEndError(BaseException):
    """A test took longer than it may; not an `Exception`, which tests catch."""


class Limit:
    """The time of the test that runs now.

    Args:
        stuck: Called before the process ends because a test cannot be ended.
        error: What is raised, with a sentence.
    """

    def __init__(self, stuck: Callable[[], None], error: Callable[[str], BaseException] = DidNotEndError) -> None:
        text = os.environ.get(variables.SECONDS, "")
        self.seconds = float(text) if text.replace(".", "", 1).isdigit() else DEFAULT_SECONDS
        self._stuck = stuck
        self._error = error
        self._ends = 0.0
        self._times = 0
        self._before: object = None
        self._armed = False

    def test(self) -> None:
        """Begin the time of a test."""
        self._ends = monotonic() + self.seconds
        self._times = 0

    def arm(self, at_least: float = 0.01) -> None:
        """Let the clock run, unless the test's own plugin uses it, or this is not the main thread."""
        if self._armed or not self.seconds or threading.current_thread() is not threading.main_thread():
            return
        if signal.getitimer(signal.ITIMER_REAL)[0]:
            return
        self._before = signal.signal(signal.SIGALRM, self._over)
        signal.setitimer(signal.ITIMER_REAL, max(self._ends - monotonic(), at_least), AGAIN_SECONDS)
        self._armed = True

    def disarm(self) -> None:
        """Stop the clock, and leave the signal as it was; what the test put there itself stays."""
        if not self._armed:
            return
        self._armed = False
        # What is compared by equality: each look at a method makes a new object.
        if signal.getsignal(signal.SIGALRM) == self._over:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, self._before if callable(self._before) else signal.SIG_DFL)

    def _over(self, _signal: int, _frame: FrameType | None) -> None:
        """End the test; end the run where it cannot be ended."""
        __tracebackhide__ = True  # pytest shows where the test was, not this
        self._times += 1
        if self._times > MOST_TIMES:
            self._stuck()
            os._exit(EXIT_STUCK)
        raise self._error(f"did not end within {self.seconds:g} s")
