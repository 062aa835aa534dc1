"""Budgets over real connections: what is spent stays within the limit, and what is paid for is delivered."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

import pytest

from miyabi.common.v1.usage_pb2 import Budget
from miyabi.coordinator.v1 import coordinator_service_pb2 as pb
from miyabi.coordinator.v1 import dispatch_service_pb2, state_pb2
from miyabi_coordinator.testing import REPOSITORY, succeed

DOLLAR = 1_000_000
#: What each task costs, whatever its lease allows.
COST = 70_000
PULL_REQUEST = 7
FIX, TRIAGE = state_pb2.PIPELINE_FIX, state_pb2.PIPELINE_TRIAGE
EXHAUSTED = state_pb2.FAILURE_REASON_BUDGET_EXHAUSTED
SUCCEEDED = state_pb2.RUN_STATE_SUCCEEDED


def spends(lease):
    """Succeed and spend seven cents, however little the lease allows."""
    outcome = succeed(lease)
    outcome.usage.Clear()
    outcome.usage.cost_usd_micros = COST
    return outcome


def submit(count, **fields):
    return pb.SubmitBatchRequest(repository=REPOSITORY, issue_numbers=range(1, count + 1), **fields)


async def events_of(call):
    """Return all events of a stream."""
    async with asyncio.timeout(40):
        return [event async for answer in call for event in answer.events]


def changes_of(events):
    return [event for event in events if event.HasField("task_state_changed")]


def spent_along(events):
    """Return the spend after each event, added up from what each attempt says."""
    total, sums = 0, []
    for event in changes_of(events):
        total += event.task_state_changed.spent.cost_usd_micros
        sums.append(total)
    return sums


def ended(events, kind, state=state_pb2.TASK_STATE_SUCCEEDED):
    """Return the issues of which a task of a kind ended so."""
    found = [event for event in changes_of(events) if event.task_kind == kind]
    return {event.issue_number for event in found if event.task_state_changed.to_state == state}


def check_batch(events, limit=DOLLAR):
    """Check what holds for any batch with a budget; returns its results by issue."""
    finished = events[-1].batch_finished
    results = {result.issue_number: result for result in finished.results}
    assert max(spent_along(events)) <= limit
    assert finished.spent.cost_usd_micros == spent_along(events)[-1]
    failed = {number for number, result in results.items() if result.state != SUCCEEDED}
    assert {results[number].failure_reason for number in failed} <= {EXHAUSTED}
    assert {results[number].state for number in failed} <= {state_pb2.RUN_STATE_FAILED}
    near = [event for event in events if event.HasField("budget_warning")]
    assert [event.budget_warning.scope for event in near] == ["batch"]
    assert near[0].budget_warning.spent.cost_usd_micros * 5 >= limit * 4
    return results


@pytest.mark.parametrize("concurrency", [1, 3, 10])
@pytest.mark.parametrize("measured", [False, True])
async def test_a_dollar_is_never_overspent_and_pays_for_pull_requests(stack, operators, concurrency, measured):
    """Of ten fixes of $0.49 a dollar pays for two: both get their pull request, and all that passed its checks does."""
    async with stack.coordinator() as channel, AsyncExitStack() as agents:
        if measured:
            async with stack.agent(channel, answer=spends, slots=1):
                await events_of(operators(channel).SubmitBatch(submit(4)))
                await asyncio.wait_for(known_costs(channel, operators), 20)
        await agents.enter_async_context(stack.agent(channel, answer=spends))
        request = submit(10, concurrency=concurrency, budget=Budget(usd_micros=DOLLAR))
        events = await events_of(operators(channel).SubmitBatch(request))
    results = check_batch(events)
    delivered = {number for number, result in results.items() if result.state == SUCCEEDED}
    assert len(delivered) == 2
    assert ended(events, PULL_REQUEST) == delivered
    assert ended(events, 5) == ended(events, 6) == delivered


async def known_costs(channel, operators):
    """Wait until measurements are written: from then on a batch's end is foreseen."""
    stub = operators(channel)
    call = stub.SubmitBatch(submit(1, require_approval=True))
    async for answer in call:
        name = answer.events[0].batch
        while not (await stub.GetBatch(pb.GetBatchRequest(name=name))).batch.HasField("eta"):
            pass
        await stub.CancelBatch(pb.CancelBatchRequest(name=name))
        break
    await events_of(call)


@pytest.mark.parametrize("concurrency", [1, 10, 30])
async def test_a_dollar_pays_for_fourteen_triages(stack, operators, concurrency):
    """Of twenty tasks of $0.07 fourteen succeed, and the others say that the budget is spent."""
    async with stack.coordinator() as channel, stack.agent(channel, answer=spends, slots=30):
        request = submit(20, pipeline=TRIAGE, concurrency=concurrency, budget=Budget(usd_micros=DOLLAR))
        events = await events_of(operators(channel).SubmitBatch(request))
    results = check_batch(events)
    assert sum(result.state == SUCCEEDED for result in results.values()) == 14
    assert events[-1].batch_finished.spent.cost_usd_micros == 14 * COST


