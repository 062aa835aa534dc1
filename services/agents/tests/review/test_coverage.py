"""Coverage of changed lines in a review: a finding where tests reach too few, `not run` where nothing was measured."""

from __future__ import annotations

from typing import Any

import pytest

from miyabi.coordinator.v1.dispatch_service_pb2 import TaskInputs
from miyabi.coordinator.v1.result_pb2 import (
    ChangeCoverage,
    ChangeSet,
    FileChange,
    FileCoverage,
    FindingSeverity,
    ReviewResult,
    VerifyResult,
)
from miyabi_agents.agents.reviewer import ReviewerAgent
from miyabi_agents.analysers.coverage import NAME, coverage
from miyabi_agents.evidence import evidence

CODE = "".join(f"A{number} = {number}\n" for number in range(10))


def measured(covered: int, executable: int = 10, *others: FileCoverage) -> VerifyResult:
    """Return a verification that measured one file of so many lines."""
    file = FileCoverage(
        path="toy/fresh.py", executable=executable, covered=covered, missed=range(covered + 1, executable + 1)
    )
    sums = ChangeCoverage(
        files=[file, *others], executable=executable, covered=covered, measure="a tracer in CPython 3.11.7"
    )
    return VerifyResult(passed=True, coverage=sums)


async def review(workshop: Any, verification: VerifyResult | None) -> ReviewResult:
    """Review a change with what was measured of it."""
    files = [FileChange(path="toy/fresh.py", content=CODE.encode(), added=True)]
    inputs: dict[str, Any] = {"change_set": ChangeSet(base_sha=workshop.base_sha, files=files)}
    if verification is not None:
        inputs["verification"] = verification
    result: ReviewResult = (await workshop.run(ReviewerAgent(), inputs=inputs, with_model=False)).review
    return result


async def test_too_few_executed_lines_take_ten_points(workshop: Any) -> None:
    """One medium finding at the first line that no test reaches; the analyser has a version and says the share."""
    result = await review(workshop, measured(7))
    assert [(one.analyser, one.rule, one.path, one.line, one.penalty, one.severity) for one in result.findings] == [
        (NAME, "coverage/changed-lines", "toy/fresh.py", 8, 10, FindingSeverity.FINDING_SEVERITY_MEDIUM)
    ]
    run = next(run for run in result.analysers if run.analyser == NAME)
    assert (run.completed, run.version, run.penalty) == (True, "a tracer in CPython 3.11.7", 10)
    assert list(run.notes) == ["7 of 10 changed lines are executed"]
    assert (result.score, result.passed, result.incomplete) == (90, True, False)


async def test_review_without_a_measure_is_not_incomplete(workshop: Any) -> None:
    """Where nothing was measured the list of analysers says so; score and verdict are what they were."""
    result = await review(workshop, None)
    run = next(run for run in result.analysers if run.analyser == NAME)
    assert (run.completed, run.not_applicable, run.error) == (False, True, "")
    assert list(run.notes) == ["not run: no verification of the change measured its tests"]
    assert (result.score, result.passed, result.incomplete) == (100, True, False)


@pytest.mark.parametrize(("covered", "executable", "findings"), [(8, 10, 0), (79, 100, 1), (80, 100, 0), (0, 1, 1)])
def test_eighty_percent_are_enough(covered: int, executable: int, findings: int) -> None:
    """Exactly 80 % is no finding; less is one, however many lines."""
    found = coverage(TaskInputs(verification=measured(covered, executable)))
    assert len(found.findings) == findings


def test_files_that_were_not_measured_are_named_and_take_nothing() -> None:
    """Of a change of TypeScript alone there is no verdict on coverage, with the reason; no analyser failed."""
    file = FileCoverage(path="a.ts", not_measured="transformed: node does not run it as it is written")
    found = coverage(TaskInputs(verification=VerifyResult(passed=True, coverage=ChangeCoverage(files=[file]))))
    (run,) = found.runs
    assert (list(found.findings), run.not_applicable, run.error) == ([], True, "")
    assert list(run.notes) == ["not run", f"a.ts: not measured: {file.not_measured}"]


def test_lines_beyond_those_listed_are_counted() -> None:
    """A result lists the first hundred lines of a file that are missed; the finding counts all."""
    verification = measured(0, 300)
    del verification.coverage.files[0].missed[100:]
    ((_, finding),) = coverage(TaskInputs(verification=verification)).findings
    assert finding.message.endswith("not 1, 2, 3, 4, 5, 6, 7, 8, 9, 10 and 290 more")


def test_evidence_says_what_was_measured_and_what_was_not() -> None:
    """The sum among the tests, each file below it; of a verdict that is no pass, that nothing was measured."""
    other = FileCoverage(path="b.ts", not_measured="transformed")
    inputs = TaskInputs(repository="acme/toy", issue_number=7, verification=measured(7, 10, other))
    block = evidence(inputs, simulated_model=False, simulated_github=False).text.replace("\\", "")
    assert "Changed lines executed by tests: 7 of 10; 1 files were not measured." in block
    assert "`toy/fresh.py` - 7 of 10 changed lines, not 8, 9, 10" in block
    assert "`b.ts` - not measured (transformed)" in block
    unproven = TaskInputs(repository="acme/toy", issue_number=7, verification=VerifyResult())
    block = evidence(unproven, simulated_model=False, simulated_github=False).text
    assert "Changed lines executed by tests: not measured" in block
