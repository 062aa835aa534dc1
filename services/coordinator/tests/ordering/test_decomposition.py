"""What an issue's text says of its steps and of other issues."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from miyabi_coordinator.decide import decide, new_run
from miyabi_coordinator.models import (
    Done,
    FailureReason,
    IssueFacts,
    LeaseGranted,
    OutcomeReceived,
    PlannedStep,
    Spec,
    TaskState,
    Usage,
)
from miyabi_coordinator.service.submitting.dependencies import dependencies_of, find_cycle
from miyabi_coordinator.service.submitting.listed_steps import MAX_DESCRIPTIONS, MAX_STEPS, MAX_TITLE, listed_steps

REPORT = """### Bug summary
It crashes.

### Steps to reproduce
1. Open the page
2. Press the button

### Expected outcome
- No crash

### Environment
- OS: Linux
- Python version: 3.11

### Before submitting
- [ ] I have searched existing issues
- [ ] I would be willing to submit a pull request
"""


def titles(body):
    return [step.title for step in listed_steps(body)]


@pytest.mark.parametrize(
    "body",
    [
        REPORT,
        "1) Create two models\n2) Delete the index -> fails",
        "To reproduce:\n1. Open\n2. Press",
        "## 再現手順\n1. 開く\n2. 押す\n\n## 環境\n- OS: macOS\n- Python: 3.11",
        "- [x] a detailed description of the bug\n- [ ] minimal example if possible",
        "```\n- [ ] one\n- [ ] two\n```",
        "    - [ ] one\n    - [ ] two",
        "<!-- - [ ] one\n- [ ] two -->",
        "> - [ ] one\n> - [ ] two",
        "- [x] one\n- [x] two",
        "- [ ] only one",
        "# Overview\n- fast\n- small",
        "## Tasks\n- [ ] #12\n- [ ] #13",
        "",
    ],
)
def test_what_is_no_list_of_tasks(body):
    """Reports, code, comments, quotations, ticked boxes and promises become no step."""
    assert titles(body) == []


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("- [x] done\n- [ ] Mend it\n* [ ] Test it", ["Mend it", "Test it"]),
        (REPORT + "\n### Tasks\n1. Guard the call\n2. Add a test", ["Guard the call", "Add a test"]),
        ("What needs to be done:\n- Mend it\n- Test it", ["Mend it", "Test it"]),
        ("## やること\n- 画面を直す\n- テストを足す", ["画面を直す", "テストを足す"]),
        ("## Task 1: The model\nAdd it.\n## Task 2: The view\nShow it.", ["The model", "The view"]),
        ("## TODO\n### Add a field\nOne.\n### Show it\nTwo.", ["Add a field", "Show it"]),
        ("- [ ] Parent\n  - [ ] child\n- [x] Done\n  - [ ] left over\n  - [ ] too", ["Parent", "left over", "too"]),
        ("- [ ] Mend `a`<!-- hidden -->\n- [ ] See #12 for why", ["Mend `a`", "See #12 for why"]),
    ],
)
def test_what_is_a_list_of_tasks(body, expected):
    """Open boxes, items under a heading or line that announces tasks, and numbered headings become steps."""
    assert titles(body) == expected


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("- [ ] a (after 2)\n- [ ] b\n- [ ] c, depends on 1 and 2", [(1,), (), (0, 1)]),
        ("- [x] a\n- [ ] b (after 1)\n- [ ] c (blocked by 2)", [(), (0,)]),
        ("## Tasks\n1. a\n2. b\n3. c (after 1)", [(), (0,), (0,)]),
        ("- [ ] wait after 2 seconds\n- [ ] b (after 2)", [(), ()]),
        ("- [ ] a\n- [ ] b (1の後)", [(), (0,)]),
        ("- [ ] a (after 2)\n- [ ] b (after 1)", [(1,), ()]),
        ("## Task 1: a\nText.\n## Task 2: b\nDepends on 1.", [(), (0,)]),
    ],
)
def test_declared_order(body, expected):
    """Numbers name items of the same list, ticked ones included; what closes a circle is left out."""
    assert [step.depends_on for step in listed_steps(body)] == expected


def test_what_ends_no_line_shifts_no_step():
    """A form feed or U+2028 in the text above the list leaves each description what was written below its step."""
    body = "Intro\u2028one\x0ctwo\x85three\n\n- [ ] First\n\n  More of it.\n- [ ] Second\n"
    plain = body.replace("\u2028", " ").replace("\x0c", " ").replace("\x85", " ")
    assert [(step.title, step.description) for step in listed_steps(body)] == [
        (step.title, step.description) for step in listed_steps(plain)
    ]


def test_circle_is_noted_and_nested_items_are_kept():
    """The step whose wish was left out says so; a parent's step holds what is nested in it."""
    steps = listed_steps("- [ ] a (after 2)\n- [ ] b (after 1)\n  - [ ] with a test")
    assert steps[0].description == ""
    assert "with a test" in steps[1].description
    assert "circle" in steps[1].description


