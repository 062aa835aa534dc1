"""Every verdict that is no pass ends with what a person can do, chosen by its cause."""

from __future__ import annotations

from dataclasses import replace

import pytest

from miyabi_agents.toolchains.port import OwnTests
from miyabi_agents.verification import remedies
from miyabi_agents.verification.gate import Gated
from miyabi_agents.verification.judge import BLOCKED, FAILED, MAX_REASON, PASSED, SKIPPED, Runs, judge
from miyabi_agents.verification.results import merged
from services.agents.tests.verification.test_judge import GREEN, NEW, changed_tests, proven, run


def gated(*, own: OwnTests | None = None, flaky: frozenset[str] = frozenset(), **exchanged) -> Gated:
    """Return what a gate found for runs of which some are others than those of a proof."""
    named = proven(**exchanged)
    runs = Runs(named["base"], named["base_new"], named["change"], named["old"])
    tests = changed_tests(flaky=flaky)
    return Gated(judge(runs, tests if own is None else replace(tests, own=own)), runs)


def reason(**exchanged) -> str:
    """Return the reason of one project's verdict."""
    return merged([gated(**exchanged)]).verdict_reason


@pytest.mark.parametrize(
    ("exchanged", "helps"),
    [
        ({"base": run("signal 11", **GREEN)}, remedies.BASE_ENDS),
        ({"base_new": run("it took longer than 600 s")}, remedies.NEW_ENDS),
        ({"change": run("memory", new=PASSED, **GREEN)}, remedies.CHANGE_ENDS),
        ({"old": run("cut", old=PASSED)}, remedies.CHANGE_ENDS),
        ({"change": run(new=PASSED, old=PASSED, other=FAILED)}, remedies.BREAKS),
        ({"change": run(new=PASSED, old=PASSED, other=BLOCKED)}, remedies.SANDBOXED),
        ({"change": run(new=FAILED, **GREEN)}, remedies.RED),
        ({"change": run(new=BLOCKED, **GREEN)}, remedies.SANDBOXED),
        ({"change": run(new=SKIPPED, **GREEN)}, remedies.SKIPS),
        ({"base_new": run(new=PASSED, old=PASSED)}, remedies.GREEN_BEFORE),
        ({"flaky": frozenset({NEW})}, remedies.FLAKY),
        ({"own": OwnTests()}, remedies.NO_TEST),
    ],
)
def test_each_cause_has_its_remedy(exchanged, helps):
    """The cause comes first, then one sentence that helps against it."""
    found = reason(**exchanged)
    assert found.endswith(f". {helps}")
    assert len(found) > len(helps) + len(". ")


def test_a_file_that_cannot_be_loaded_has_its_remedy():
    """What it imports has to be in the manifest."""
    change = replace(run(**GREEN), unbuilt={"tests/test_a.py": "ModuleNotFoundError: No module named 'new'"})
    assert reason(change=change).endswith(f"No module named 'new'. {remedies.UNLOADED}")


def test_a_verdict_that_read_nothing_says_what_to_do():
    """No project, no test, no pass."""
    assert merged([]).verdict_reason == f"no test was run. {remedies.NO_TEST}"


def test_a_long_cause_leaves_room_for_the_remedy():
    """It is the cause that is shortened."""
    found = reason(base=run("x" * 5000, **GREEN))
    assert len(found) <= MAX_REASON
    assert found.endswith(remedies.BASE_ENDS)


def test_a_pass_has_no_remedy():
    """There is nothing to be done."""
    assert (reason(), merged([gated()]).passed) == ("", True)
