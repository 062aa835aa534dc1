"""The rules, alone: whatever happens in whatever order, a run ends, stays ended, and its counters equal a recount."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from miyabi.coordinator.v1 import state_pb2
from miyabi_coordinator import shards
from miyabi_coordinator.adapters.redis_store import codec
from miyabi_coordinator.adapters.redis_store.committer import pack_commit
from miyabi_coordinator.decide import COUNTER_OF_STATE, decide, new_run
from miyabi_coordinator.models import (
    ApprovalDecided,
    BackoffElapsed,
    Budget,
    CancelRequested,
    Done,
    Failed,
    FailureReason,
    Funds,
    IssueFacts,
    LeaseExpired,
    LeaseGranted,
    OutcomeReceived,
    Pipeline,
    PlannedStep,
    PrerequisiteEnded,
    Released,
    RunState,
    Spec,
    TaskKind,
    TaskState,
    Usage,
)
from miyabi_coordinator.ports.store import Commit
from miyabi_coordinator.service.limiting.estimates import from_table
from miyabi_coordinator.service.submitting.dependencies import dependencies_of, find_cycle

SPEC = Spec("acme/forms", (1,))
LIMIT = Budget(usd_micros=10_000_000)
FUNDS = Funds(LIMIT)
ESTIMATES = from_table()
FIELDS = ("triage", "plan", "change_set", "verification", "review", "documentation", "pull_request")


def run_of(spec=SPEC):
    return new_run("B", 1, spec=spec, title="", url="", depends_on=(), dependents=())


def done(kind, **facts):
    return Done(FIELDS[kind - 1], b"", **{"files": 1, "steps": (PlannedStep("a"), PlannedStep("b", (0,))), **facts})


def finish(run, spec, **facts):
    """Lease and end the first ready task."""
    task = next(task for task in run.tasks if task.state is TaskState.READY)
    run = decide(run, spec, LeaseGranted(task.id, "agent", 10, 100, estimates=ESTIMATES), 1).run
    event = OutcomeReceived(task.id, run.fence, done(task.kind, **facts.get(task.kind.name, {})), Usage())
    return decide(run, spec, event, 2).run


@st.composite
def moves(draw):
    return draw(st.lists(st.tuples(st.integers(0, 8), st.integers(0, 20), st.booleans()), max_size=120))


def event_of(move, run):
    """Return some event, often one that fits."""
    kind, index, flag = move
    task = run.tasks[index % len(run.tasks)]
    result = done(task.kind, passed=flag, files=int(flag))
    failure = Failed(FailureReason.AGENT_ERROR, "x", retryable=flag)
    return (
        LeaseGranted(task.id, "agent", 10.0, 1000.0, FUNDS, ESTIMATES),
        OutcomeReceived(task.id, task.fence, result, Usage(cost_usd_micros=3)),
        OutcomeReceived(task.id, task.fence, failure, Usage(cost_usd_micros=2)),
        OutcomeReceived(task.id, task.fence - 1, result, Usage(cost_usd_micros=9)),
        OutcomeReceived(task.id, task.fence, Released(), Usage()),
        LeaseExpired(task.id, task.fence),
        BackoffElapsed(task.id),
        ApprovalDecided(flag),
        CancelRequested() if index == 0 else PrerequisiteEnded(1, flag),
    )[kind]


def packed(decision):
    """Return the bytes that the store would be sent."""
    return pack_commit(Commit(decision, 1), now=1.0)


@given(moves(), st.booleans(), st.sampled_from(Pipeline), st.integers(0, 3))
@settings(max_examples=200, deadline=None)
def test_random_histories(history, gate, pipeline, rounds):
    """Ended tasks stay as they are, versions grow by one, fencing tokens never repeat, counters add up.

    The same run, event and time give the same bytes.
    """
    spec = replace(SPEC, pipeline=pipeline, require_approval=gate, max_fix_rounds=rounds, budget=LIMIT)
    run = run_of(spec)
    counters = {"pending": 1}
    fences = set()
    for step, move in enumerate(history):
        before = run
        decision = decide(run, spec, event_of(move, run), float(step))
        again = decide(codec.decode_run(codec.encode_run(run)), spec, event_of(move, run), float(step))
        assert packed(decision) == packed(again)
        run = decision.run
        if not decision.changed:
            assert run is before
            continue
        assert run.version == before.version + 1
        assert not before.state.terminal
        ended = {task.id: task for task in before.tasks if task.state.terminal}
        assert all(run.task(name) == task for name, task in ended.items())
        for task in decision.effects.leases_set:
            assert task.fence not in fences
            fences.add(task.fence)
        for name, delta in decision.effects.counters.items():
            counters[name] = counters.get(name, 0) + delta
        leased = [task for task in run.tasks if task.state is TaskState.LEASED]
        assert counters.get("leased", 0) == len(leased)
        reserved = sum(task.reserved.usd_micros for task in leased) + run.kept.usd_micros
        assert counters.get("reserved", 0) == reserved
        assert counters.get("spent_cost_usd_micros", 0) == run.spent.cost_usd_micros
        assert {name for name in COUNTER_OF_STATE.values() if counters.get(name)} == {COUNTER_OF_STATE[run.state]}
        if run.state.terminal:
            assert all(task.state.terminal for task in run.tasks)


@given(st.lists(st.integers(0, 3), max_size=60), st.integers(0, 3))
@settings(max_examples=100, deadline=None)
def test_every_run_ends(choices, rounds):
    """However agents fail, a run whose tasks are served ends within a bound."""
    spec = replace(SPEC, max_fix_rounds=rounds)
    run, choice = run_of(spec), iter(choices)
    for step in range(1000):
        if run.state.terminal:
            break
        task = next(task for task in run.tasks if task.state in {TaskState.READY, TaskState.BACKOFF})
        if task.state is TaskState.BACKOFF:
            run = decide(run, spec, BackoffElapsed(task.id), step).run
            continue
        run = decide(run, spec, LeaseGranted(task.id, "agent", 10, 5000), step).run
        pick = next(choice, 0)
        failure = Failed(FailureReason.AGENT_ERROR, "x", retryable=True)
        result = failure if pick == 1 else done(task.kind, passed=pick != 2)
        event = OutcomeReceived(task.id, run.fence, result, Usage()) if pick < 3 else LeaseExpired(task.id, run.fence)
        run = decide(run, spec, event, step).run
    assert run.state.terminal


def test_failed_verify_makes_a_fix_round_until_none_is_left():
    """A failed verification leads to implement-2; after the last round the run says FIX_ROUNDS_EXHAUSTED."""
    spec = replace(SPEC, max_fix_rounds=1)
    run = run_of(spec)
    while not run.state.terminal:
        run = finish(run, spec, VERIFY={"passed": False})
    assert run.task("implement-2").state is TaskState.SUCCEEDED
    assert run.task("review").state is TaskState.SKIPPED
    assert (run.state, run.reason) == (RunState.FAILED, FailureReason.FIX_ROUNDS_EXHAUSTED)


def test_incomplete_review_never_passes():
    """A review without a verdict fails the run, even one that says it passed."""
    run = run_of()
    while not run.state.terminal:
        run = finish(run, SPEC, REVIEW={"passed": True, "incomplete": True})
    assert run.reason is FailureReason.REVIEW_INCOMPLETE


def test_failed_verify_says_its_cause():
    """The person reads why, not only that."""
    run = run_of(spec := replace(SPEC, max_fix_rounds=0))
    while not run.state.terminal:
        run = finish(run, spec, VERIFY={"passed": False, "why": "no test turns green."})
    assert run.message == "The tests do not prove the change: no test turns green. Fix rounds that were used: 0."


def test_what_verify_asks_a_person_waits_for_one():
    """Edits of what decides how tests are run need an approval, also where the batch asks for none."""
    run = run_of()
    while run.state is not RunState.AWAITING_APPROVAL:
        assert not run.state.terminal
        run = finish(run, SPEC, VERIFY={"asks": True})
    run = finish(decide(run, SPEC, ApprovalDecided(True), 3).run, SPEC)
    assert run.state is RunState.SUCCEEDED


def test_no_change_is_no_success():
    """An implementation step without a file fails the run."""
    run = run_of()
    while not run.state.terminal:
        run = finish(run, SPEC, IMPLEMENT={"files": 0})
    assert run.reason is FailureReason.NO_CHANGE


def test_issue_budget_ends_the_run():
    """Once an issue's budget is spent no further task is leased."""
    spec = replace(SPEC, issue_budget=Budget(usd_micros=200_000))
    run = run_of(spec)
    run = decide(run, spec, LeaseGranted("triage", "agent", 10, 100, estimates=ESTIMATES), 1).run
    run = decide(run, spec, OutcomeReceived("triage", 1, done(1), Usage(cost_usd_micros=200_000)), 2).run
    decision = decide(run, spec, LeaseGranted("plan", "agent", 10, 100, estimates=ESTIMATES), 3)
    assert decision.run.reason is FailureReason.BUDGET_EXHAUSTED


