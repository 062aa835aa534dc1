"""Reports on a run of unittest, whoever leads it: unittest itself, Django's runner, a project's own."""

# Paths are text here: tests may have changed pathlib in this very interpreter.
# ruff: noqa: PTH119
from __future__ import annotations

import atexit
import os
import traceback
from collections.abc import Callable
from time import perf_counter
from typing import Any

from . import variables
from .blocked import blocked_by, foreign_imports
from .cases import broken_set_up, failed_import, identity_of, listed
from .limit import Limit
from .names import Names
from .sink import Sink, claim, clean
from .tamper import replaced, snapshot

#: From best to worst.
ORDER = ("passed", "skipped", "blocked", "failed")


def watch(module: Any) -> None:
    """Lay a recorder over `unittest.suite`: the outermost suite that is run in this process is reported."""
    run = module.BaseTestSuite.__call__
    recorders: list[Recorder] = []

    def call(self: Any, *arguments: Any, **named: Any) -> Any:
        if not recorders:
            sink = claim("unittest")
            if sink is not None:
                recorders.append(Recorder(sink))
        if not recorders or recorders[0].running or not arguments:
            return run(self, *arguments, **named)
        recorders[0].begin(self, arguments[0])
        try:
            return run(self, *arguments, **named)
        finally:
            recorders[0].running = False

    module.BaseTestSuite.__call__ = call


class Recorder:
    """Writes the report of the suites that one process runs."""

    def __init__(self, sink: Sink) -> None:
        self.running = False
        self._sink = sink
        self._names = Names(os.environ.get(variables.TREE, ""))
        self._limit = Limit(lambda: sink.write("stuck", self._limit.seconds))
        self._index: dict[str, int] = {}
        self._owners: dict[str, list[str]] = {}
        self._open: dict[str, tuple[str, str]] = {}
        self._ended: dict[str, str] = {}
        self._errors = 0
        self._process = os.getpid()
        self._clock = perf_counter
        self._began: dict[str, float] = {}
        sink.write("begin", "unittest", "")
        self._before = snapshot()
        atexit.register(self._finish)

    def begin(self, suite: Any, result: Any) -> None:
        """Write the tests of a suite and look at a result from now on."""
        self.running = True
        for test in listed(suite):
            if not failed_import(test):
                identity = self._known(test)
                for owner in (type(test).__module__, f"{type(test).__module__}.{type(test).__qualname__}"):
                    self._owners.setdefault(owner, []).append(identity)
        self._before = snapshot()
        self._wrap(result)

    def _wrap(self, result: Any) -> None:
        """Lay our methods over those of a result, once."""
        if getattr(result, "_miyabi", None) is self:
            return
        result._miyabi = self  # noqa: SLF001 - a mark of our own
        taken: dict[str, Callable[..., None]] = {
            "startTest": self._start, "stopTest": self._stop, "addSuccess": self._nothing, "addFailure": self._fail,
            "addError": self._fail, "addSkip": self._skip, "addExpectedFailure": self._expected,
            "addUnexpectedSuccess": self._unexpected, "addSubTest": self._subtest,
        }  # fmt: skip
        for name, ours in taken.items():
            theirs = getattr(result, name, None)
            if theirs is not None:
                setattr(result, name, _both(ours, theirs))

    def _known(self, test: Any) -> str:
        """Return a test's identity; writes its name where it is new."""
        identity = identity_of(test, self._names)
        if identity not in self._index:
            self._index[identity] = len(self._index)
            self._sink.write("test", self._index[identity], self._names.test(identity))
        return identity

    def _start(self, test: Any) -> None:
        if not failed_import(test):
            identity = self._known(test)
            self._open[identity] = ("passed", "")
            self._began[identity] = self._clock()
            self._sink.write("start", self._index[identity])
            self._limit.test()
            self._limit.arm()

    def _stop(self, test: Any) -> None:
        self._limit.disarm()
        if not failed_import(test):
            identity = self._known(test)
            self._end(identity, *self._open.pop(identity, ("passed", "")))

    def _nothing(self, test: Any) -> None:
        """A success needs no word: `stopTest` ends it."""

    def _fail(self, test: Any, error: Any) -> None:
        self._note(test, "failed", _text(error), error)

    def _skip(self, test: Any, reason: Any) -> None:
        self._note(test, "skipped", clean(reason))

    def _expected(self, test: Any, error: Any) -> None:
        self._note(test, "skipped", clean(f"failed, as it was expected to: {_text(error)}"))

    def _unexpected(self, test: Any) -> None:
        self._note(test, "failed", "passed, though it was expected to fail")

    def _subtest(self, test: Any, subtest: Any, error: Any) -> None:
        if error is not None:
            self._note(test, "failed", clean(f"{getattr(subtest, '_subDescription', str)()}: {_text(error)}"), error)

    def _note(self, test: Any, outcome: str, reason: str, error: Any = None) -> None:
        """Take what befell a test, a whole class or module, or a file that could not be imported."""
        blocked = blocked_by(error[1]) if error is not None and len(error) > 1 else ""
        if blocked:
            outcome, reason = "blocked", blocked
        missing = failed_import(test)
        owner = broken_set_up(test)
        if missing:
            self._errors += outcome != "skipped"
            kind = "skipped" if outcome == "skipped" else "error"
            self._sink.write("file", kind, self._names.file(missing), self._names.stable(reason))
        elif owner:
            for identity in self._owners.get(owner, ()):
                self._end(identity, outcome, reason)
        else:
            identity = self._known(test)
            before = self._open.get(identity, ("passed", ""))
            self._open[identity] = max(before, (outcome, reason), key=lambda one: ORDER.index(one[0]))

    def _end(self, identity: str, outcome: str, reason: str) -> None:
        """Write an outcome, unless a worse one of the same test is written."""
        if ORDER.index(outcome) >= ORDER.index(self._ended.get(identity, "passed")):
            self._ended[identity] = outcome
            now = self._clock()
            seconds = round(now - self._began.get(identity, now), 4)
            self._sink.write("end", self._index[identity], outcome, seconds, self._names.stable(reason))

    def _finish(self) -> None:
        """Write the end, when the process ends as it should."""
        if os.getpid() != self._process or self.running:
            return
        failed = sum(outcome in {"failed", "blocked"} for outcome in self._ended.values())
        self._sink.close({
            "tests": len(self._index), "ended": len(self._ended), "failed": failed, "errors": self._errors,
            "status": -1, "gate": "", "foreign": foreign_imports(), "replaced": replaced(self._before),
        })  # fmt: skip


def _both(ours: Callable[..., None], theirs: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function that calls ours first, theirs in any case."""

    def call(*arguments: Any, **named: Any) -> Any:
        try:
            ours(*arguments, **named)
        finally:
            result = theirs(*arguments, **named)
        return result

    return call


def _text(error: Any) -> str:
    """Return the first lines of an exception, with the deepest place."""
    if not isinstance(error, tuple) or len(error) != 3:
        return clean(error)
    kind, value, trace = error
    lines = "".join(traceback.format_exception_only(kind, value))[:1700]
    place = traceback.extract_tb(trace, limit=-1) if trace is not None else []
    return clean(lines + "".join(f"{os.path.basename(one.filename)}:{one.lineno}" for one in place))
