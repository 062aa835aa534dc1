"""What proves a change and what speaks against it, run against run; each row is a way in which a verdict could be wrong."""

from __future__ import annotations

import pytest

from miyabi_agents.toolchains.port import OwnTests, RunVerdicts
from miyabi_agents.verification.judge import (
    ABSENT,
    BLOCKED,
    FAILED,
    PASSED,
    SKIPPED,
    ChangedTests,
    Runs,
    approval_reasons,
    judge,
    result_of,
)

NEW, OLD = "tests/test_a.py::test_new", "tests/test_a.py::test_old"
OTHER = "tests/test_b.py::test_other"


def run(problem="", unbuilt=(), **verdicts):
    """Return a run; `new`, `old` and `other` name the three tests, None leaves one out."""
    names = {"new": NEW, "old": OLD, "other": OTHER}
    found = {names.get(name, name): verdict for name, verdict in verdicts.items() if verdict is not None}
    return RunVerdicts(found, complete=not problem, problem=problem, unbuilt=dict.fromkeys(unbuilt, "ImportError: x"))


def changed_tests(**facts):
    """Return what the change does to tests: by default it adds one to a file that is there."""
    own = {name: frozenset(facts.pop(name, ())) for name in ("added", "edited", "removed")}
    if not any(own.values()) and not facts.get("by_data"):
        own["added"] = frozenset({NEW})
    return ChangedTests(
        OwnTests(**own),
        frozenset(facts.pop("edited_files", {"tests/test_a.py"})),
        lambda test: test.partition("[")[0],
        lambda test: test.partition("::")[0],
        by_data=facts.pop("by_data", False),
        **{name: frozenset(value) for name, value in facts.items()},
    )


def verdict_on(base, base_new, change, old=None, **facts):
    """Judge, and return the result."""
    runs = Runs(base, base_new, change, old)
    return result_of(judge(runs, changed_tests(**facts)), runs)


GREEN = {"old": PASSED, "other": PASSED}


def proven(**more):
    """Return the four runs of a change that is right, with some of them exchanged."""
    runs = {
        "base": run(**GREEN),
        "base_new": run(new=FAILED, old=PASSED),
        "change": run(new=PASSED, **GREEN),
        "old": run(old=PASSED),
    }
    return {**runs, **more}


def test_new_test_that_turns_green_is_the_proof():
    """Red on base, green on the change, nothing else touched."""
    result = verdict_on(**proven())
    assert (result.passed, result.failed_before_passed_after, result.broken) == (True, 1, 0)
    assert result.comparisons[0].test == NEW


@pytest.mark.parametrize(
    ("exchanged", "cause"),
    [
        ({"base_new": run(new=PASSED, old=PASSED)}, "pass on base too"),
        ({"change": run(new=FAILED, **GREEN)}, "does not pass on the change"),
        ({"change": run(new=SKIPPED, **GREEN)}, "are skipped"),
        ({"change": run(new=BLOCKED, **GREEN)}, "does not pass on the change"),
        ({"change": run(new=PASSED, old=PASSED, other=FAILED)}, "test_other"),
        ({"change": run(new=PASSED, old=PASSED, other=SKIPPED)}, "test_other"),
        ({"change": run(new=PASSED, old=PASSED, other=BLOCKED)}, "test_other"),
        ({"change": run(new=PASSED, old=PASSED)}, "test_other"),
        ({"change": run(new=PASSED, old=FAILED, other=PASSED)}, "test_old"),
        ({"old": run(old=FAILED)}, "test_old"),
        ({"old": run(old=SKIPPED)}, "test_old"),
        ({"base": run("signal 11", **GREEN)}, "base's own tests came to no end: signal 11"),
        ({"base_new": run("time")}, "the new tests on base came to no end"),
        ({"change": run("signal 11", new=PASSED, **GREEN)}, "the change came to no end"),
        ({"old": run("cut", old=PASSED)}, "base's own tests on the change came to no end"),
    ],
)
def test_what_is_no_pass_says_its_cause(exchanged, cause):
    """Nothing is a pass but red turned green with everything else as it was, in runs that came to their end."""
    result = verdict_on(**proven(**exchanged))
    assert not result.passed
    assert cause in result.verdict_reason


