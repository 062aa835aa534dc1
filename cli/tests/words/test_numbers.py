"""Numbers that a person types: what no field can hold is one error that names it, never a trace."""

from __future__ import annotations

import pytest
from scripted_coordinator import BATCH, ScriptedCoordinator, story
from test_commands import run_against

from miyabi_cli.asking.request import MOST_ISSUES, parse_issues
from miyabi_cli.errors import EXIT_REFUSED, CliError

SUBMIT = ("submit", "a/b", "--issues")


@pytest.mark.parametrize(
    ("words", "named"),
    [
        ((*SUBMIT, "99999999999"), "--issues"),
        ((*SUBMIT, "4294967295"), "--issues"),
        ((*SUBMIT, "²"), "--issues"),
        ((*SUBMIT, "1-2147483647"), "--issues"),
        ((*SUBMIT, "7", "--concurrency", "99999999999"), "--concurrency"),
        ((*SUBMIT, "7", "--priority", "-101"), "--priority"),
        ((*SUBMIT, "7", "--budget-tokens", "99999999999999999999"), "--budget-tokens"),
        ((*SUBMIT, "7", "--budget-usd", "nan"), "--budget-usd"),
        ((*SUBMIT, "7", "--issue-budget-usd", "inf"), "--issue-budget-usd"),
        ((*SUBMIT, "7", "--task-budget-usd", "-1"), "--task-budget-usd"),
        ((*SUBMIT, "7", "--budget-usd", "0.0000001"), "--budget-usd"),
        (("label", "a", "b", "99999999999"), "ISSUE"),
        (("retry", BATCH, "99999999999"), "ISSUES"),
        (("show", BATCH, "99999999999"), "ISSUE"),
        (("logs", BATCH, "99999999999"), "ISSUE"),
        (("logs", BATCH, "--after", "99999999999999999999"), "--after"),
        (("watch", BATCH, "--after", "99999999999999999999"), "--after"),
        (("report", BATCH, "--issue", "99999999999"), "--issue"),
    ],
)
async def test_a_number_that_no_field_holds_is_named(words: tuple[str, ...], named: str) -> None:
    """The coordinator is asked nothing, and nothing is taken for another number or for no limit."""
    coordinator = ScriptedCoordinator(story())
    code, output, errors = await run_against(coordinator, *words)
    assert (code, output) == (EXIT_REFUSED, "")
    assert named in errors
    assert "Traceback" not in errors


def test_as_many_issues_as_a_batch_has_are_read() -> None:
    """One more is an error, in one range or in several."""
    assert parse_issues(f"1-{MOST_ISSUES}") == list(range(1, MOST_ISSUES + 1))
    for text in (f"1-{MOST_ISSUES + 1}", f"1-{MOST_ISSUES},70000"):
        with pytest.raises(CliError, match="more than"):
            parse_issues(text)
