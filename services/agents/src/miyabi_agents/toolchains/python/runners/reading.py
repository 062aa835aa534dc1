"""Turns the reports of a run into verdicts, and decides whether the run came to its end."""

from __future__ import annotations

import signal
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from miyabi.coordinator.v1.result_pb2 import TestVerdict
from miyabi_agents.ports import SandboxResult
from miyabi_agents.toolchains.port import Project, RunVerdicts, TestRun
from miyabi_agents.toolchains.python.runners.records import ForgedError, Report, parse
from miyabi_agents.toolchains.python.runners.report.miyabi_report import variables
from miyabi_core.text import enumerated, shortened

#: Verdicts by the words of a report.
VERDICTS: Mapping[str, TestVerdict.ValueType] = {
    "passed": TestVerdict.TEST_VERDICT_PASSED,
    "failed": TestVerdict.TEST_VERDICT_FAILED,
    "skipped": TestVerdict.TEST_VERDICT_SKIPPED,
    "blocked": TestVerdict.TEST_VERDICT_BLOCKED,
}
#: Status of the sandbox's launcher where it could not start the command.
EXIT_NOT_STARTED = 125
#: What pytest's statuses mean (pytest's reference, "Exit codes"); 0, 1 and 5 are ends of whole runs.
PYTEST_STATUS = {2: "it was interrupted", 3: "it failed itself", 4: "it did not take its arguments"}
#: Statuses of a run in which nothing was collected (pytest; unittest since Python 3.12).
EXIT_NOTHING = 5


def read(project: Project, run: TestRun, result: SandboxResult, *, tree: Path) -> RunVerdicts:
    """Read the verdicts of a run from the reports that its processes wrote; what it printed has no say.

    Args:
        project: The project whose tests were run; its reports are read alike whatever the runner.
        run: As it was given to the sandbox; holds the run's key.
        result: What the sandbox says.
        tree: The checkout.
    """
    del project
    try:
        reports = _reports(result.report, run)
    except ForgedError as error:
        return RunVerdicts(problem=f"the report is not to be believed: {error}")
    verdicts = _folded(reports)
    problem = (
        _ended_from_outside(result, reports) or _unfinished(result, reports) or _disagreement(result, run, reports)
    )
    present = {file: text for file, text in _files(reports, "error").items() if _is_there(tree, file)}
    return RunVerdicts(
        verdicts={name: VERDICTS[outcome] for name, (outcome, _, _) in verdicts.items()},
        complete=not problem,
        problem=problem,
        unbuilt=present,
        reasons={name: reason for name, (_, _, reason) in verdicts.items() if reason},
        gate="; ".join(filter(None, (_text(report, "gate") for report in reports))),
        seconds={name: seconds for name, (_, seconds, _) in verdicts.items()},
    )


def _reports(files: Mapping[str, bytes], run: TestRun) -> list[Report]:
    """Read all reports of a run; those of processes that never began are left out.

    Raises:
        ForgedError: there is a file or a line that no runner wrote.
    """
    key = bytes.fromhex(run.environment.get(variables.KEY, ""))
    if not key:
        raise ForgedError("the run has no key")
    for name in files:
        if not (name.startswith(("pytest-", "unittest-")) and name.endswith(".jsonl")):
            raise ForgedError(f"{shortened(name, 100)!r} lies beside it, which the runner did not write")
    return [report for name in sorted(files) if (report := parse(files[name], key)).runner]


def _folded(reports: Sequence[Report]) -> dict[str, tuple[str, float, str]]:
    """Return the outcome of each test over all reports: the worst where one is named twice."""
    order = ("passed", "skipped", "blocked", "failed")
    found: dict[str, tuple[str, float, str]] = {}
    for report in reports:
        for number, outcome in report.ended.items():
            name = report.names[number]
            if name not in found or order.index(outcome[0]) > order.index(found[name][0]):
                found[name] = outcome
    for file, text in _files(reports, "skipped").items():
        found.setdefault(file, ("skipped", 0.0, text))
    return found


def _files(reports: Sequence[Report], kind: str) -> dict[str, str]:
    """Return the texts of files of a kind."""
    return {file: text for report in reports for file, (of, text) in report.files.items() if of == kind}


def _is_there(tree: Path, file: str) -> bool:
    """Tell whether a file that could not be imported is in the checkout: a target that is missing is absent."""
    with suppress(OSError, ValueError):
        return (tree / file).exists()
    return True


