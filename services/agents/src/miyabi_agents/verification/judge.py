"""Judges a change by the runs of its tests: what proves it, what it breaks, what a person has to look at.

Pure: it reads no clock and runs nothing. Four runs are compared, test by test with its parameters:

    base           base with base's own tests
    base_new       base with the tests of the change laid over it: they must fail there
    change         the change with its tests
    change_old     the change with base's version of every test file that it edits or deletes

A run that did not come to its end gives no verdict at all, whatever it printed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from miyabi.coordinator.v1.result_pb2 import TestComparison, TestVerdict, VerifyResult
from miyabi_agents.toolchains.port import OwnTests, RunVerdicts
from miyabi_core.text import enumerated, shortened

PASSED, FAILED = TestVerdict.TEST_VERDICT_PASSED, TestVerdict.TEST_VERDICT_FAILED
SKIPPED, BLOCKED = TestVerdict.TEST_VERDICT_SKIPPED, TestVerdict.TEST_VERDICT_BLOCKED
ABSENT, UNKNOWN = TestVerdict.TEST_VERDICT_ABSENT, TestVerdict.TEST_VERDICT_UNSPECIFIED
#: Comparisons that a result lists.
MAX_LISTED = 1000
#: Longest reason that is kept of a test.
MAX_REASON = 2000
#: ChangedTests that a sentence names.
NAMED = 5


@dataclass(frozen=True)
class Runs:
    """The runs of one project's tests."""

    base: RunVerdicts
    base_new: RunVerdicts
    change: RunVerdicts
    change_old: RunVerdicts | None = None  #: None where the change edits and deletes no test file


@dataclass(frozen=True)
class ChangedTests:
    """What the change does to tests, as the toolchain reads it from the two versions of each file."""

    own: OwnTests
    #: Test files that the change edits or deletes.
    edited_files: frozenset[str]
    group_of: Callable[[str], str]
    file_of: Callable[[str], str]
    #: ChangedTests that the change says it edits on purpose.
    declared: frozenset[str] = frozenset()
    #: ChangedTests that passed and failed by turns on the same code.
    flaky: frozenset[str] = frozenset()
    #: The change edits no test but what tests read: those count as edited that fail on base with it and not without.
    by_data: bool = False
    #: All of base's own tests were run on the change, not only those of edited files.
    every_old: bool = False


@dataclass
class _Case:
    """One test in all runs."""

    test: str
    base: int
    base_new: int
    change: int
    old: int
    group: str
    added: bool = False
    edited: bool = False
    removed: bool = False
    declared: bool = False
    flaky: bool = False
    proof: bool = False
    broken: bool = False
    expectation: bool = False
    deleted: bool = False

    @property
    def own(self) -> bool:
        """Whether the change brings or edits it."""
        return self.added or self.edited


@dataclass
class Verdict:
    """What came out, before it is written into a result."""

    cases: list[_Case] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)  #: runs that came to no end
    #: A condition of the runner, no test, that base meets and the change does not; empty where it does not count.
    gate: str = ""

    def named(self, which: Callable[[_Case], bool]) -> list[str]:
        """Return the names of some cases."""
        return [case.test for case in self.cases if which(case)]


def judge(runs: Runs, tests: ChangedTests) -> Verdict:
    """Compare the runs."""
    verdict = Verdict(problems=_problems(runs))
    every = (runs.base, runs.base_new, runs.change, *([runs.change_old] if runs.change_old else []))
    names = sorted({name for run in every for name in run.verdicts})
    verdict.cases = [_case(name, runs, tests) for name in names]
    if verdict.problems:
        _weigh_what_ended(verdict, runs)
        return verdict
    for case in verdict.cases:
        case.proof = case.own and not case.flaky and case.change == PASSED and _red(case, runs, tests)
    proved = {case.group for case in verdict.cases if case.proof}
    kept = {case.group for case in verdict.cases if case.change != ABSENT}
    for case in verdict.cases:
        _weigh(case, proved=proved, kept=kept)
    return verdict


def _problems(runs: Runs) -> list[str]:
    """Name the runs that came to no end."""
    named = (
        ("base's own tests", runs.base),
        ("the new tests on base", runs.base_new),
        ("the change", runs.change),
        ("base's own tests on the change", runs.change_old),
    )
    return [
        f"the run of {name} came to no end: {run.problem or 'no end marker'}"
        for name, run in named
        if run is not None and not run.complete
    ]


