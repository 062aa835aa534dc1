"""What a person can do where tests do not prove a change: one sentence for each cause that `judge` names."""

from __future__ import annotations

from miyabi_agents.verification.config import FILE_NAME
from miyabi_agents.verification.judge import BLOCKED, FAILED, SKIPPED, Runs, Verdict

#: For a run that came to no end: base's tests, the new ones on base, and either on the change.
BASE_ENDS = f"Make base's own tests run to their end, or say in {FILE_NAME} how they are run (`test.command`)."
NEW_ENDS = "Make the new tests end on base too: they have to fail there, not to hang or to crash."
CHANGE_ENDS = f"Mend what ends that run, which its output says, or give it more time in {FILE_NAME} (`test.timeout`)."
#: For tests that the change breaks, and for its own that are red.
BREAKS = "Mend the change; where an expectation is meant to change, edit the test and declare it."
RED = "Mend the change or its test."
#: For what the sandbox forbids.
SANDBOXED = (
    "The sandbox allows a loopback and the test's own folders: write the test so that it needs no more, or have a "
    "person run it."
)
#: For changes that nothing proves.
UNLOADED = "Mend the file, or what it imports: a package that is new has to be in the project's manifest."
NO_TEST = (
    f"Add a test that fails without the change, where the runner finds it, or name it in {FILE_NAME} (`test.targets`)."
)
SKIPS = "Install what the tests ask for, by the project's manifest, or write a test that is not skipped."
FLAKY = "Take time, order and chance out of the tests."
GREEN_BEFORE = "Write a test that fails without the change."
#: For a condition of the runner that no test is part of, such as a share of covered lines: as a note, and as the cause.
GATE = "no verdict rests on it, so that the project's own run has to be looked at"
UNMET = f"Meet the condition, such as by tests for what is new, or let it be a note in {FILE_NAME} (`test.gate`)."


def remedy(verdict: Verdict, runs: Runs) -> str:
    """Return what helps against the cause that `judge.why_not` names; meaningless where there is none."""
    broken = [case for case in verdict.cases if case.broken]
    if verdict.problems:
        if not runs.base.complete:
            return BASE_ENDS
        ends = CHANGE_ENDS if runs.base_new.complete else NEW_ENDS
        return f"{BREAKS} {ends}" if broken else ends
    if broken:
        return SANDBOXED if all(BLOCKED in {case.change, case.old} for case in broken) else BREAKS
    red = [case for case in verdict.cases if case.own and case.change in {FAILED, BLOCKED} and not case.flaky]
    if red:
        return SANDBOXED if red[0].change == BLOCKED else RED
    if verdict.gate:
        return UNMET
    return _of_unproved(verdict, runs)


def _of_unproved(verdict: Verdict, runs: Runs) -> str:
    """Return what helps where nothing breaks and nothing proves, in the order of `judge.unproved`."""
    own = [case for case in verdict.cases if case.own]
    if runs.change.unbuilt:
        return UNLOADED
    if not own:
        return NO_TEST
    if all(case.change == SKIPPED for case in own):
        return SKIPS
    return FLAKY if all(case.flaky for case in own) else GREEN_BEFORE
