"""What stands in the way of a batch is said before anything is written, all of it in one answer."""

from __future__ import annotations

import asyncio

import grpc
import pytest
import redis.asyncio
from google.protobuf.descriptor import EnumDescriptor
from google.protobuf.duration_pb2 import Duration
from service_calls import collect, submit

from miyabi.common.v1 import problem_pb2 as problems_pb
from miyabi.coordinator.v1 import coordinator_service_pb2 as pb
from miyabi.coordinator.v1 import state_pb2
from miyabi.github_gateway.v1 import github_gateway_service_pb2 as gateway_pb
from miyabi_coordinator import shards
from miyabi_coordinator.models import Findings, Problem, ProblemKind
from miyabi_coordinator.service.submitting.obstacles import MOST_TOLD, PROBLEMS_BYTES, refusal_of, refusing, told
from miyabi_coordinator.testing import REPOSITORY, succeed
from miyabi_core.channel import open_channel
from miyabi_core.errors import ResourceExhaustedError, UnavailableError
from miyabi_core.ids import new_ulid
from miyabi_core.status import from_rpc_error, to_proto

TRIAGE, FIX, REVIEW = state_pb2.PIPELINE_TRIAGE, state_pb2.PIPELINE_FIX, state_pb2.PIPELINE_REVIEW
KINDS: EnumDescriptor = problems_pb.DESCRIPTOR.enum_types_by_name["ProblemKind"]


def problem(name, issue=0, *, overrulable=True):
    """Return a problem of the gateway."""
    kind = problems_pb.ProblemKind.Value(f"PROBLEM_KIND_{name}")
    return problems_pb.Problem(
        kind=kind, issue_number=issue, message=f"{name} stands.", remedy="Mend it.", may_be_overruled=overrulable
    )


async def refusal(call):
    """Return the error that a submit is refused with."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await collect(call)
    return from_rpc_error(caught.value)


async def accepted(call):
    """Return the first event of a submit whose stream is then left."""
    event = (await call.read()).events[0]
    call.cancel()
    return event


def kinds_of(error):
    """Return what an error lists, by kind and subject."""
    return [(condition.kind, condition.subject) for condition in error.unmet]


async def stored(stack):
    """Return the keys of the store."""
    async with redis.asyncio.Redis.from_url(stack.redis_url) as client:
        return sorted(
            [key.decode() async for key in client.scan_iter() if b"audit" not in key and b"agents" not in key]
        )


def test_kinds_are_those_of_the_proto():
    """Every kind of the proto has its name here, so that an error can say it."""
    assert {kind.name: int(kind) for kind in ProblemKind} == {
        value.name.removeprefix("PROBLEM_KIND_"): value.number for value in KINDS.values if value.number
    }


async def test_every_problem_is_listed_and_nothing_written(stack, operators):
    """One refusal lists all problems with what to do, and says which of them may be overruled; the store stays empty."""
    stack.gateway.problems = [
        problem("BRANCH_SHADOWED", overrulable=False),
        problem("ISSUE_CLOSED", 1),
        problem("ISSUE_ASSIGNED", 1),
        problem("ISSUE_CLOSED", 2),
    ]
    async with stack.coordinator() as channel:
        before = await stored(stack)
        error = await refusal(operators(channel).SubmitBatch(submit(1, 2, 3)))
        assert await stored(stack) == before
    assert (error.code, error.reason) == (grpc.StatusCode.FAILED_PRECONDITION, "PROBLEMS_FOUND")
    assert kinds_of(error) == [
        ("BRANCH_SHADOWED", REPOSITORY),
        ("ISSUE_CLOSED", f"{REPOSITORY}#1"),
        ("ISSUE_ASSIGNED", f"{REPOSITORY}#1"),
        ("ISSUE_CLOSED", f"{REPOSITORY}#2"),
    ]
    assert error.unmet[1].description == "ISSUE_CLOSED stands. Mend it."
    assert error.metadata == {"overrulable": "ISSUE_CLOSED,ISSUE_ASSIGNED"}


@pytest.mark.parametrize("name", ["ISSUE_CLOSED", "ISSUE_LOCKED", "ISSUE_ASSIGNED", "PULL_REQUEST_OPEN", "TOOLCHAIN_MISSING", "WORKFLOW_PERMISSION_MISSING"])  # fmt: skip
async def test_overruled_problem_is_said_in_the_batch(stack, operators, name):
    """A kind that the request names lets the batch begin, and its first event tells it with what is not known."""
    found = problem(name, 2)
    stack.gateway.problems, stack.gateway.not_known = [found], ["The rights of the token: GitHub does not tell."]
    async with stack.coordinator() as channel:
        stub = operators(channel)
        assert kinds_of(await refusal(stub.SubmitBatch(submit(1, 2)))) == [(name, f"{REPOSITORY}#2")]
        event = await accepted(stub.SubmitBatch(submit(1, 2, overrule=[found.kind])))
        watched = stub.WatchBatch(pb.WatchBatchRequest(name=event.batch))
        assert (await accepted(watched)) == event
    assert list(event.batch_accepted.problems) == [found]
    assert list(event.batch_accepted.not_known) == ["The rights of the token: GitHub does not tell."]


@pytest.mark.parametrize("kinds", [[], [11], [11, 7]])
async def test_what_was_accepted_is_on_the_batch_and_every_lease(stack, operators, kinds):
    """Agents learn which problems the request named, in order of their numbers, and so does whoever reads the batch."""
    async with stack.coordinator() as channel, stack.agent(channel) as agent:
        events = await collect(operators(channel).SubmitBatch(submit(1, overrule=kinds)))
        batch = (await operators(channel).GetBatch(pb.GetBatchRequest(name=events[0].batch))).batch
        told = [list(agent.leases.get_nowait().inputs.overruled) for _ in range(agent.leases.qsize())]
    assert told == [sorted(kinds)] * 7
    assert list(batch.spec.overruled) == list(events[0].batch_accepted.batch.spec.overruled) == sorted(kinds)


@pytest.mark.parametrize(("limit", "left_out"), [(3, ["The query matches more issues, or may: the first 3, by number, were taken."]), (5, []), (0, [])])  # fmt: skip
async def test_issues_that_a_query_left_out_are_told(stack, operators, limit, left_out):
    """Where more issues match than were asked for, the batch's first event says so, on a later watch too."""
    stack.gateway.bodies = dict.fromkeys(range(1, 6), "")
    request = pb.SubmitBatchRequest(repository=REPOSITORY, query={"limit": limit}, pipeline=TRIAGE)
    async with stack.coordinator() as channel:
        stub = operators(channel)
        event = await accepted(stub.SubmitBatch(request))
        assert (await accepted(stub.WatchBatch(pb.WatchBatchRequest(name=event.batch)))) == event
    assert list(event.batch_accepted.not_known) == left_out


