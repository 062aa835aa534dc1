"""The whole coordinator over real connections: submit, watch, lease, end."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration
from service_calls import collect, submit

from miyabi.common.v1 import freshness_pb2
from miyabi.coordinator.v1 import coordinator_service_pb2 as pb
from miyabi.coordinator.v1 import dispatch_service_pb2, dispatch_service_pb2_grpc, state_pb2
from miyabi.github_gateway.v1 import github_gateway_service_pb2 as gateway_pb
from miyabi_coordinator.testing import REPOSITORY, succeed
from miyabi_coordinator.translate.replay import differences, rebuild
from miyabi_core.ids import new_ulid
from miyabi_core.status import from_rpc_error


async def test_fix_batch_runs_to_its_end(stack, operators):
    """A fix batch goes through every step and ends with one result an issue, its sequences without a gap."""
    async with stack.coordinator() as channel, stack.agent(channel) as agent:
        events = await collect(operators(channel).SubmitBatch(submit(1, 2, 3)))
        assert [event.sequence for event in events] == list(range(1, len(events) + 1))
        finished = events[-1].batch_finished
        assert finished.state == state_pb2.BATCH_STATE_SUCCEEDED
        assert [result.issue_number for result in finished.results] == [1, 2, 3]
        assert all(result.review_score == 95 and result.files == ["forms.py"] for result in finished.results)
        assert agent.leases.qsize() == 21
        assert finished.spent.cost_usd_micros == 21_000


async def test_counters_equal_recount(stack, operators):
    """At the end nothing is leased, reserved or in flight, and the counters equal the runs."""
    async with stack.coordinator() as channel, stack.agent(channel):
        stub = operators(channel)
        events = await collect(stub.SubmitBatch(submit(1, 2, pipeline=state_pb2.PIPELINE_TRIAGE)))
        answer = await stub.GetBatch(pb.GetBatchRequest(name=events[0].batch))
        counters = answer.batch.counters
        assert (counters.total, counters.succeeded, counters.running) == (2, 2, 0)
        assert [run.state for run in answer.runs] == [state_pb2.RUN_STATE_SUCCEEDED] * 2
        result = events[-1].batch_finished.results[0]
        assert (result.tests_failed_before, result.review_score) == (-1, -1)


async def test_batch_says_which_issues_were_read_long_ago(stack, operators):
    """Data that the gateway marked stale stay marked, with age and cause: in the event, the run and the result."""
    limited = freshness_pb2.STALE_CAUSE_RATE_LIMITED
    old = gateway_pb.Freshness(stale=True, age=Duration(seconds=720), cause=limited)
    stack.gateway.freshness = {2: old, 3: gateway_pb.Freshness(age=Duration(seconds=9))}
    async with stack.coordinator() as channel, stack.agent(channel):
        stub = operators(channel)
        events = await collect(stub.SubmitBatch(submit(1, 2, 3, pipeline=state_pb2.PIPELINE_TRIAGE)))
        stored = await stub.GetBatch(pb.GetBatchRequest(name=events[0].batch))
        one = await stub.GetIssueRun(pb.GetIssueRunRequest(name=f"{events[0].batch}/runs/2"))
    headings = events[0].batch_accepted.issues
    told = [heading.stale_data for heading in headings if heading.HasField("stale_data")]
    assert [(data.age.seconds, data.cause) for data in told] == [(720, limited)]
    assert 0 <= events[0].time.seconds - told[0].fetch_time.seconds - 720 <= 60
    assert [heading.number for heading in headings if heading.HasField("stale_data")] == [2]
    results = events[-1].batch_finished.results
    for found in (stored.runs, stored.results, results):
        assert [entry.issue_number for entry in found if entry.HasField("stale_data")] == [2]
        assert found[1].stale_data == told[0]
    assert one.run.stale_data == told[0]


async def test_get_batch_tells_results_without_changes(stack, operators):
    """A batch is read with what became of each issue, but without the changes themselves."""
    async with stack.coordinator() as channel, stack.agent(channel):
        stub = operators(channel)
        events = await collect(stub.SubmitBatch(submit(1)))
        stored = await stub.GetBatch(pb.GetBatchRequest(name=events[0].batch))
        assert list(stored.results) == list(events[-1].batch_finished.results)
        assert not stored.runs[0].HasField("change_set")
        assert [task.state for task in stored.runs[0].tasks] == [state_pb2.TASK_STATE_SUCCEEDED] * 7


async def test_watch_resumes_after_a_sequence(stack, operators):
    """A watcher that comes back gets exactly what follows its sequence, after the end too."""
    async with stack.coordinator() as channel, stack.agent(channel):
        stub = operators(channel)
        events = await collect(stub.SubmitBatch(submit(1, pipeline=state_pb2.PIPELINE_TRIAGE)))
        request = pb.WatchBatchRequest(name=events[0].batch, after_sequence=3)
        assert await collect(stub.WatchBatch(request)) == events[3:]


async def test_lease_of_a_silent_agent_expires(stack, operators):
    """A task whose agent is silent is leased again with another attempt, and the late outcome is refused."""
    async with (
        stack.coordinator(lease=timedelta(seconds=1)) as channel,
        stack.agent(channel, agent_id="silent", slots=1, answer=lambda _: None) as silent,
    ):
        call = operators(channel).SubmitBatch(submit(1, pipeline=state_pb2.PIPELINE_TRIAGE))
        async with asyncio.timeout(10):
            first = await silent.leases.get()
        async with stack.agent(channel, agent_id="lively") as lively:
            events = await collect(call)
            again = lively.leases.get_nowait()
        assert (first.attempt, again.attempt) == (1, 2)
        assert again.reference.fencing_token > first.reference.fencing_token
        await silent.send(succeed(first))
        async with asyncio.timeout(5):
            refused = await silent.acknowledgements.get()
        assert (refused.accepted, refused.reason) == (False, "LEASE_LOST")
        assert events[-1].batch_finished.state == state_pb2.BATCH_STATE_SUCCEEDED


async def test_another_coordinator_takes_over(stack, operators):
    """A batch goes on where another coordinator on the same store stopped."""
    async with stack.coordinator() as channel:
        call = operators(channel).SubmitBatch(submit(1, 2))
        first = (await call.read()).events[0]
        call.cancel()
    async with stack.coordinator() as channel, stack.agent(channel):
        events = await collect(operators(channel).WatchBatch(pb.WatchBatchRequest(name=first.batch)))
        assert events[-1].batch_finished.state == state_pb2.BATCH_STATE_SUCCEEDED


async def test_concurrency_is_kept(stack, operators):
    """Never are more issues in flight than the batch allows."""
    async with stack.coordinator() as channel, stack.agent(channel, slots=50):
        events = await collect(operators(channel).SubmitBatch(submit(*range(1, 13), concurrency=2)))
        running = highest = 0
        for event in events:
            change = event.run_state_changed if event.HasField("run_state_changed") else None
            if change:
                running += change.to_state == state_pb2.RUN_STATE_RUNNING
                running -= change.from_state == state_pb2.RUN_STATE_RUNNING
                highest = max(highest, running)
        assert highest == 2


async def test_cancel_ends_the_batch(stack, operators):
    """A cancelled batch ends, and an agent that still works is told to stop with its next heartbeat."""
    async with stack.coordinator() as channel, stack.agent(channel, answer=lambda _: None) as agent:
        stub = operators(channel)
        call = stub.SubmitBatch(submit(1, 2))
        async with asyncio.timeout(10):
            lease = await agent.leases.get()
        name = (await anext(aiter(call))).events[0].batch
        answer = await stub.CancelBatch(pb.CancelBatchRequest(name=name))
        assert answer.batch.state == state_pb2.BATCH_STATE_CANCELLED
        events = await collect(call)
        assert events[-1].batch_finished.state == state_pb2.BATCH_STATE_CANCELLED
        await agent.beat(lease)
        async with asyncio.timeout(5):
            assert (await agent.cancellations.get()).reference == lease.reference


async def test_request_id_reattaches(stack, operators):
    """The same request finds its batch again; another body under its id is refused."""
    request_id = new_ulid()
    async with stack.coordinator() as channel, stack.agent(channel):
        stub = operators(channel)
        request = submit(1, pipeline=state_pb2.PIPELINE_TRIAGE, request_id=request_id)
        first = await collect(stub.SubmitBatch(request))
        second = await collect(stub.SubmitBatch(request))
        assert second[0].batch_accepted.reattached
        assert second[1:] == first[1:]
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await collect(stub.SubmitBatch(submit(2, request_id=request_id)))
        assert from_rpc_error(caught.value).reason == "REQUEST_ID_REUSED"


@pytest.mark.parametrize(
    ("request_", "reason"),
    [
        (submit(999), "ISSUE_NOT_FOUND"),
        (pb.SubmitBatchRequest(repository="acme/absent", issue_numbers=[1]), "REPOSITORY_NOT_FOUND"),
        (submit(30, 31), "DEPENDENCY_CYCLE"),
        (submit(1, request_id="not an id"), "INVALID_REQUEST"),
        (pb.SubmitBatchRequest(repository=REPOSITORY), "INVALID_REQUEST"),
        (pb.SubmitBatchRequest(repository=REPOSITORY, query={"text": "zebra"}), "NO_ISSUES_MATCHED"),
    ],
)
async def test_bad_submissions_name_their_reason(stack, operators, request_, reason):
    """What cannot be accepted is refused with its reason before anything is written."""
    async with stack.coordinator() as channel:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await collect(operators(channel).SubmitBatch(request_))
        assert from_rpc_error(caught.value).reason == reason


async def test_failed_prerequisite_skips_dependents(stack, operators):
    """An issue whose prerequisite failed is skipped, and the batch says so."""

    def answer(lease):
        if lease.inputs.issue_number != 2:
            return succeed(lease)
        outcome = dispatch_service_pb2.Outcome(reference=lease.reference)
        outcome.failure.reason = state_pb2.FAILURE_REASON_GITHUB
        return outcome

    async with stack.coordinator() as channel, stack.agent(channel, answer=answer):
        events = await collect(operators(channel).SubmitBatch(submit(2, 33, pipeline=state_pb2.PIPELINE_TRIAGE)))
        states = [result.state for result in events[-1].batch_finished.results]
        assert states == [state_pb2.RUN_STATE_FAILED, state_pb2.RUN_STATE_SKIPPED]


async def test_retry_runs_failed_and_skipped_issues_again(stack, operators):
    """A retried issue starts anew, the issue that it held up follows, and the log alone rebuilds the batch."""
    broken = {2}

    def answer(lease):
        if lease.inputs.issue_number not in broken:
            return succeed(lease)
        outcome = dispatch_service_pb2.Outcome(reference=lease.reference)
        outcome.failure.reason = state_pb2.FAILURE_REASON_GITHUB
        return outcome

    async with stack.coordinator() as channel, stack.agent(channel, answer=answer):
        stub = operators(channel)
        events = await collect(stub.SubmitBatch(submit(1, 2, 33)))
        name = events[0].batch
        broken.clear()
        again = await stub.RetryBatch(pb.RetryBatchRequest(name=name, issue_numbers=[2]))
        assert again.batch.state == state_pb2.BATCH_STATE_RUNNING
        call = stub.WatchBatch(pb.WatchBatchRequest(name=name, after_sequence=events[-1].sequence, committed_only=True))
        events += await collect(call)
        assert events[-1].batch_finished.state == state_pb2.BATCH_STATE_SUCCEEDED
        stored = await stub.GetBatch(pb.GetBatchRequest(name=name))
        assert differences(rebuild(events), batch=stored.batch, runs=stored.runs) == []


async def test_end_of_a_batch_is_expected_once_its_steps_were_measured(stack, operators):
    """GetBatch and ListBatches tell when a batch will end as soon as such tasks were measured, and not before."""
    async with stack.coordinator() as channel:
        stub = operators(channel)
        first = stub.SubmitBatch(submit(1, 2, pipeline=state_pb2.PIPELINE_TRIAGE))
        name = (await anext(aiter(first))).events[0].batch
        assert not (await stub.GetBatch(pb.GetBatchRequest(name=name))).batch.HasField("eta")
        async with stack.agent(channel):
            await collect(first)
        second = stub.SubmitBatch(submit(3, 4, pipeline=state_pb2.PIPELINE_TRIAGE))
        name = (await anext(aiter(second))).events[0].batch
        async with asyncio.timeout(20):
            while not (await stub.GetBatch(pb.GetBatchRequest(name=name))).batch.HasField("eta"):
                pass
        listed = (await stub.ListBatches(pb.ListBatchesRequest())).batches
        assert [batch.HasField("eta") for batch in listed] == [True, False]
        second.cancel()


async def test_retry_without_anything_to_retry_changes_nothing(stack, operators):
    """A retry of issues that succeeded leaves a failed batch ended."""

    def answer(lease):
        outcome = succeed(lease)
        if lease.inputs.issue_number == 2:
            outcome.failure.reason = state_pb2.FAILURE_REASON_GITHUB
        return outcome

    async with stack.coordinator() as channel, stack.agent(channel, answer=answer):
        stub = operators(channel)
        events = await collect(stub.SubmitBatch(submit(1, 2, pipeline=state_pb2.PIPELINE_TRIAGE)))
        answered = await stub.RetryBatch(pb.RetryBatchRequest(name=events[0].batch, issue_numbers=[1]))
        assert answered.batch.state == state_pb2.BATCH_STATE_FAILED
        assert answered.batch.last_sequence == events[-1].sequence


async def test_hello_comes_first(stack):
    """A stream that begins with anything but a hello is refused."""
    async with stack.coordinator() as channel:
        call = dispatch_service_pb2_grpc.DispatchServiceStub(channel).Attach()
        await call.write(dispatch_service_pb2.AttachRequest(heartbeat=dispatch_service_pb2.Heartbeat()))
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await call.read()
        assert from_rpc_error(caught.value).reason == "HELLO_EXPECTED"


@pytest.mark.parametrize(
    ("approved", "expected"), [(True, state_pb2.BATCH_STATE_SUCCEEDED), (False, state_pb2.BATCH_STATE_FAILED)]
)
async def test_approval_decides(stack, operators, approved, expected):
    """The pull request waits for a person, whose decision may be repeated, and not be turned round."""
    async with stack.coordinator() as channel, stack.agent(channel):
        stub = operators(channel)
        call = stub.SubmitBatch(submit(1, require_approval=True))
        async with asyncio.timeout(10):
            async for response in call:
                changes = [event.run_state_changed.to_state for event in response.events]
                if state_pb2.RUN_STATE_AWAITING_APPROVAL in changes:
                    run = f"{response.events[0].batch}/runs/1"
                    break
        for _ in range(2):
            answer = await stub.ResolveApproval(pb.ResolveApprovalRequest(name=run, approved=approved))
            assert answer.run.name == run
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await stub.ResolveApproval(pb.ResolveApprovalRequest(name=run, approved=not approved))
        assert from_rpc_error(caught.value).reason == "APPROVAL_NOT_FOUND"
        events = await collect(call)
        assert events[-1].batch_finished.state == expected
        again = await stub.ResolveApproval(pb.ResolveApprovalRequest(name=run, approved=approved))
        assert again.run.state == events[-1].batch_finished.results[0].state


async def test_all_events_are_followed_from_a_cursor(stack, operators):
    """What happens in any batch is streamed; each cursor, the one that comes at once too, goes on behind what was seen."""
    async with stack.coordinator() as channel, stack.agent(channel):
        stub = operators(channel)
        events = await collect(stub.SubmitBatch(submit(1)))
        call = stub.WatchEvents(pb.WatchEventsRequest(from_start=True))
        seen, cursor = [], ""
        async with asyncio.timeout(10):
            while not seen or not seen[-1].HasField("batch_finished"):
                answer = await call.read()
                seen += [event for event in answer.events if event.sequence]
                cursor = answer.cursor
        call.cancel()
        assert [event.sequence for event in seen] == [event.sequence for event in events if event.sequence]
        again = stub.WatchEvents(pb.WatchEventsRequest(cursor=cursor))
        async with asyncio.timeout(10):
            first = await again.read()
        again.cancel()
        assert (list(first.events), first.cursor) == ([], cursor)
        await collect(stub.SubmitBatch(submit(2)))
        third = stub.WatchEvents(pb.WatchEventsRequest(cursor=first.cursor))
        async with asyncio.timeout(10):
            await third.read()
            assert (await third.read()).events[0].HasField("batch_accepted")
        third.cancel()


async def test_events_gather_for_whoever_asks_for_it(stack, operators):
    """The same events come in fewer answers, and without what is in no log where that is asked for too."""
    async with stack.coordinator() as channel, stack.agent(channel):
        stub = operators(channel)
        wanted = pb.WatchEventsRequest(from_start=True, committed_only=True)
        wanted.gather.FromTimedelta(timedelta(seconds=1))
        calls = [stub.WatchEvents(pb.WatchEventsRequest(from_start=True)), stub.WatchEvents(wanted)]
        for call in calls:
            await call.read()
        await collect(stub.SubmitBatch(submit(1)))
        at_once, gathered = [await until_finished(call) for call in calls]
    assert [event for events in gathered for event in events] == [
        event for events in at_once for event in events if event.sequence
    ]
    assert len(gathered) < len(at_once)


async def until_finished(call):
    """Return the events of each answer until a batch has finished."""
    answers = []
    async with asyncio.timeout(20):
        while not answers or not any(event.HasField("batch_finished") for event in answers[-1]):
            answers.append(list((await call.read()).events))
    call.cancel()
    return answers


async def test_foreign_cursor_is_refused(stack, operators):
    """A cursor that was not made here is INVALID_ARGUMENT."""
    async with stack.coordinator() as channel:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await collect(operators(channel).WatchEvents(pb.WatchEventsRequest(cursor="nonsense")))
        assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