def _case(name: str, runs: Runs, tests: ChangedTests) -> _Case:
    """Gather one test."""
    group, file = tests.group_of(name), tests.file_of(name)
    change = runs.change.verdicts.get(name, ABSENT)
    old = change
    if runs.change_old is not None and (tests.every_old or file in tests.edited_files):
        old = runs.change_old.verdicts.get(name, ABSENT)
    base, base_new = runs.base.verdicts.get(name, ABSENT), runs.base_new.verdicts.get(name, ABSENT)
    by_data = tests.by_data and base in {PASSED, ABSENT} and base_new == FAILED
    edited = group in tests.own.edited or file in tests.own.edited or by_data
    return _Case(
        name,
        base=base,
        base_new=base_new,
        change=change,
        old=old,
        group=group,
        added=group in tests.own.added or file in tests.own.added,
        edited=edited,
        removed=group in tests.own.removed or file in tests.own.removed,
        declared=any(_same(name, group, other) for other in tests.declared),
        flaky=name in tests.flaky,
    )


def _same(name: str, group: str, other: str) -> bool:
    """Tell whether a declared name means a test: its whole name, or the end of it after a separator."""
    if other in {name, group}:
        return True
    dotted, wanted = group.replace("::", ".").replace("/", "."), other.replace("::", ".").replace("/", ".")
    return dotted.endswith(f".{wanted}") or wanted.endswith(f".{dotted}") or dotted.replace(".py.", ".") == wanted


def _red(case: _Case, runs: Runs, tests: ChangedTests) -> bool:
    """Tell whether an own test is red on base; one that is not there counts where its file ran, or cannot be built."""
    if case.base_new == FAILED:
        return True
    there = not case.added and case.base != ABSENT
    return case.base_new == ABSENT and (not there or tests.file_of(case.test) in runs.base_new.unbuilt)


def _weigh_what_ended(verdict: Verdict, runs: Runs) -> None:
    """Mark what plainly broke where only the new tests came to no end on base: base's own were judged apart."""
    if not all(run.complete for run in (runs.base, runs.change, runs.change_old) if run is not None):
        return
    for case in verdict.cases:
        red = case.change == FAILED and case.old == FAILED
        case.broken = case.base == PASSED and red and not case.own and not case.flaky


def _weigh(case: _Case, *, proved: set[str], kept: set[str]) -> None:
    """Say of one test whether it broke, was taken away, or has another expectation."""
    if case.flaky or case.base not in {PASSED, SKIPPED}:
        return
    gone = case.change == ABSENT
    case.deleted = gone and (case.removed or case.group not in kept)
    if case.base == SKIPPED:
        case.broken = case.change == FAILED and not case.own
        return
    if case.old == PASSED and case.change == PASSED:
        return
    if case.old == PASSED and gone:
        # Its old form holds on the change: it is taken away or has other parameters, but nothing broke.
        return
    explained = case.group in proved and case.edited
    said = case.declared and (case.edited or case.removed)
    if case.change in {PASSED, ABSENT} and (explained or said):
        case.expectation = True
        return
    case.broken = True


def result_of(verdict: Verdict, runs: Runs) -> VerifyResult:
    """Write a verdict into a result: counts, the comparisons that are not plainly green, and why it is no pass."""
    cases = verdict.cases
    result = VerifyResult(
        total=len(runs.change.verdicts),
        failed_before=sum(case.own and not case.flaky and case.base_new == FAILED for case in cases),
        passed_after=sum(case.proof for case in cases),
        failed_before_passed_after=sum(case.proof for case in cases),
        broken=sum(case.broken for case in cases),
        red_on_base=sum(case.base == FAILED and case.change == FAILED and not case.own for case in cases),
        blocked=sum(BLOCKED in {case.base, case.change} for case in cases),
        flaky=sum(case.flaky for case in cases),
        deleted=sum(case.deleted for case in cases),
    )
    result.failed_before = max(result.failed_before, result.failed_before_passed_after)
    listed = sorted((case for case in cases if _worth(case)), key=_weight)
    result.comparisons.extend(_comparison(case, runs) for case in listed[:MAX_LISTED])
    result.comparisons_left_out = max(0, len(listed) - MAX_LISTED)
    result.verdict_reason = shortened(why_not(verdict, runs), MAX_REASON)
    result.passed = not result.verdict_reason
    return result


