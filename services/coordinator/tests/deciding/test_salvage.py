"""A budget that ends in the middle: what is proven is delivered as a draft and says what it lacks, nothing else is."""

from __future__ import annotations

import asyncio

import pytest
from msgspec.structs import replace

from miyabi.coordinator.v1 import coordinator_service_pb2 as pb
from miyabi.coordinator.v1 import dispatch_service_pb2, state_pb2
from miyabi_coordinator.decide import decide, new_run
from miyabi_coordinator.models import (
    Budget,
    Done,
    Failed,
    FailureReason,
    Funds,
    LeaseGranted,
    OutcomeReceived,
    PlannedStep,
    RetryRequested,
    RunState,
    Spec,
    TaskKind,
    TaskState,
    Usage,
)
from miyabi_coordinator.service.limiting.estimates import from_table
from miyabi_coordinator.testing import REPOSITORY, succeed
from miyabi_coordinator.translate.dispatch import lease

SPEC = Spec("acme/forms", (1,), base_branch="main", base_sha="a" * 40)
ESTIMATES = from_table()
FIELDS = ("triage", "plan", "change_set", "verification", "review", "documentation", "pull_request")
STEPS = (PlannedStep("Mend the form"), PlannedStep("Add the field.", (0,)), PlannedStep("Drop the old one", (1,)))
OUT = Failed(FailureReason.BUDGET_EXHAUSTED, "The budget of the task is spent.")
REFUSED = {"passed": False, "why": "the field is not escaped"}


def begun():
    return new_run("01ARZ3NDEKTSV4RRFFQ69G5FAV", 1, spec=SPEC, title="", url="", depends_on=(), dependents=())


def ended(run, result, *, spec=SPEC, kind=None, funds=None):
    """Lease the next ready task, of a kind where one is named, and end it; a result's facts may be given alone."""
    task = next(task for task in run.tasks if task.state is TaskState.READY and kind in {None, task.kind})
    granted = LeaseGranted(task.id, "agent", 10, 100, funds or Funds(), ESTIMATES)
    run = decide(run, spec, granted, 1).run
    if isinstance(result, dict):
        facts = {"files": 1, "steps": STEPS, "passed": True, **result}
        result = Done(FIELDS[task.kind - 1], b"\x0a\x01x" if task.kind is TaskKind.IMPLEMENT else b"\x08\x01", **facts)
    return decide(run, spec, OutcomeReceived(task.id, run.fence, result, Usage(cost_usd_micros=10)), 2).run


def after(*results, spec=SPEC):
    """Return the run after as many tasks, each with its result."""
    run = begun()
    for result in results:
        run = ended(run, result, spec=spec)
    return run


def ready(run):
    """Return the kinds of the tasks that are ready."""
    return [task.kind.name for task in run.tasks if task.state is TaskState.READY]


MADE = ({}, {}, {}, {}, {})  #: triage, plan, three steps
WAYS = {
    "review cut short": ((*MADE, {}), (TaskKind.REVIEW,), ("A review of the change.", "Documentation of the change.")),
    "documentation cut short": ((*MADE, {}, {}), (TaskKind.DOCUMENT,), ("Documentation of the change.",)),
    "mending cut short": (
        (*MADE, {}, REFUSED),
        (TaskKind.IMPLEMENT,),
        (
            "Mend the change (round 1).",
            "The review did not pass: the field is not escaped.",
            "A review of the change.",
            "Documentation of the change.",
        ),
    ),
}


@pytest.mark.parametrize("way", WAYS)
def test_what_is_proven_is_delivered_and_says_what_it_lacks(way):
    """Straight to the pull request; the run is no success, names the budget and the spend, and has the draft."""
    results, (kind,), missing = WAYS[way]
    run = ended(after(*results), OUT, kind=kind)
    assert (run.state, run.missing, ready(run)) == (RunState.RUNNING, missing, ["PULL_REQUEST"])
    assert all(task.state.terminal for task in run.tasks if task.kind is not TaskKind.PULL_REQUEST)
    task = next(task for task in run.tasks if task.state is TaskState.READY)
    assert list(lease(run, task, spec=SPEC, traceparent="").inputs.missing) == list(missing)
    run = ended(run, {})
    assert (run.state, run.reason) == (RunState.FAILED, FailureReason.BUDGET_EXHAUSTED)
    assert run.message == f"The budget ended. What is proven is in the draft; it lacks: {' '.join(missing)}"
    assert run.results.pull_request
    assert run.spent.cost_usd_micros == 10 * (len(results) + 2)