@pytest.mark.parametrize(
    "name",
    [
        value.name.removeprefix("PROBLEM_KIND_")
        for value in KINDS.values
        if value.number not in {0, 4, 7, 8, 9, 11, 12, 15}
    ],
)
async def test_kind_that_may_not_be_overruled_is_refused_as_bad(stack, operators, name):
    """To name such a kind is a bad request, whether it is there or not."""
    kind = problems_pb.ProblemKind.Value(f"PROBLEM_KIND_{name}")
    async with stack.coordinator() as channel:
        error = await refusal(operators(channel).SubmitBatch(submit(1, overrule=[kind])))
    assert (error.reason, error.violations[0].field) == ("INVALID_REQUEST", "overrule[0]")


@pytest.mark.parametrize("repeat", [[7, 7], [0], [99]])
async def test_bad_lists_of_kinds_are_refused(stack, operators, repeat):
    """Kinds are named once each, and there are no others."""
    async with stack.coordinator() as channel:
        error = await refusal(operators(channel).SubmitBatch(submit(1, overrule=repeat)))
    assert error.reason == "INVALID_REQUEST"


@pytest.mark.parametrize(
    ("pipeline", "dry_run", "writes"),
    [
        (FIX, False, (True, True, False)),
        (TRIAGE, False, (True, False, False)),
        (REVIEW, False, (False, False, True)),
        (FIX, True, (False, False, False)),
        (TRIAGE, True, (False, False, False)),
        (REVIEW, True, (False, False, True)),
    ],
)
async def test_check_is_asked_for_what_the_pipeline_writes(stack, operators, pipeline, dry_run, writes):
    """One check a submit, of its issues and its branch, for what will be written; a dry run writes nothing."""
    async with stack.coordinator() as channel:
        await accepted(operators(channel).SubmitBatch(submit(2, 1, pipeline=pipeline, dry_run=dry_run)))
    (asked,) = stack.gateway.checked
    assert (asked.writes_issues, asked.writes_changes, asked.review) == writes
    assert (asked.repository, asked.base_branch, list(asked.numbers)) == (REPOSITORY, "main", [2, 1])