def _worth(case: _Case) -> bool:
    """Tell whether a test is listed: all but those that are plainly green and not the change's."""
    return case.own or case.flaky or (case.base, case.change, case.old) != (PASSED, PASSED, PASSED)


def _weight(case: _Case) -> tuple[int, str]:
    """Put what matters first."""
    ranks = (case.broken, case.proof, case.own, case.deleted or case.expectation, case.flaky)
    return (ranks.index(True) if True in ranks else len(ranks), case.test)


def _comparison(case: _Case, runs: Runs) -> TestComparison:
    """Render one test."""
    found = [run.reasons.get(case.test, "") for run in (runs.change, runs.change_old, runs.base_new, runs.base) if run]
    return TestComparison(
        test=case.test[:4000],
        before=case.base_new,  # type: ignore[arg-type]
        after=case.change,  # type: ignore[arg-type]
        on_base=case.base,  # type: ignore[arg-type]
        old_form=case.old if runs.change_old is not None else UNKNOWN,  # type: ignore[arg-type]
        added=case.added,
        changed_expectation=case.expectation or (case.edited and not case.added),
        broken=case.broken,
        proof=case.proof,
        deleted=case.deleted,
        flaky=case.flaky,
        reason=shortened(next(filter(None, found), ""), MAX_REASON),
    )


def why_not(verdict: Verdict, runs: Runs) -> str:
    """Return why a verdict is no pass, in one sentence with its cause; empty where it is one."""
    return against(verdict, runs) or unproved(verdict, runs)


def against(verdict: Verdict, runs: Runs) -> str:
    """Return what speaks against a change: what it breaks, no verdict, red tests of its own, a gate."""
    broken = verdict.named(lambda case: case.broken)
    breaks = ""
    if broken:
        first = _reason(broken[0], runs.change, runs.change_old)
        breaks = f"{_tests(len(broken))} on base and not on the change: {_names(broken)}{first}"
    if verdict.problems or breaks:
        return "; ".join(filter(None, [breaks, *verdict.problems]))
    red = verdict.named(lambda case: case.own and case.change in {FAILED, BLOCKED} and not case.flaky)
    if red:
        return f"its own test {red[0]} does not pass on the change{_reason(red[0], runs.change)}"
    return verdict.gate


def unproved(verdict: Verdict, runs: Runs) -> str:
    """Return why nothing proves a change that breaks nothing; empty where something does."""
    if verdict.named(lambda case: case.proof):
        return ""
    own = [case for case in verdict.cases if case.own]
    if runs.change.unbuilt:
        file, reason = next(iter(sorted(runs.change.unbuilt.items())))
        return f"{file} cannot be loaded on the change: {_first_line(reason)}"
    if not own:
        return "the change brings no test that was run"
    if all(case.change == SKIPPED for case in own):
        return f"its tests are skipped{_reason(own[0].test, runs.change)}"
    if all(case.flaky for case in own):
        return "its tests pass and fail by turns"
    return "its tests pass on base too, so that they prove nothing: " + _names([case.test for case in own])


def _reason(test: str, *runs: RunVerdicts | None) -> str:
    """Return the first line of what a test said."""
    found = next((run.reasons[test] for run in runs if run is not None and run.reasons.get(test)), "")
    return f" ({_first_line(found)})" if found else ""


def _first_line(text: str) -> str:
    """Return the first line that says something, not too long."""
    return shortened(next((line.strip() for line in text.splitlines() if line.strip()), ""), 300)


def _tests(number: int) -> str:
    """Return how many tests pass."""
    return "1 test passes" if number == 1 else f"{number} tests pass"


def _names(tests: list[str]) -> str:
    """Return some names, and how many more there are."""
    return enumerated([shortened(test, 200) for test in tests], NAMED)


def approval_reasons(verdict: Verdict, *, harness: Mapping[str, str]) -> list[str]:
    """Return why a person has to approve: tests that were taken away, edits of what decides how tests are run.

    Args:
        verdict: What came out.
        harness: Edited files of that kind that the verdict rests on, with what each is.
    """
    gone = verdict.named(lambda case: case.deleted)
    reasons = [f"{what}: {path}" for path, what in sorted(harness.items())]
    if gone:
        what = "1 test that passes on base is" if len(gone) == 1 else f"{len(gone)} tests that pass on base are"
        reasons.append(f"{what} taken away: {_names(gone)}")
    return reasons
