"""What stopped conversations had learnt reaches the next attempt, the next fix round, and the run after a retry."""

from __future__ import annotations

import pytest
from service_calls import collect, submit

from miyabi.common.v1.task_kind_pb2 import TaskKind
from miyabi.coordinator.v1 import coordinator_service_pb2 as pb
from miyabi.coordinator.v1 import state_pb2
from miyabi_coordinator.decide.outcomes import MAX_LEARNT
from miyabi_coordinator.testing import succeed

IMPLEMENT = TaskKind.TASK_KIND_IMPLEMENT


class Script:
    """Answers leases; notes what each IMPLEMENT was told, and has the first fail and say what it learnt."""

    def __init__(self, *learnt, retryable=True, refute=0):
        self.told = []
        self._learnt = list(learnt)
        self._retryable = retryable
        self._refute = refute

    def __call__(self, lease):
        outcome = succeed(lease)
        if lease.kind == IMPLEMENT:
            self.told.append((lease.attempt, lease.fix_round, lease.inputs.learnt))
            if self._learnt:
                outcome.learnt = self._learnt.pop(0)
                if not self._refute:
                    outcome.failure.reason = state_pb2.FAILURE_REASON_DEADLINE
                    outcome.failure.retryable = self._retryable
                    outcome.failure.retry_after.FromMilliseconds(1)
        else:
            assert lease.inputs.learnt == ""
            outcome.learnt = "of a step that changes nothing"
        if lease.kind == TaskKind.TASK_KIND_VERIFY and self._refute:
            self._refute -= 1
            outcome.verification.passed = False
        return outcome


async def test_the_next_attempt_is_told(stack, operators):
    """On whichever agent: what the attempts before had learnt, oldest first."""
    script = Script("the sum is wrong", "so is the tax")
    async with stack.coordinator() as channel, stack.agent(channel, answer=script):
        await collect(operators(channel).SubmitBatch(submit(1)))
    assert script.told == [(1, 0, ""), (2, 0, "the sum is wrong"), (3, 0, "the sum is wrong\n\nso is the tax")]


async def test_the_next_fix_round_is_told(stack, operators):
    """Also where a deeper model brought the round to its end."""
    script = Script("the fast model went in circles", refute=1)
    async with stack.coordinator() as channel, stack.agent(channel, answer=script):
        await collect(operators(channel).SubmitBatch(submit(1)))
    assert script.told == [(1, 0, ""), (1, 1, "the fast model went in circles")]


async def test_a_retried_run_is_told(stack, operators):
    """A run that ended with NO_PROGRESS begins again from its beginning, but for what was learnt."""
    script = Script("read the model, not the view", retryable=False)
    async with stack.coordinator() as channel, stack.agent(channel, answer=script):
        stub = operators(channel)
        name = (await collect(stub.SubmitBatch(submit(1))))[0].batch
        await stub.RetryBatch(pb.RetryBatchRequest(name=name))
        await collect(stub.WatchBatch(pb.WatchBatchRequest(name=name)))
    assert script.told == [(1, 0, ""), (1, 0, "read the model, not the view")]


@pytest.mark.parametrize("size", [MAX_LEARNT // 2, MAX_LEARNT])
async def test_what_is_learnt_is_bounded(stack, operators, size):
    """The newest stays whole; what is left out of the older says so."""
    script = Script("a" * size, "b" * size)
    async with stack.coordinator() as channel, stack.agent(channel, answer=script):
        await collect(operators(channel).SubmitBatch(submit(1)))
    told = script.told[-1][2]
    assert len(told) <= MAX_LEARNT
    assert told.endswith("b" * (size - 100))
    assert "left out" in told
