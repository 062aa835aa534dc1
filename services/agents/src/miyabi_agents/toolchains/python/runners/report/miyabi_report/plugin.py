"""Reports on a run of pytest, 6 to 9: what was collected, each test's one outcome, how it ended.

PYTEST_DONT_REWRITE: there is nothing here that a rewritten assertion would say better.
"""

# Paths are text here: tests may have changed pathlib in this very interpreter.
# ruff: noqa: PTH110, PTH118, PTH123
from __future__ import annotations

import os
from collections.abc import Generator
from typing import Any

import pytest

from . import variables
from .blocked import blocked_by, foreign_imports
from .limit import TAKE_DOWN_SECONDS, Limit
from .outcomes import Outcomes, reason_of, tail_of
from .sink import Sink, claim
from .tamper import replaced, snapshot

#: Name under which pytest knows this module, in workers as well.
NAME = "miyabi_report.plugin"
#: Files that may ask for a share of covered lines, beside the command line.
COVERAGE_FILES = ("pyproject.toml", "setup.cfg", "tox.ini", ".coveragerc")

# Taken at once: whatever is loaded after this, a conftest or a test, sees neither key nor plugin.
_SINK = claim("pytest")
for _name, _ours in variables.PYTEST.items():
    _theirs = os.environ.pop(_name, "").replace(_ours, "").strip(", ")
    if _theirs:
        os.environ[_name] = _theirs


@pytest.hookimpl(hookwrapper=True)
def pytest_load_initial_conftests(early_config: pytest.Config) -> Generator[None, Any, None]:
    """Leave coverage out where it decides nothing: it doubles the time."""
    options = early_config.known_args_namespace
    if getattr(options, "cov_source", None) and not _has_gate(options, str(early_config.invocation_params.dir)):
        options.no_cov = True
    scratch = os.environ.get(variables.SCRATCH)
    remembered = getattr(early_config, "_inicache", None)
    if scratch and isinstance(remembered, dict):
        # An option would be refused by `--strict-config` where the cache's plugin is off.
        remembered["cache_dir"] = os.path.join(scratch, "pytest-cache")
    yield


def _has_gate(options: Any, folder: str) -> bool:
    """Tell whether covered lines may fail the run: only for a whole suite, and where somebody asks for it."""
    if not os.environ.get(variables.WHOLE):
        return False
    return getattr(options, "cov_fail_under", None) is not None or any(_asks(folder, file) for file in COVERAGE_FILES)