@pytest.mark.parametrize(
    ("name", "goes_on"),
    [
        ("REPOSITORY_ARCHIVED", True),
        ("BRANCH_FORBIDDEN", True),
        ("BRANCH_SHADOWED", True),
        ("WORKFLOW_PERMISSION_MISSING", True),
        ("ISSUE_LOCKED", True),
        ("REPOSITORY_EMPTY", False),
        ("ISSUE_CLOSED", False),
        ("PERMISSION_MISSING", False),
        ("PULL_REQUEST_OPEN", False),
    ],
)
async def test_dry_run_goes_on_where_only_writing_is_in_the_way(stack, operators, name, goes_on):
    """What forbids writing alone does not refuse a dry run, which writes nothing, and is said in it."""
    stack.gateway.problems = [problem(name, overrulable=False)]
    async with stack.coordinator() as channel:
        call = operators(channel).SubmitBatch(submit(1, dry_run=True))
        if goes_on:
            assert list((await accepted(call)).batch_accepted.problems) == stack.gateway.problems
        else:
            assert kinds_of(await refusal(call)) == [(name, REPOSITORY)]


@pytest.mark.parametrize(
    ("failure", "reason"),
    [
        (UnavailableError("away", reason="GITHUB_UNAVAILABLE"), "GITHUB_UNAVAILABLE"),
        (ResourceExhaustedError("limited", reason="GITHUB_RATE_LIMITED"), "GITHUB_RATE_LIMITED"),
    ],
)
async def test_check_that_fails_ends_the_submit_as_other_reads_do(stack, operators, failure, reason):
    """Where GitHub cannot be asked nothing is accepted, and the gateway's reason is the caller's."""
    stack.gateway.unavailable = failure
    async with stack.coordinator() as channel:
        assert (await refusal(operators(channel).SubmitBatch(submit(1)))).reason == reason


async def test_check_that_fails_is_not_known_where_the_issues_are_old_too(stack, operators):
    """Where GitHub's limit made the gateway hand out older data the batch starts with them, and says what is not known."""
    stack.gateway.unavailable = ResourceExhaustedError("The limit was reached.", reason="GITHUB_RATE_LIMITED")
    stack.gateway.freshness = {1: gateway_pb.Freshness(stale=True, age=Duration(seconds=720))}
    async with stack.coordinator() as channel:
        event = await accepted(operators(channel).SubmitBatch(submit(1, 2)))
        assert list(event.batch_accepted.not_known) == ["What stands in the way at GitHub: The limit was reached."]
        stack.gateway.unavailable = UnavailableError("away", reason="SHUTTING_DOWN")
        assert (await refusal(operators(channel).SubmitBatch(submit(1, 2)))).reason == "SHUTTING_DOWN"


@pytest.mark.parametrize("count", [1, 2, 4, 6])
async def test_issue_in_an_open_batch_is_a_problem_whatever_its_shard(stack, operators, count):
    """While a batch is open none of its issues is accepted again, by any shard; others are, and small letters do not help."""
    async with stack.coordinator(shards=count) as channel:
        stub = operators(channel)
        event = await accepted(stub.SubmitBatch(submit(1, 2, pipeline=TRIAGE)))
        for _ in range(6):
            error = await refusal(stub.SubmitBatch(submit(2, 3, request_id=new_ulid())))
            assert kinds_of(error) == [("ISSUE_IN_BATCH", f"{REPOSITORY}#2")]
            assert event.batch in error.unmet[0].description
        again = await accepted(stub.SubmitBatch(submit(2, 3, overrule=[ProblemKind.ISSUE_IN_BATCH])))
        told_problems = [(entry.kind, entry.issue_number) for entry in again.batch_accepted.problems]
        assert told_problems == [(ProblemKind.ISSUE_IN_BATCH, 2)]
        error = await refusal(stub.SubmitBatch(submit(2)))
        assert event.batch in error.unmet[0].description
        assert again.batch in error.unmet[0].description
        await stub.CancelBatch(pb.CancelBatchRequest(name=event.batch))
        await accepted(stub.SubmitBatch(submit(1)))
        error = await refusal(stub.SubmitBatch(submit(2)))
        assert event.batch not in error.unmet[0].description


def failing(lease):
    """Fail every task for good."""
    outcome = succeed(lease)
    outcome.failure.reason = state_pb2.FAILURE_REASON_GITHUB
    return outcome