def _ended_from_outside(result: SandboxResult, reports: Sequence[Report]) -> str:
    """Return what ended the run before its time; empty where nothing did."""
    while_running = _while_running(reports)
    if result.report_cut:
        return "the report is larger than 64 MiB, or holds something that is no file"
    if result.timed_out:
        return f"the run did not end within its time{while_running}"
    if result.limit_hit:
        return f"the run passed its limit of {result.limit_hit}{while_running}"
    number = -result.exit_code if result.exit_code < 0 else result.exit_code - 128
    if 0 < number < signal.NSIG and not all(report.summary for report in reports or [Report()]):
        return f"the runner was ended by signal {number}{_signal(number)}{while_running}"
    if result.exit_code < 0:
        return f"the runner was ended by signal {number}{_signal(number)} after its tests"
    return ""


def _signal(number: int) -> str:
    """Return what a signal says, in brackets."""
    text = signal.strsignal(number) if number < signal.NSIG else None
    return f" ({text.lower()})" if text else ""


def _while_running(reports: Sequence[Report]) -> str:
    """Return the test that ran when the run ended."""
    names = [name for report in reports if report.summary is None and (name := report.last_running())]
    return f" while {shortened(names[-1], 300)} ran" if names else ""


def _unfinished(result: SandboxResult, reports: Sequence[Report]) -> str:
    """Return why there is no end in the reports; empty where each has one."""
    if not reports:
        last = next((line for line in reversed(result.output[-4_000:].splitlines()) if line.strip()), "")
        said = f"; its last words: {shortened(last.strip(), 200)}" if last else ""
        how = "was not started" if result.exit_code == EXIT_NOT_STARTED else f"ended with status {result.exit_code}"
        return f"the runner {how} and wrote no report{said}"
    for report in reports:
        if report.summary is None:
            if report.stuck:
                return f"{shortened(report.last_running(), 300) or 'a test'} cannot be ended: it goes on after its time"
            return f"the runner ended with status {result.exit_code} before its end{_while_running(reports)}"
    return ""


def _disagreement(result: SandboxResult, run: TestRun, reports: Sequence[Report]) -> str:
    """Return what in reports, counts and status does not agree; empty where all does."""
    for report in reports:
        problem = _miscounted(report) or _not_whole(report) or _elsewhere(report)
        if problem:
            return problem
    return _wrong_status(result.exit_code, run, reports)


def _miscounted(report: Report) -> str:
    """Return whether the counts at the end are those of the lines."""
    failed = sum(outcome in {"failed", "blocked"} for outcome, _, _ in report.ended.values())
    lines = (len(report.names), len(report.ended), failed)
    said = tuple(_number(report, name) for name in ("tests", "ended", "failed"))
    if lines != said:
        return f"the report counts {said} tests, ended and failed, its lines {lines}"
    if len(report.ended) < len(report.names):
        first = next(name for number, name in enumerate(report.names) if number not in report.ended)
        return (
            f"{len(report.names) - len(report.ended)} collected tests did not run, the first is {shortened(first, 300)}"
        )
    return ""


def _not_whole(report: Report) -> str:
    """Return whether the runner itself says that it did not do all, or that tests meddled with it."""
    status = _number(report, "status")
    if status in PYTEST_STATUS:
        return f"pytest ended with status {status}: {PYTEST_STATUS[status]}"
    assert report.summary is not None
    replaced = report.summary.get("replaced")
    if isinstance(replaced, list) and replaced:
        return f"the tests replaced {enumerated([*map(str, replaced)], 3)}, which decides verdicts"
    return ""


def _elsewhere(report: Report) -> str:
    """Return whether the project was imported from elsewhere than the checkout."""
    foreign = report.summary.get("foreign") if report.summary else None
    if not isinstance(foreign, dict) or not foreign:
        return ""
    name, file = next(iter(sorted(foreign.items())))
    return f"the tests import {name} from {file}, not from the change"


def _wrong_status(exit_code: int, run: TestRun, reports: Sequence[Report]) -> str:
    """Return whether the process ended otherwise than its reports say."""
    failed = sum(_number(report, "failed") + _number(report, "errors") for report in reports)
    gate = any(_text(report, "gate") for report in reports)
    nothing = not any(report.names for report in reports)
    if exit_code == EXIT_NOTHING and nothing and not failed:
        return ""
    statuses = [_number(report, "status") for report in reports]
    if tuple(run.command[1:3]) == ("-m", "pytest") and len(reports) == 1 and statuses != [exit_code]:
        return f"pytest ended with status {exit_code}, its report says {statuses[0]}"
    if exit_code == 0 and (failed or gate):
        return f"the command ended with status 0 though {failed} tests or files failed"
    if exit_code != 0 and not failed and not gate and not (nothing and statuses == [EXIT_NOTHING]):
        return f"the command ended with status {exit_code} though no test failed"
    return ""


def _number(report: Report, name: str) -> int:
    """Return a count of the end."""
    value = report.summary.get(name) if report.summary else None
    return value if isinstance(value, int) else -1


def _text(report: Report, name: str) -> str:
    """Return a text of the end."""
    value = report.summary.get(name) if report.summary else None
    return value if isinstance(value, str) else ""
