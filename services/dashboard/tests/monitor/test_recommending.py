"""Each entry of the catalogue is told where it was planted, and nothing where there is nothing to say."""

from __future__ import annotations

import pytest
from story import Story

from miyabi_dashboard.monitor.recommending import facts_of, read_catalogue, recommended
from miyabi_dashboard.monitor.reporting.of_batch import measured

#: When everything happens.
NOW = 1_789_999_200.0


def advice_on(story: Story, *, slots: int = 0) -> dict:
    """Return what is recommended, by the entry's id."""
    found = measured(story.events, slots=slots)
    facts = facts_of(found.analysis, found.bucket, budget_usd_micros=found.budget_usd_micros)
    return {advice.catalogue_id: advice for advice in recommended(found.analysis, facts)}


def steady() -> Story:
    """Return a batch that nothing held up: two issues beside each other, each with its own agent."""
    story = Story(NOW, issues=(1, 2), concurrency=4)
    for issue in (1, 2):
        story.task(issue, "triage", "leased", agent=f"agent-{issue}")
    story.now += 20
    for issue in (1, 2):
        story.task(issue, "triage", "succeeded", agent=f"agent-{issue}", cost=10)
        story.run(issue, "succeeded")
    story.finish()
    return story


def one_after_the_other(*, concurrency: int, parallel: int = 0, agents: int = 1) -> Story:
    """Return four issues of ten seconds of which one is worked on at a time."""
    story = Story(NOW, issues=(1, 2, 3, 4), concurrency=concurrency, parallel=parallel)
    for issue in (1, 2, 3, 4):
        story.task(issue, "triage", "leased", agent=f"agent-{issue % agents}")
        story.now += 10
        story.task(issue, "triage", "succeeded")
        story.run(issue, "succeeded")
    story.finish()
    return story


def full_agents() -> Story:
    """Return twenty-four issues on one agent with eight slots."""
    numbers = tuple(range(1, 25))
    story = Story(NOW, issues=numbers, concurrency=24)
    for start in range(0, 24, 8):
        for issue in numbers[start : start + 8]:
            story.task(issue, "triage", "leased")
        story.now += 10
        for issue in numbers[start : start + 8]:
            story.task(issue, "triage", "succeeded")
            story.run(issue, "succeeded")
    story.finish()
    return story


def verified(*calls: tuple[str, float], issues: int = 1) -> Story:
    """Return issues one after the other whose verification consists of calls."""
    story = Story(NOW, issues=tuple(range(1, issues + 1)), concurrency=issues)
    for issue in range(1, issues + 1):
        story.task(issue, "verify", "leased")
        for tool, seconds in calls:
            story.now += seconds
            story.call(issue, "verify", tool, seconds)
        story.now += 1
        story.task(issue, "verify", "succeeded")
        story.run(issue, "succeeded")
    story.finish()
    return story


def modelled(*, seconds: float, refused: int = 0, calls: int = 1) -> Story:
    """Return an issue whose time goes to calls of a model, some of which are refused before a repeat."""
    story = Story(NOW)
    if refused:
        story.task(1, "triage", "leased")
        for _ in range(refused):
            story.now += 1
            story.call(1, "triage", "model.messages", 0.1, model="claude-test", well=False)
        story.task(1, "triage", "backoff", reason="model_unavailable")
        story.now += 10
        story.task(1, "triage", "ready")
    story.task(1, "triage", "leased")
    for _ in range(calls):
        story.now += seconds
        story.call(1, "triage", "model.messages", seconds, model="claude-test")
    story.task(1, "triage", "succeeded")
    story.run(1, "succeeded")
    story.finish()
    return story


def unpaid() -> Story:
    """Return two issues of which one could not be paid for."""
    story = Story(NOW, issues=(1, 2), budget=1_000_000)
    for issue, state in ((1, "succeeded"), (2, "failed")):
        story.task(issue, "triage", "leased")
        story.now += 2
        reason = "" if state == "succeeded" else "budget_exhausted"
        story.task(issue, "triage", state, reason=reason, cost=500_000)
        story.run(issue, state, reason=reason)
    story.finish("failed")
    return story