def test_documentation_of_an_older_change_is_none_of_the_newest():
    """A round came behind it: the draft has no documentation, and says so."""
    run = ended(after(*MADE, {}), {}, kind=TaskKind.DOCUMENT)
    run = ended(run, REFUSED, kind=TaskKind.REVIEW)
    run = ended(ended(ended(run, {}), {}), OUT, kind=TaskKind.REVIEW)
    assert not run.results.documentation
    assert ready(run) == ["PULL_REQUEST"]
    assert run.missing[-2:] == ("A review of the change.", "Documentation of the change.")


def test_a_refusal_that_a_later_round_answered_is_not_listed():
    """The round that the review asked for was made and is proven: what it said of the change before is no lack."""
    run = after(*MADE, {})
    run = ended(run, REFUSED, kind=TaskKind.REVIEW)
    run = ended(ended(ended(run, {}), {}), OUT, kind=TaskKind.REVIEW)
    assert run.missing == ("A review of the change.", "Documentation of the change.")


def test_steps_that_were_made_are_tested_and_then_delivered():
    """Of three steps two were made: their tests run, and what is proven is delivered without the third."""
    run = ended(after({}, {}, {}, {}), OUT)
    assert run.missing[0] == "Drop the old one."
    assert ready(run) == ["VERIFY"]
    run = ended(run, {})
    assert ready(run) == ["PULL_REQUEST"]
    run = ended(run, {})
    assert (run.state, run.reason) == (RunState.FAILED, FailureReason.BUDGET_EXHAUSTED)
    assert run.results.pull_request


def test_steps_that_tests_do_not_prove_are_not_delivered():
    """No round mends them, for there is no money; one reason, and why."""
    run = ended(after({}, {}, {}), OUT)
    run = ended(run, {"passed": False, "why": "one test fails"})
    assert (run.state, run.reason) == (RunState.FAILED, FailureReason.BUDGET_EXHAUSTED)
    assert run.message == (
        "The budget ended, and what was made is not proven. The tests do not prove the change: one test fails."
    )
    assert not run.results.pull_request


@pytest.mark.parametrize(
    "results",
    [(), ({},), ({}, {}), (*MADE, {"passed": False})],
    ids=["triage", "plan", "first step", "a round after failed tests"],
)
def test_where_nothing_is_proven_the_run_ends_at_once(results):
    """With the agent's own words."""
    run = ended(after(*results), OUT)
    assert (run.state, run.reason, run.message) == (RunState.FAILED, FailureReason.BUDGET_EXHAUSTED, OUT.message)


def test_a_batch_of_which_nothing_is_left_still_delivers_what_is_proven():
    """The last step asks no model: it is leased though the batch's money is spent, and reserves nothing."""
    spec = replace(SPEC, issue_budget=Budget(usd_micros=60_000_000), budget=Budget(usd_micros=60_000_000))
    run = begun()
    plenty = Funds(spec.budget)
    for result in (*MADE, {}):
        run = ended(run, result, spec=spec, funds=plenty)
    run = ended(run, OUT, spec=spec, funds=plenty, kind=TaskKind.REVIEW)
    spent = Funds(spec.budget, spent=spec.budget)
    task = next(task for task in run.tasks if task.state is TaskState.READY)
    run = replace(run, spent=Usage(cost_usd_micros=60_000_000))
    leased = decide(run, spec, LeaseGranted(task.id, "agent", 10, 100, spent, ESTIMATES), 3).run.task(task.id)
    assert (leased.state, leased.reserved) == (TaskState.LEASED, Budget())


