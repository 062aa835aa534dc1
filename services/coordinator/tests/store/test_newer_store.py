"""During an upgrade an older replica changes what a newer one stored: what it does not know of it stays as it is."""

from __future__ import annotations

import msgspec
import pytest
from msgspec.structs import replace

from miyabi.coordinator.v1 import coordinator_service_pb2 as pb
from miyabi.coordinator.v1 import dispatch_service_pb2, limits_pb2, result_pb2, state_pb2
from miyabi_coordinator.adapters.redis_store import codec
from miyabi_coordinator.models import Branch, FailureReason, Run, RunState, SharedFiles, Task, TaskKind, TaskState
from miyabi_coordinator.models.pacing import LimitReason, Member, PaceTable, Pacing
from miyabi_coordinator.translate.dispatch import outcome_of

RUN = Run(
    "01JDAAAAAAAAAAAAAAAAAAAAAA",
    7,
    tasks=(Task("triage", TaskKind.TRIAGE), Task("plan", TaskKind.PLAN)),
    shares=(SharedFiles(3, ("a.py",)),),
    base=Branch("main", "f" * 40),
    progress={"triage:1": 2},
)
HEADER = 17


def stored(run):
    """Return a run's stored form, as a newer version would write it: each structure has a field more."""
    value = msgspec.msgpack.decode(codec.encode_run(run)[HEADER:])
    value["critic"] = {"score": 3}
    value["base"]["protected"] = True
    value["shares"][0]["lines"] = [1, 2]
    for number, task in enumerate(value["tasks"]):
        task["region"] = number
    return codec.encode_run(run)[:HEADER] + msgspec.msgpack.encode(value)


def fields(run):
    """Return the stored fields of a run."""
    return msgspec.msgpack.decode(codec.encode_run(run)[HEADER:])


def test_a_run_keeps_what_only_a_newer_version_knows():
    """Read, changed and written: fields of the run, of its tasks and of what lies in it are still there."""
    run = codec.decode_run(stored(RUN))
    assert replace(run, unknown=b"") == RUN
    tasks = (*run.tasks[1:], replace(run.tasks[0], state=TaskState.READY), Task("verify", TaskKind.VERIFY))
    again = codec.decode_run(codec.encode_run(replace(run, state=RunState.RUNNING, tasks=tasks)))
    assert (again.state, again.tasks[1].state) == (RunState.RUNNING, TaskState.READY)
    value = fields(again)
    assert (value["critic"], value["base"]["protected"], value["shares"][0]["lines"]) == ({"score": 3}, True, [1, 2])
    assert [task.get("region") for task in value["tasks"]] == [1, 0, None]
    assert "unknown" not in value


def test_what_is_gone_takes_its_unknown_fields_along():
    """A structure that this version removes is not brought back by what nobody here knows of it."""
    run = replace(codec.decode_run(stored(RUN)), base=None, shares=(), tasks=RUN.tasks[:1])
    value = fields(codec.decode_run(codec.encode_run(run)))
    assert value.keys().isdisjoint({"base", "shares"})
    assert [task["id"] for task in value["tasks"]] == ["triage"]
    assert value["critic"] == {"score": 3}


def test_of_a_run_of_ours_nothing_is_unknown():
    """A run is read as it was written."""
    assert codec.decode_run(codec.encode_run(RUN)) == RUN


def test_a_pace_keeps_what_only_a_newer_version_knows():
    """A target's table is rewritten by each replica in turn: fields of the table, its pacing and its members stay."""
    table = PaceTable(3, Pacing(limit=4.0), {"a": Member(1, 1, 1, 9.0)})
    value = msgspec.msgpack.decode(codec.encode(table)[1:])
    value["burst"] = 7
    value["pacing"]["trend"] = 0.5
    value["members"]["a"]["zone"] = "x"
    decoder = msgspec.msgpack.Decoder(PaceTable)
    read = codec.decoded(decoder, msgspec.msgpack.encode(value))
    assert replace(read, unknown=b"") == table
    after = replace(read, version=4, pacing=Pacing(limit=5.0), members={**read.members, "b": Member(1, 1, 1, 9.0)})
    value = msgspec.msgpack.decode(codec.encode(after)[1:])
    assert (value["burst"], value["pacing"]["trend"], value["pacing"]["limit"]) == (7, 0.5, 5.0)
    assert [member.get("zone") for member in value["members"].values()] == ["x", None]


@pytest.mark.parametrize(
    ("kind", "expected"), [(FailureReason, FailureReason.AGENT_ERROR), (LimitReason, LimitReason.OTHER)]
)
def test_a_reason_of_a_newer_version_is_another_reason(kind, expected):
    """A number that is not known is taken for the general reason; none and nonsense are not."""
    assert kind(4711) is expected
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(4711), type=kind) is expected
    with pytest.raises(ValueError, match="-1"):
        kind(-1)


def test_a_failure_of_a_newer_agent_is_taken():
    """Its outcome is a failure like others."""
    outcome = dispatch_service_pb2.Outcome(
        reference=dispatch_service_pb2.LeaseReference(task=f"batches/{RUN.batch}/runs/7/tasks/plan")
    )
    outcome.failure.reason = 4711
    assert outcome_of(outcome).result.reason is FailureReason.AGENT_ERROR


async def test_a_newer_agent_is_served(stack, operators):
    """A kind of task, a reason of a limit and a reason of a failure that nobody here knows end no stream."""

    def answer(lease):
        outcome = dispatch_service_pb2.Outcome(reference=lease.reference)
        outcome.failure.reason = 4711
        return outcome

    async with stack.coordinator() as channel, stack.agent(channel, answer=answer, kinds=[1, 2, 99]) as agent:
        report = limits_pb2.TargetReport(target="sandbox-slots", limit=2, reason=4711, detail="the moon")
        beat = dispatch_service_pb2.Heartbeat(limits=[report])
        await agent.say(dispatch_service_pb2.AttachRequest(heartbeat=beat))
        stub = operators(channel)
        request = pb.SubmitBatchRequest(repository="acme/forms", issue_numbers=[1], pipeline=state_pb2.PIPELINE_TRIAGE)
        events = [event async for response in stub.SubmitBatch(request) for event in response.events]
    (result,) = events[-1].batch_finished.results
    assert result.failure_reason == state_pb2.FAILURE_REASON_AGENT_ERROR
    assert isinstance(result, result_pb2.IssueResult)