PLANTED = {
    "more-slots": lambda: one_after_the_other(concurrency=4),
    "more-agents": full_agents,
    "more-concurrency": lambda: one_after_the_other(concurrency=1),
    "more-parallel-tasks": lambda: one_after_the_other(concurrency=4, parallel=1),
    "faster-model": lambda: modelled(seconds=12, calls=3),
    "smaller-whole-suite": lambda: verified(("tests.base", 60.0), ("tests.change", 60.0)),
    "larger-environment-cache": lambda: verified(("environment.build", 30.0), issues=4),
    "slower-pace": lambda: modelled(seconds=1, refused=5, calls=30),
    "larger-budget": unpaid,
}


def paid() -> Story:
    """Return two issues with a budget that was enough."""
    story = Story(NOW, issues=(1, 2), budget=1_000_000)
    for issue in (1, 2):
        story.work(issue, "triage", 2.0)
        story.run(issue, "succeeded")
    story.finish()
    return story


#: Of each entry a situation much like the planted one in which it would not help.
QUIET = {
    "more-slots": full_agents,
    "more-agents": lambda: one_after_the_other(concurrency=4),
    "more-concurrency": lambda: one_after_the_other(concurrency=4),
    "more-parallel-tasks": lambda: one_after_the_other(concurrency=1, parallel=1),
    "faster-model": lambda: modelled(seconds=4, calls=3),
    "smaller-whole-suite": lambda: verified(("tests.base", 6.0), ("tests.change", 60.0)),
    "larger-environment-cache": lambda: verified(("environment.build", 30.0), ("ruff", 600.0), issues=4),
    "slower-pace": lambda: modelled(seconds=1, refused=1, calls=30),
    "larger-budget": paid,
}


@pytest.mark.parametrize("entry", read_catalogue(), ids=lambda entry: entry.id)
def test_each_entry_is_silent_where_it_would_not_help(entry):
    """A situation that differs in what the entry is about alone."""
    assert entry.id not in advice_on(QUIET[entry.id]())


@pytest.mark.parametrize("entry", read_catalogue(), ids=lambda entry: entry.id)
def test_each_entry_is_told_where_it_was_planted(entry):
    """With evidence, setting, present and proposed value, and the gain of the schedule that is run again."""
    advice = advice_on(PLANTED[entry.id](), slots=0)[entry.id]
    assert advice.setting == entry.setting
    assert all((advice.text, advice.evidence, advice.present_value, advice.proposed_value, advice.example))
    assert "{" not in advice.text + advice.evidence + advice.present_value + advice.proposed_value
    assert advice.HasField("expected_gain") == (entry.change is not None)
    assert not advice.HasField("expected_gain") or advice.expected_gain.ToTimedelta().total_seconds() >= 1


def test_every_entry_has_a_situation_and_every_situation_an_entry():
    """None is added without a test."""
    assert set(PLANTED) == set(QUIET) == {entry.id for entry in read_catalogue()}


def test_nothing_is_recommended_where_nothing_would_help():
    """A batch that nothing held up gets no advice."""
    assert advice_on(steady()) == {}


def test_the_gain_is_that_of_the_schedule_and_the_smallest_amount_nearly_as_good_is_proposed():
    """Four tasks of ten seconds after each other: three more slots end them thirty seconds sooner; four are tried."""
    advice = advice_on(one_after_the_other(concurrency=4))["more-slots"]
    assert advice.expected_gain.ToTimedelta().total_seconds() == 30
    assert advice.proposed_value.startswith("5 ")


def test_the_heaviest_advice_comes_first():
    """What gains most stands at the top."""
    found = measured(one_after_the_other(concurrency=1).events)
    advice = recommended(found.analysis, facts_of(found.analysis, found.bucket))
    gains = [entry.expected_gain.ToTimedelta() for entry in advice]
    assert gains == sorted(gains, reverse=True)
