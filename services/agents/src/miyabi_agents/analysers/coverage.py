"""Says whether a change's tests execute enough of its lines, by what verification measured; it runs nothing itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from miyabi.coordinator.v1.dispatch_service_pb2 import TaskInputs
from miyabi.coordinator.v1.result_pb2 import AnalyserRun, ChangeCoverage, FileCoverage
from miyabi_agents.analysers.base import MEDIUM, RawFinding
from miyabi_core.text import enumerated, listed, shortened

#: Its name among the analysers, and its only rule.
NAME, RULE = "coverage", "coverage/changed-lines"
#: Share of the changed lines below which it is a finding, in percent, and its points (docs/review-score.md).
LEAST_PERCENT, POINTS = 80, 10
#: Sentences, their longest (result.proto), and lines that one names.
MAX_NOTES, MAX_SENTENCE, NAMED = 20, 500, 10


@dataclass(frozen=True)
class Covered:
    """What it found, and how it ended."""

    findings: Sequence[tuple[str, RawFinding]]
    runs: Sequence[AnalyserRun]


def coverage(inputs: TaskInputs) -> Covered:
    """Judge what was measured; what was not is `not run` with the reason, which makes no review incomplete."""
    measured = inputs.verification.coverage
    if not inputs.verification.HasField("coverage"):
        why = "not run: no verification of the change measured its tests"
        return Covered((), [AnalyserRun(analyser=NAME, not_applicable=True, notes=[why])])
    notes = [_said(file) for file in measured.files if file.not_measured]
    notes += [f"{measured.files_left_out} more files are not listed"] if measured.files_left_out else []
    if not measured.executable:
        nothing = [] if notes else ["no changed line outside of tests can be executed"]
        run = AnalyserRun(analyser=NAME, not_applicable=True, notes=_listed(["not run", *notes] if notes else nothing))
        return Covered((), [run])
    share = f"{measured.covered} of {measured.executable} changed lines are executed"
    run = AnalyserRun(analyser=NAME, version=measured.measure, completed=True, notes=_listed([share, *notes]))
    run.duration.CopyFrom(measured.duration)
    enough = 100 * measured.covered >= LEAST_PERCENT * measured.executable
    return Covered([] if enough else [(NAME, _finding(measured))], [run])


def _said(file: FileCoverage) -> str:
    """Say why a file was not measured."""
    return f"{shortened(file.path, 200)}: not measured: {file.not_measured}"


def _listed(sentences: Sequence[str]) -> list[str]:
    """Return as many sentences as a result takes."""
    return listed(sentences, MAX_NOTES, longest=MAX_SENTENCE)


def _finding(measured: ChangeCoverage) -> RawFinding:
    """Return the finding of the change, at the first line that is missed in the file that misses most."""
    worst = max(measured.files, key=lambda file: file.executable - file.covered)
    line = next(iter(worst.missed), 0)
    lines = enumerated([str(line) for line in worst.missed], NAMED, of=worst.executable - worst.covered)
    message = (
        f"the tests execute {measured.covered} of {measured.executable} changed lines, less than {LEAST_PERCENT} %; "
        f"in {shortened(worst.path, 200)} not {lines}"
    )
    return RawFinding(RULE, worst.path, line, MEDIUM, POINTS, message)
