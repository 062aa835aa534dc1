"""Which stretches a path has, and what each had gained had it been zero."""

from __future__ import annotations

import pytest
from story import Story

from miyabi.dashboard.v1.telemetry_service_pb2 import SegmentKind
from miyabi_dashboard.monitor.critical_path import Change, makespan, path_of_batch, plan_of, read_history
from miyabi_dashboard.monitor.critical_path.analysis import Analysis
from miyabi_dashboard.monitor.critical_path.plan import Plan, RunPlan, Step, Try

#: When everything happens.
NOW = 1_789_999_200.0


def told(history) -> list[tuple[str, str, float]]:
    """Return the stretches of a batch's path."""
    return [
        (SegmentKind.Name(entry.kind).removeprefix("SEGMENT_KIND_"), entry.subject, round(entry.seconds, 3))
        for entry in path_of_batch(history)
    ]


def test_a_slot_wait_is_told_from_a_wait_for_an_agent() -> None:
    """The second issue waits ten seconds for the batch's one place, then three for an agent."""
    story = Story(NOW, issues=(1, 2), concurrency=1)
    story.work(1, "triage", 10.0)
    story.run(1, "succeeded")
    story.work(2, "triage", 4.0, after=3.0)
    assert told(read_history(story.events)) == [
        ("SLOT_WAIT", "triage", 10.0), ("QUEUE_WAIT", "triage", 3.0), ("WORK", "triage", 4.0),
    ]  # fmt: skip


def test_a_pause_is_no_wait_for_an_agent() -> None:
    """What an operator stopped is told as that, and its gain is the whole pause."""
    story = Story(NOW)
    story.batch("running", "paused")
    story.now += 20
    story.batch("paused", "running")
    story.work(1, "triage", 4.0)
    story.run(1, "succeeded")
    story.finish()
    history = read_history(story.events)
    assert ("PAUSED", "triage", 20.0) in told(history)
    assert Analysis(history, slots=2).gain(Change(no_stops=True)) == pytest.approx(20)


def test_an_approval_is_a_persons_time() -> None:
    """From the question to the answer; without it the batch had ended so much sooner."""
    story = Story(NOW)
    story.task(1, "triage", "leased")
    story.now += 5
    story.add(1, "pull_request", after="triage")
    story.task(1, "triage", "succeeded")
    story.run(1, "awaiting_approval")
    story.now += 60
    story.approve(1)
    story.task(1, "pull_request", "ready")
    story.work(1, "pull_request", 2.0)
    story.run(1, "succeeded")
    story.finish()
    history = read_history(story.events)
    assert told(history) == [("WORK", "triage", 5.0), ("APPROVAL", "", 60.0), ("WORK", "pull_request", 2.0)]
    assert Analysis(history, slots=1).gain(Change(no_approval=True)) == pytest.approx(60)


def test_attempts_that_were_lost_and_their_pauses_count() -> None:
    """A failed attempt of six seconds and a pause of two: eight seconds sooner without."""
    story = Story(NOW)
    story.task(1, "triage", "leased")
    story.now += 6
    story.task(1, "triage", "backoff", reason="model_unavailable")
    story.now += 2
    story.task(1, "triage", "ready")
    story.work(1, "triage", 4.0)
    story.run(1, "succeeded")
    story.finish()
    analysis = Analysis(read_history(story.events), slots=1)
    assert makespan(analysis.plan) == pytest.approx(12)
    assert analysis.gain(Change(no_lost=True)) == pytest.approx(8)
    assert analysis.gain(Change(no_pauses=True)) == pytest.approx(2)


def test_gains_are_not_shares() -> None:
    """Two chains side by side of 10 and 9 seconds: without the longer one the other is left, one second sooner."""
    runs = tuple(RunPlan(issue, (Step("triage", kind, (), (Try(seconds),)),)) for issue, kind, seconds in
                 ((1, "implement", 10.0), (2, "verify", 9.0)))  # fmt: skip
    plan = Plan(runs, concurrency=2, parallel=2, slots=2)
    assert makespan(plan) == 10
    assert makespan(Change(kind="implement", factor=0.0).of(plan)) == 9
    assert makespan(Change(kind="verify", factor=0.0).of(plan)) == 10


def test_half_the_models_time_is_taken_from_what_called_them() -> None:
    """Of ten seconds, six in calls: three seconds sooner."""
    plan = Plan((RunPlan(1, (Step("plan", "plan", (), (Try(10.0, model_seconds=6.0),)),)),), 1, 1)
    assert makespan(Change(model_factor=0.5).of(plan)) == 7


def test_a_batch_that_goes_on_is_told_up_to_now() -> None:
    """Its newest event ends what is still under way."""
    story = Story(NOW)
    story.task(1, "triage", "leased")
    story.now += 7
    story.call(1, "triage", "ruff", 1.0)
    history = read_history(story.events)
    assert told(history) == [("WORK", "triage", 7.0)]
    assert makespan(plan_of(history)) == pytest.approx(7)


def test_a_batch_without_any_lease_has_no_path() -> None:
    """Nothing has begun, and nothing is said."""
    assert path_of_batch(read_history(Story(NOW).events)) == []