def _asks(folder: str, file: str) -> bool:
    """Tell whether a file of coverage's configuration asks for a share."""
    try:
        with open(os.path.join(folder, file), encoding="utf-8", errors="replace") as content:
            return "fail_under" in content.read(1 << 20)
    except OSError:
        return False


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Let nothing end the run early, and register what reports."""
    option = config.option
    option.continue_on_collection_errors = True
    for name, value in (("maxfail", 0), ("stepwise", False), ("randomly_seed", 1), ("hypothesis_seed", "1")):
        if getattr(option, name, None) is not None or (name == "hypothesis_seed" and hasattr(option, name)):
            setattr(option, name, value)
    if NAME not in option.plugins:
        option.plugins.append(NAME)
    in_worker = hasattr(config, "workerinput")
    if os.environ.get(variables.OURS) and not in_worker:
        config.args = [argument for argument in config.args if os.path.exists(argument.partition("::")[0])]
    if in_worker or _SINK is not None:
        config.pluginmanager.register(Phases(None if in_worker else _SINK), "miyabi-phases")
    if _SINK is not None and not in_worker:
        config.pluginmanager.register(Reporter(config, _SINK), "miyabi-reporter")


class Phases:
    """What needs the test's own process: its limit of time, and the exception itself."""

    def __init__(self, sink: Sink | None) -> None:
        self._limit = Limit(self._stuck, lambda text: pytest.fail.Exception(text, pytrace=True))
        self._sink = sink
        self._before: dict[str, object] = {}

    def _stuck(self) -> None:
        """Say that a test cannot be ended."""
        if self._sink is not None:
            self._sink.write("stuck", self._limit.seconds)

    @pytest.hookimpl(trylast=True)
    def pytest_collection_finish(self) -> None:
        """Remember what decides, when all plugins are there and no test has run."""
        self._before = snapshot()

    @pytest.hookimpl(hookwrapper=True, tryfirst=True)
    def pytest_runtest_setup(self) -> Generator[None, Any, None]:
        """Begin the test's time."""
        self._limit.test()
        self._limit.arm()
        yield
        self._limit.disarm()

    @pytest.hookimpl(hookwrapper=True, tryfirst=True)
    def pytest_runtest_call(self) -> Generator[None, Any, None]:
        """Go on with the test's time."""
        self._limit.arm()
        yield
        self._limit.disarm()

    @pytest.hookimpl(hookwrapper=True, tryfirst=True)
    def pytest_runtest_teardown(self) -> Generator[None, Any, None]:
        """Go on with the test's time; what takes down is not cut at once where the test used it up."""
        self._limit.arm(TAKE_DOWN_SECONDS)
        yield
        self._limit.disarm()

    @pytest.hookimpl(hookwrapper=True)
    def pytest_runtest_makereport(self, call: pytest.CallInfo[None]) -> Generator[None, Any, None]:
        """Put what the exception was into the report: workers send it on."""
        outcome = yield
        if call.excinfo is not None and outcome.get_result().failed:
            outcome.get_result().miyabi_blocked = blocked_by(call.excinfo.value)

    @pytest.hookimpl(hookwrapper=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> Generator[None, Any, None]:
        """Tell, from a worker, what only it knows."""
        yield
        output = getattr(session.config, "workeroutput", None)
        if output is not None:
            output["miyabi"] = self.seen()

    def seen(self) -> dict[str, Any]:
        """Return what this process knows of imports and of replaced functions."""
        return {"foreign": foreign_imports(), "replaced": replaced(self._before)}


class Reporter:
    """Writes the report of a run, in the process that leads it."""

    def __init__(self, config: pytest.Config, sink: Sink) -> None:
        self._config = config
        root = str(getattr(config, "rootpath", None) or config.rootdir)  # type: ignore[attr-defined]
        grouped = getattr(config.option, "dist", "") == "loadgroup"
        self._outcomes = Outcomes(sink, root, grouped=grouped)
        self._workers: list[dict[str, Any]] = []
        self._sink = sink

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionstart(self) -> None:
        """Write the beginning; workers of xdist, which start after it, load this module by their environment."""
        if getattr(self._config.option, "tx", None):
            theirs = os.environ.get("PYTEST_PLUGINS", "")
            os.environ["PYTEST_PLUGINS"] = f"{theirs},{NAME}".strip(",")
        self._sink.write("begin", "pytest", pytest.__version__)

    @pytest.hookimpl(hookwrapper=True, tryfirst=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> Generator[None, Any, None]:
        """Name the tests before anybody shuffles them: names that were alike are numbered in the order of the files."""
        self._outcomes.name([item.nodeid for item in items])
        yield

    @pytest.hookimpl(trylast=True)
    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Write what was collected here."""
        self._outcomes.collected([item.nodeid for item in session.items])

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_node_collection_finished(self, ids: list[str]) -> None:
        """Write what a worker has collected."""
        self._outcomes.collected(ids)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Write a file that could not be collected, or that skips itself."""
        if report.failed:
            self._outcomes.file("error", report.nodeid, tail_of(report.longrepr))
        elif report.skipped:
            self._outcomes.file("skipped", report.nodeid, reason_of(report))

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        """Write that a test begins."""
        self._outcomes.started(nodeid)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Take one phase of a test."""
        self._outcomes.phase(report)

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        """Keep what a worker knows."""
        self._workers.append(getattr(node, "workeroutput", None) or {})

    @pytest.hookimpl(hookwrapper=True, tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> Generator[None, Any, None]:
        """Write the end, after everybody else had their say on the status."""
        yield
        phases = self._config.pluginmanager.get_plugin("miyabi-phases")
        seen = [worker.get("miyabi", {}) for worker in self._workers] + ([phases.seen()] if phases else [])
        summary = self._outcomes.summary()
        summary["foreign"] = {name: file for one in seen for name, file in one.get("foreign", {}).items()}
        summary["replaced"] = sorted({name for one in seen for name in one.get("replaced", ())})
        summary["status"] = int(session.exitstatus)
        summary["gate"] = self._gate(summary)
        self._sink.close(summary)

    def _gate(self, summary: dict[str, Any]) -> str:
        """Return what failed the run beside its tests."""
        coverage = self._config.pluginmanager.get_plugin("_cov")
        total, least = getattr(coverage, "cov_total", None), getattr(self._config.option, "cov_fail_under", None)
        least = getattr(getattr(coverage, "options", None), "cov_fail_under", least)
        if total is not None and least is not None and total < least:
            return f"{total:.2f} % of the lines are covered, the project asks for {least:g} %"
        if summary["status"] == 1 and not summary["failed"] and not summary["errors"]:
            return "the runner ended with status 1 though no test failed"
        return ""