@pytest.mark.parametrize("pipeline", [FIX, TRIAGE])
async def test_two_coordinators_do_not_overspend_together(stack, operators, pipeline):
    """Two replicas that lease at once to two agents keep one budget, since the guard is in the commit."""
    request = submit(20, pipeline=pipeline, concurrency=20, budget=Budget(usd_micros=DOLLAR))
    async with (
        stack.coordinator() as one,
        stack.coordinator() as two,
        stack.agent(one, agent_id="a", answer=spends, slots=20),
        stack.agent(two, agent_id="b", answer=spends, slots=20),
    ):
        events = await events_of(operators(two).SubmitBatch(request))
    results = check_batch(events)
    assert sum(result.state == SUCCEEDED for result in results.values()) == (14 if pipeline == TRIAGE else 2)


async def test_failed_attempts_are_paid_too(stack, operators):
    """What an attempt spent before it failed counts: fourteen failures spend what fourteen successes would."""

    def fails(lease):
        outcome = dispatch_service_pb2.Outcome(reference=lease.reference)
        outcome.usage.cost_usd_micros = COST
        outcome.failure.reason = state_pb2.FAILURE_REASON_AGENT_ERROR
        return outcome

    async with stack.coordinator() as channel, stack.agent(channel, answer=fails):
        request = submit(20, pipeline=TRIAGE, concurrency=10, budget=Budget(usd_micros=DOLLAR))
        events = await events_of(operators(channel).SubmitBatch(request))
    assert spent_along(events)[-1] == events[-1].batch_finished.spent.cost_usd_micros == 14 * COST
    reasons = [result.failure_reason for result in events[-1].batch_finished.results]
    assert reasons.count(EXHAUSTED) == 6


async def test_tokens_are_a_budget_too(stack, operators):
    """A limit of 100,000 tokens pays for five tasks of 20,000, and no more."""

    def uses(lease):
        outcome = succeed(lease)
        outcome.usage.input_tokens, outcome.usage.output_tokens = 15_000, 5_000
        return outcome

    async with stack.coordinator() as channel, stack.agent(channel, answer=uses):
        request = submit(10, pipeline=TRIAGE, concurrency=10, budget=Budget(tokens=100_000))
        events = await events_of(operators(channel).SubmitBatch(request))
    finished = events[-1].batch_finished
    assert finished.spent.input_tokens + finished.spent.output_tokens == 100_000
    reasons = [result.failure_reason for result in finished.results]
    assert (reasons.count(0), reasons.count(EXHAUSTED)) == (5, 5)


async def test_an_issue_keeps_to_its_own_budget(stack, operators):
    """An issue whose budget does not pay for its next step ends; its neighbours have budgets of their own."""
    async with stack.coordinator() as channel, stack.agent(channel, answer=spends):
        request = submit(3, concurrency=3, issue_budget=Budget(usd_micros=200_000))
        events = await events_of(operators(channel).SubmitBatch(request))
    for result in events[-1].batch_finished.results:
        assert result.failure_reason == EXHAUSTED
        assert 0 < result.cost_usd_micros <= 200_000


async def test_an_issue_is_warned_of_once(stack, operators):
    """At 80 % of its own budget an issue's log says so, once."""
    async with stack.coordinator() as channel, stack.agent(channel, answer=spends):
        request = submit(1, issue_budget=Budget(usd_micros=600_000))
        events = await events_of(operators(channel).SubmitBatch(request))
    near = [event.budget_warning for event in events if event.HasField("budget_warning")]
    assert [(warning.scope, warning.spent.cost_usd_micros) for warning in near] == [("issue", 490_000)]
    assert events[-1].batch_finished.state == state_pb2.BATCH_STATE_SUCCEEDED


async def test_a_lease_carries_what_its_task_may_spend(stack, operators):
    """A task's own limit goes with each lease, where there is no other limit too."""
    async with stack.coordinator() as channel, stack.agent(channel) as agent:
        limit = Budget(usd_micros=30_000, tokens=4_000)
        await events_of(operators(channel).SubmitBatch(submit(1, task_budget=limit)))
        leases = [agent.leases.get_nowait() for _ in range(agent.leases.qsize())]
    assert [lease.budget for lease in leases] == [limit] * 7


async def test_a_batch_too_small_for_any_issue_spends_nothing(stack, operators):
    """Thirty cents do not pay for the least that a fix needs: it is refused before anything is spent in vain."""
    async with stack.coordinator() as channel, stack.agent(channel, answer=spends) as agent:
        request = submit(3, concurrency=3, budget=Budget(usd_micros=300_000))
        events = await events_of(operators(channel).SubmitBatch(request))
        assert agent.leases.empty()
    finished = events[-1].batch_finished
    assert [result.failure_reason for result in finished.results] == [EXHAUSTED] * 3
    assert (finished.state, finished.spent.cost_usd_micros) == (state_pb2.BATCH_STATE_FAILED, 0)


async def test_warning_comes_before_the_end_where_one_outcome_brings_both(stack, operators):
    """The last outcome of a batch may spend most of its budget too: the warning is told, and the end is the last event."""

    def dear(lease):
        outcome = succeed(lease)
        outcome.usage.cost_usd_micros = 900_000
        return outcome

    async with stack.coordinator() as channel, stack.coordinator(), stack.agent(channel, answer=dear):
        request = submit(1, pipeline=TRIAGE, budget=Budget(usd_micros=DOLLAR))
        events = await events_of(operators(channel).SubmitBatch(request))
    told = [event.WhichOneof("payload") for event in events if event.sequence]
    assert told.count("budget_warning") == 1
    assert told[-1] == "batch_finished"