def test_cycle_is_named_and_self_reference_is_none():
    """A circle is found with its path; an issue that names itself is no circle."""
    facts = [IssueFacts(1, "", "", "Depends on #2"), IssueFacts(2, "", "", "blocked by #1, #2 and #3")]
    dependencies = dependencies_of(facts)
    assert dependencies == {1: (2,), 2: (1,)}
    assert find_cycle(dependencies) == [1, 2, 1]
    assert find_cycle(dependencies_of([IssueFacts(1, "", "", "Depends on #1")])) == []


def test_numbers_equal_those_of_the_protos():
    """States, kinds and reasons have the numbers that go over the wire."""
    for ours, theirs, prefix in (
        (RunState, state_pb2.RunState, "RUN_STATE_"),
        (TaskState, state_pb2.TaskState, "TASK_STATE_"),
        (Pipeline, state_pb2.Pipeline, "PIPELINE_"),
    ):
        assert {prefix + member.name: int(member) for member in ours} == dict(theirs.items()[1:])
    reasons = {f"FAILURE_REASON_{member.name}": int(member) for member in FailureReason if member}
    assert reasons == dict(state_pb2.FailureReason.items()[1:])
    assert len(TaskKind) == 7


def test_first_shards_spread_over_primaries():
    """The first shards fall on different primaries, for two to eight of them, whatever the order."""
    for count in (2, 4, 8):
        owners = {shards.slot_of(tag) * count // shards.SLOTS for tag in shards.TAGS[:count]}
        assert len(owners) == count


def test_batch_id_names_its_shard():
    """The last two characters of a new batch id are its shard."""
    assert all(shards.shard_of(shards.new_batch_id(number)) == number for number in range(64))