def test_base_that_stops_at_a_new_import_hides_nothing():
    """The new file cannot be loaded on base; what breaks elsewhere is seen all the same: base's own tests stand apart."""
    result = verdict_on(
        **proven(base_new=run(unbuilt=["tests/test_a.py"]), change=run(new=PASSED, old=PASSED, other=FAILED))
    )
    assert (result.passed, result.broken) == (False, 1)


@pytest.mark.parametrize("problem", ["the runner ended with status 4", "the run did not end within its time"])
def test_what_breaks_is_counted_where_only_the_new_tests_did_not_end_on_base(problem):
    """Base's own tests were run apart, so that a red one of them is broken whatever the new ones did there."""
    broken = proven(base_new=run(problem), change=run(new=PASSED, old=PASSED, other=FAILED))
    result = verdict_on(**broken)
    assert (result.passed, result.broken, result.failed_before_passed_after) == (False, 1, 0)
    assert result.verdict_reason.startswith("1 test passes on base and not on the change: tests/test_b.py::test_other")
    assert problem in result.verdict_reason
    assert verdict_on(**proven(base_new=run(problem))).broken == 0
    assert verdict_on(**{**broken, "change": run(problem, other=FAILED)}).broken == 0


def test_new_test_of_a_new_symbol_proves():
    """A file that cannot be loaded on base is red there."""
    assert verdict_on(**proven(base_new=run(unbuilt=["tests/test_a.py"]))).passed


def test_test_that_is_taken_away_and_fails_in_its_old_form_is_broken():
    """Deleting the test that shows a break hides nothing."""
    result = verdict_on(**proven(change=run(new=PASSED, other=PASSED), old=run(old=FAILED)), added=[NEW], removed=[OLD])
    assert (result.passed, result.broken, result.deleted) == (False, 1, 1)


def test_test_that_is_taken_away_without_harm_asks_a_person():
    """Its old form holds, so nothing broke; that it is gone is for a person to judge."""
    runs = Runs(
        **{
            ("change_old" if name == "old" else name): value
            for name, value in proven(change=run(new=PASSED, other=PASSED)).items()
        }
    )
    verdict = judge(runs, changed_tests(added=[NEW], removed=[OLD]))
    assert result_of(verdict, runs).passed
    assert approval_reasons(verdict, harness={}) == [f"1 test that passes on base is taken away: {OLD}"]


def test_edited_expectation_that_proves_is_shown_not_broken():
    """The old form fails on the change since its expectation is another one; the new form is red on base."""
    result = verdict_on(run(**GREEN), run(old=FAILED), run(**GREEN), run(old=FAILED), added=[], edited=[OLD])
    assert (result.passed, result.broken, result.failed_before_passed_after) == (True, 0, 1)
    assert result.comparisons[0].changed_expectation


def test_edited_test_that_proves_nothing_does_not_excuse_a_break():
    """A test that is weakened so that it passes everywhere is no changed expectation."""
    result = verdict_on(run(**GREEN), run(old=PASSED), run(**GREEN), run(old=FAILED), edited=[OLD])
    assert (result.passed, result.broken) == (False, 1)


def test_parameters_are_told_apart():
    """Parameters of an edited test come and go; those that break are seen, those that prove count."""
    one, two = f"{OLD}[1-x]", f"{OLD}[2-y]"
    result = verdict_on(
        run(**{one: PASSED}), run(**{two: FAILED}), run(**{two: PASSED}), run(**{one: FAILED}), edited=[OLD]
    )
    assert (result.passed, result.failed_before_passed_after) == (True, 1)