@given(st.text("- [x]#1234.\n`<!>afterd ", max_size=300))
def test_any_text_gives_steps_within_their_limits(body):
    """Whatever the text, the order can be kept and the interface's limits hold."""
    steps = listed_steps(body)
    placed = set()
    while len(placed) < len(steps):
        free = [n for n, step in enumerate(steps) if n not in placed and placed.issuperset(step.depends_on)]
        assert free
        placed.update(free)
    assert all(0 < len(step.title) <= MAX_TITLE for step in steps)


def test_limits_are_kept():
    """A huge list is cut to what a plan may hold and a run should store, and each cut is said."""
    steps = listed_steps("\n".join(f"- [ ] {'x' * 400}{number}\n  - {'y' * 600}" for number in range(60)))
    assert len(steps) == MAX_STEPS
    assert all(len(step.title) <= MAX_TITLE and "left out" in step.title for step in steps)
    said = "The issue lists 10 more steps, which are beyond what a plan holds."
    assert steps[-1].description.endswith(said)
    assert sum(len(step.description) for step in steps) <= MAX_DESCRIPTIONS + len(said)


def test_issues_that_come_first():
    """Phrases in text, GitHub's blocked-by and sub-issues count; code, quotations, others' numbers and itself do not."""
    facts = [
        IssueFacts(
            1, "", "", "Depends on #2, #3 and #99\n\n```\nblocked by #4\n```\n> blocked by #5\n\n`depends on #6`"
        ),
        IssueFacts(2, "", "", "#3 に依存"),
        IssueFacts(3, "", "", "blocked by #3"),
        IssueFacts(4, "", "", "", blocked_by=(1, 98), sub_issues=(5,)),
        IssueFacts(5, "", "", ""),
        IssueFacts(6, "", "", "- [ ] #5\n- [x] #2"),
    ]
    found = dependencies_of(facts)
    assert found == {1: (2, 3), 2: (3,), 3: (), 4: (1, 5), 5: (), 6: (2, 5)}
    assert find_cycle(found) == []


def planned(steps):
    """Return what becomes of a plan with these steps where the issue lists two."""
    spec = Spec("acme/forms", (1,))
    listed = listed_steps("- [ ] a (after 2)\n- [ ] b")
    run = new_run("B", 1, spec=spec, title="", url="", depends_on=(), dependents=(), listed=listed)
    for name, result in (("triage", Done("triage", b"")), ("plan", Done("plan", b"", steps=steps))):
        run = decide(run, spec, LeaseGranted(name, "agent", 10.0, 100.0), 1.0).run
        run = decide(run, spec, OutcomeReceived(name, run.fence, result, Usage()), 2.0).run
    return run


def test_listed_steps_give_the_order_whatever_the_plan_says_of_it():
    """The plan keeps the titles; the order is the issue's."""
    run = planned((PlannedStep("a"), PlannedStep("b")))
    implement = [task for task in run.tasks if task.title in {"a", "b"}]
    assert [(task.title, task.plan_step) for task in implement] == [("b", 1), ("a", 0)]


def test_plan_that_ignores_listed_steps_is_none():
    """The task is tried again, and fails with MODEL_ANSWER in the end."""
    run = planned((PlannedStep("something else"),))
    task = run.task("plan")
    assert (task.state, task.reason) == (TaskState.BACKOFF, FailureReason.MODEL_ANSWER)