def test_tests_that_nothing_is_left_for_are_run_all_the_same():
    """The change took all of the budget: its tests cost nothing, and what they prove is delivered."""
    spec = replace(SPEC, issue_budget=Budget(usd_micros=1_000_000))
    run = replace(after(*MADE), spent=Usage(cost_usd_micros=1_000_000))
    task = next(task for task in run.tasks if task.state is TaskState.READY)
    run = decide(run, spec, LeaseGranted(task.id, "agent", 10, 100, Funds(), ESTIMATES), 3).run
    assert (task.kind, ready(run)) == (TaskKind.VERIFY, ["VERIFY"])
    run = ended(ended(run, {}, spec=spec), {}, spec=spec)
    assert run.missing == ("A review of the change.", "Documentation of the change.")
    assert (run.state, run.reason) == (RunState.FAILED, FailureReason.BUDGET_EXHAUSTED)
    assert run.results.pull_request


def test_a_pull_request_that_nothing_is_left_for_is_opened_all_the_same():
    """Everything is made and proven, and the last step took more than there was: the run succeeds."""
    spec = replace(SPEC, issue_budget=Budget(usd_micros=1_000_000))
    run = replace(after(*MADE, {}, {}, {}), spent=Usage(cost_usd_micros=1_000_001))
    assert ready(run) == ["PULL_REQUEST"]
    run = ended(run, {}, spec=spec)
    assert (run.state, run.missing) == (RunState.SUCCEEDED, ())


def test_a_person_who_has_to_approve_is_asked_for_a_draft_that_lacks_something_too():
    """And a retry begins anew, without what was missing."""
    spec = replace(SPEC, require_approval=True)
    run = begun()
    for result in (*MADE, {}):
        run = ended(run, result, spec=spec)
    run = ended(run, OUT, spec=spec, kind=TaskKind.REVIEW)
    assert run.state is RunState.AWAITING_APPROVAL
    run = ended(ended(after(*MADE, {}), OUT, kind=TaskKind.REVIEW), {})
    again = decide(run, SPEC, RetryRequested(generation=run.generation), 9).run
    assert (again.missing, ready(again)) == ((), ["TRIAGE"])


def test_only_pull_requests_are_told_what_is_missing():
    """Other steps would take it for their task."""
    run = ended(after({}, {}, {}), OUT)
    task = next(task for task in run.tasks if task.state is TaskState.READY)
    assert task.kind is TaskKind.VERIFY
    inputs = lease(run, task, spec=SPEC, traceparent="").inputs
    assert isinstance(inputs, dispatch_service_pb2.TaskInputs)
    assert not inputs.missing


async def test_the_draft_of_a_run_whose_budget_ended_is_told_with_what_it_lacks(stack, operators):
    """Over real connections: the review's money ends, the draft is opened, the result has its address and the spend."""
    leases = []

    def answer(given):
        leases.append(given)
        outcome = succeed(given)
        if given.kind == TaskKind.REVIEW:
            outcome.failure.reason = state_pb2.FAILURE_REASON_BUDGET_EXHAUSTED
            outcome.failure.message = "The budget of the task is spent."
        return outcome

    request = pb.SubmitBatchRequest(repository=REPOSITORY, issue_numbers=[1], pipeline=state_pb2.PIPELINE_FIX)
    async with stack.coordinator() as channel, stack.agent(channel, answer=answer), asyncio.timeout(40):
        events = [event async for part in operators(channel).SubmitBatch(request) for event in part.events]
    assert (leases[-1].kind, leases[-1].inputs.missing[0]) == (TaskKind.PULL_REQUEST, "A review of the change.")
    (result,) = events[-1].batch_finished.results
    assert (result.state, result.failure_reason) == (
        state_pb2.RUN_STATE_FAILED,
        state_pb2.FAILURE_REASON_BUDGET_EXHAUSTED,
    )
    assert result.pull_request_url
    assert "A review of the change." in result.failure_message
    # Documentation ran beside the review: it was stopped, or had ended before.
    assert result.cost_usd_micros in {6000, 7000}