def test_red_on_base_is_listed_and_not_counted():
    """What was red before is not the change's fault."""
    result = verdict_on(**proven(base=run(old=PASSED, other=FAILED), change=run(new=PASSED, old=PASSED, other=FAILED)))
    assert (result.passed, result.red_on_base, result.broken) == (True, 1, 0)


def test_flaky_test_counts_for_nothing():
    """What passes and fails by turns neither breaks nor proves."""
    broken = proven(change=run(new=PASSED, old=PASSED, other=FAILED))
    result = verdict_on(**broken, flaky=[OTHER])
    assert (result.passed, result.flaky, result.broken) == (True, 1, 0)
    assert not verdict_on(**proven(), flaky=[NEW]).passed


def test_harness_of_the_change_is_judged_by_base_s_own():
    """With every test run in its old surroundings, one that only the change's harness calls passed is broken."""
    result = verdict_on(**proven(old=run(old=PASSED, other=FAILED)), every_old=True and [1])
    assert (result.passed, result.broken) == (False, 1)


@pytest.mark.parametrize(("counts", "passed"), [(True, False), (False, True)])
def test_a_gate_speaks_against_a_proven_change_where_the_repository_says_so(counts, passed):
    """Every test is as it should be; whether the condition that is no test counts is the repository's to say."""
    runs = Runs(**{("change_old" if name == "old" else name): made for name, made in proven().items()})
    verdict = judge(runs, changed_tests())
    verdict.gate = "80 % of the lines are covered, the project asks for 95 %" if counts else ""
    result = result_of(verdict, runs)
    assert (result.passed, result.failed_before_passed_after, result.verdict_reason) == (passed, 1, verdict.gate)


CASE = f"{OLD}[case]"


@pytest.mark.parametrize("before", [PASSED, None])
def test_a_test_whose_data_the_change_edits_is_a_proof(before):
    """It passes on base with base's data or is not there, fails there with the change's, and passes on the change."""
    runs = {
        "base": run(**{CASE: before}, **GREEN),
        "base_new": run(**{CASE: FAILED}, **GREEN),
        "change": run(**{CASE: PASSED}, **GREEN),
        "old": run(**{CASE: before and FAILED}, **GREEN),
    }
    files = {"tests/test_a.py"}
    result = verdict_on(**runs, by_data=True, edited_files=files)
    assert (result.passed, result.failed_before_passed_after, result.broken) == (True, 1, 0)
    assert result.comparisons[0].changed_expectation
    assert not verdict_on(**runs, added={NEW}, edited_files=files).passed
    assert not verdict_on(**runs, by_data=True, flaky={CASE}, edited_files=files).passed


@pytest.mark.parametrize(
    ("exchanged", "cause"),
    [
        ({"change": {CASE: FAILED}}, "1 test passes on base and not on the change"),
        ({"base_new": {CASE: PASSED}}, "test_old[case]"),
        ({"base": {CASE: FAILED}}, "brings no test"),
        ({"base": {CASE: SKIPPED}}, "brings no test"),
        ({"change": {CASE: PASSED, "other": FAILED}}, "test_other"),
    ],
)
def test_data_that_proves_nothing(exchanged, cause):
    """Data that base passes too, a test that was red before, and one that breaks beside it are no pass."""
    runs = {"base": {CASE: PASSED}, "base_new": {CASE: FAILED}, "change": {CASE: PASSED}, "old": {CASE: FAILED}}
    made = {name: run(**{**GREEN, **verdicts, **exchanged.get(name, {})}) for name, verdicts in runs.items()}
    result = verdict_on(**made, by_data=True, edited_files={"tests/test_a.py"})
    assert not result.passed
    assert cause in result.verdict_reason


def test_absent_everywhere_is_nothing():
    """A change whose tests were not collected proves nothing."""
    result = verdict_on(run(**GREEN), run(old=PASSED), run(**GREEN), run(old=PASSED))
    assert not result.passed
    assert "brings no test that was run" in result.verdict_reason
    assert ABSENT not in {entry.after for entry in result.comparisons}