async def test_issue_is_free_again_with_the_end_of_its_batch_and_taken_by_a_retry(stack, operators):
    """An ended batch holds no issue; one that is retried holds its issues again, and no key outlives the last."""
    async with stack.coordinator() as channel:
        stub = operators(channel)
        async with stack.agent(channel, answer=failing):
            ended = (await collect(stub.SubmitBatch(submit(5, pipeline=TRIAGE))))[0].batch
            ended = (await collect(stub.SubmitBatch(submit(5, pipeline=TRIAGE))))[0].batch
        assert f"{shards.prefix(0)}open:{REPOSITORY}" not in await stored(stack)
        await stub.RetryBatch(pb.RetryBatchRequest(name=ended))
        assert ended in (await refusal(stub.SubmitBatch(submit(5)))).unmet[0].description
        await stub.CancelBatch(pb.CancelBatchRequest(name=ended))
        await accepted(stub.SubmitBatch(submit(5)))


async def test_same_request_comes_back_to_its_own_batch(stack, operators):
    """A repeat is not refused by the batch that it made, nor by what came to stand in the way since."""
    async with stack.coordinator() as channel:
        stub = operators(channel)
        request = submit(1, request_id=new_ulid())
        first = await accepted(stub.SubmitBatch(request))
        stack.gateway.problems = [problem("ISSUE_CLOSED", 1)]
        again = await accepted(stub.SubmitBatch(request))
    assert (again.batch, again.batch_accepted.reattached) == (first.batch, True)


async def test_of_many_submits_at_once_one_passes(stack, operators):
    """In one shard the store compares as it writes: of twenty requests for an issue at once, over two replicas, one passes."""
    async with stack.coordinator() as one, stack.coordinator() as other:
        stubs = [operators(one), operators(other)]

        async def attempt(index):
            try:
                return (await accepted(stubs[index % 2].SubmitBatch(submit(7, 8)))).batch
            except grpc.aio.AioRpcError as error:
                return from_rpc_error(error).reason

        answers = await asyncio.gather(*(attempt(index) for index in range(20)))
    assert sorted(answers, key=lambda answer: answer == "PROBLEMS_FOUND")[1:] == ["PROBLEMS_FOUND"] * 19


async def test_of_one_request_many_times_at_once_all_come_to_one_batch(stack, operators):
    """Repeats that run side by side find the batch of the first, not a problem."""
    async with stack.coordinator() as channel:
        stub = operators(channel)
        request = submit(7, request_id=new_ulid())
        events = await asyncio.gather(*(accepted(stub.SubmitBatch(request)) for _ in range(10)))
    assert len({event.batch for event in events}) == 1


def test_long_list_is_cut_by_its_bytes_and_says_so():
    """An error lists as many problems as its trailers carry, and counts the others."""
    many = [Problem(int(ProblemKind.ISSUE_CLOSED), "m" * 150, "r" * 50, number, may_be_overruled=True) for number in range(1, 10_001)]  # fmt: skip
    error = refusal_of(REPOSITORY, many)
    assert int(error.metadata["more"]) == 10_000 - len(error.unmet)
    assert len(error.unmet) > 300
    assert PROBLEMS_BYTES < len(to_proto(error, domain="x").SerializeToString()) * 4 / 3 < 256 << 10


async def test_hundreds_of_problems_reach_the_caller(stack, operators):
    """The refusal of a large batch arrives over the wire as it was made."""
    stack.gateway.bodies |= dict.fromkeys(range(1000, 1300), "")
    stack.gateway.problems = [problem("ISSUE_CLOSED", number) for number in range(1000, 1300)]
    async with stack.serving() as target:
        channel = open_channel(target, service="miyabi.coordinator.v1.CoordinatorService")
        error = await refusal(operators(channel).SubmitBatch(submit(*range(1000, 1300))))
        await channel.close()
    assert len(error.unmet) == 300


def test_first_event_tells_the_first_problems_and_counts_the_others():
    """What the event leaves out is said in it."""
    many = tuple(Problem(int(ProblemKind.ISSUE_CLOSED), "m", "r", number) for number in range(1, MOST_TOLD + 4))
    cut = told(Findings(many, ("a",)))
    assert (len(cut.problems), cut.not_known) == (
        MOST_TOLD,
        ("a", "3 more problems that were overruled are not listed."),
    )
    assert told(Findings(many[:MOST_TOLD])) == Findings(many[:MOST_TOLD])


def test_problem_of_a_newer_gateway_refuses_under_its_number():
    """A kind that this version does not know is in the way, and has a name all the same."""
    newer = Problem(99, "m", "r")
    assert refusing([newer], overruled=frozenset({7}), dry_run=True) == [newer]
    assert newer.name == "PROBLEM_99"
