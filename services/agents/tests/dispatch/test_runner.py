"""Every way in which a task may end becomes an outcome that the coordinator takes."""

from __future__ import annotations

import asyncio
import re
from datetime import timedelta

import pytest
from pydantic import SecretStr

from miyabi.common.v1.task_kind_pb2 import TaskKind
from miyabi.common.v1.usage_pb2 import Budget
from miyabi.coordinator.v1 import dispatch_service_pb2 as pb
from miyabi.coordinator.v1.result_pb2 import TriageResult
from miyabi.coordinator.v1.state_pb2 import FailureReason
from miyabi_agents.errors import AgentError, BudgetError, ModelUnavailableError
from miyabi_core.channel import open_channel
from miyabi_core.proto_time import now, to_timestamp
from miyabi_sim.model.scenarios import Scenario, Scenarios
from miyabi_sim.model.server import SimulatedModel


@pytest.fixture
async def run(bench, make_lease):
    """Run one scripted task to its outcome."""

    async def run_script(script, **fields) -> pb.Outcome:
        async with open_channel("127.0.0.1:1", service="none") as channel:
            return await bench.runner(script, channel).run(make_lease(**fields), lambda message, droppable: None)

    return run_script


async def failing(run, error: BaseException, **fields) -> pb.TaskFailure:
    """Return the failure that *error* becomes."""

    async def script(task, context):
        raise error

    outcome = await run(script, **fields)
    assert outcome.reference.fencing_token == 1
    return outcome.failure


async def test_a_foreseen_error_keeps_its_reason_and_pause(run) -> None:
    """Reason, words and the pause that the model API asked for reach the coordinator; a token in the words does not."""
    error = ModelUnavailableError("busy, sk-ant-0123456789abcdef", retry_after=timedelta(seconds=7))
    failure = await failing(run, error)
    assert failure.reason == FailureReason.FAILURE_REASON_MODEL_UNAVAILABLE
    assert (failure.retryable, failure.retry_after.seconds) == (True, 7)
    assert "sk-ant" not in failure.message


async def test_an_unforeseen_error_is_named_but_not_quoted(run) -> None:
    """The type of an unforeseen error is told, its words, which may hold anything, are not."""
    failure = await failing(run, RuntimeError("password=hunter2"))
    assert failure.reason == FailureReason.FAILURE_REASON_AGENT_ERROR
    assert "RuntimeError" in failure.message
    assert "hunter2" not in failure.message


async def test_a_foreseen_error_among_parallel_tasks_keeps_its_reason(run) -> None:
    """An error out of a task group counts as itself, unless an unforeseen one came with it."""
    budget = BudgetError("nothing left")
    failure = await failing(run, ExceptionGroup("side by side", [budget, ExceptionGroup("inner", [budget])]))
    assert failure.reason == FailureReason.FAILURE_REASON_BUDGET_EXHAUSTED
    assert not failure.retryable
    mixed = await failing(run, ExceptionGroup("side by side", [budget, RuntimeError("odd")]))
    assert mixed.reason == FailureReason.FAILURE_REASON_AGENT_ERROR


async def test_the_deadline_ends_a_task(run, make_outcome) -> None:
    """A task is ended when its time is over, whatever it waits for."""

    async def script(task, context):
        await asyncio.Event().wait()
        return make_outcome()

    outcome = await run(script, deadline=to_timestamp(now() + timedelta(milliseconds=50)))
    assert outcome.failure.reason == FailureReason.FAILURE_REASON_DEADLINE


@pytest.fixture
async def stopped_at(run, bench):
    """Runs an IMPLEMENT task that asks a model until something ends it; gives its outcome."""

    async def implement(script, *turns, **fields) -> pb.Outcome:
        async with SimulatedModel(Scenarios([Scenario("scripted", turns)])) as model:
            key = {"anthropic_api_key": SecretStr("test-key"), "anthropic_base_url": model.url}
            bench.settings = bench.settings.model_copy(update=key)
            return await run(script, kind=TaskKind.TASK_KIND_IMPLEMENT, **fields)

    return implement


async def converse(context, done: asyncio.Event | None = None) -> None:
    """Talk about a file that is not there, then for as long as it takes."""

    async def read(given) -> str:
        if given.get("wait") and done is not None:
            await done.wait()
        raise ValueError(f"path: there is no such file {given.get('path')}, sk-ant-0123456789abcdef")

    tools = [{"name": name, "description": name, "input_schema": {"type": "object"}} for name in ("read", "done")]
    await context.model.run_tools(
        step="change", system="s", prompt="p", tools=tools, handlers={"read": read}, finish="done"
    )


def reads(**given):
    """Return a turn that reads."""
    return [{"text": "I look."}, {"tool": "read", "input": given}]


async def test_the_deadline_says_what_was_spent_and_learnt(stopped_at) -> None:
    """Calls, money and time are in the message; what was learnt goes with the outcome, without secrets."""

    async def script(task, context):
        await converse(context, asyncio.Event())

    deadline = to_timestamp(now() + timedelta(seconds=3))
    outcome = await stopped_at(script, reads(path="gone"), reads(wait=True), deadline=deadline)
    failure = outcome.failure
    assert (failure.reason, failure.retryable) == (FailureReason.FAILURE_REASON_DEADLINE, True)
    assert re.search(
        r"the task's deadline passed; 2 calls, [0-9,]+ tokens and \$0\.[0-9]{4} were spent in [0-9.]+ s",
        failure.message,
    )
    assert outcome.usage.calls == 2
    assert "path: there is no such file" in outcome.learnt
    assert "sk-ant" not in outcome.learnt


async def test_a_budget_that_ends_says_what_was_spent_and_learnt(stopped_at) -> None:
    """So does the end of the money, also where it came side by side with others."""

    async def script(task, context):
        async with asyncio.TaskGroup() as group:
            group.create_task(converse(context))

    outcome = await stopped_at(
        script, *[reads(path=str(number) * 2000) for number in range(9)], budget=Budget(tokens=5000)
    )
    assert outcome.failure.reason == FailureReason.FAILURE_REASON_BUDGET_EXHAUSTED
    assert re.search(r"are left; [1-9] calls, [0-9,]+ tokens and \$0\.[0-9]{4} were spent in", outcome.failure.message)
    assert "path: there is no such file" in outcome.learnt


async def test_circles_are_told_to_the_next_attempt(stopped_at) -> None:
    """NO_PROGRESS too says why, in the message and for the next model."""

    async def script(task, context):
        await converse(context)

    outcome = await stopped_at(script, *[reads(path="a")] * 9)
    assert outcome.failure.reason == FailureReason.FAILURE_REASON_NO_PROGRESS
    assert outcome.usage.calls == 3
    assert "came 3 times" in outcome.failure.message
    assert "came 3 times" in outcome.learnt


async def test_an_outcome_that_breaks_the_interface_becomes_a_failure(run) -> None:
    """What the coordinator would refuse is never sent: it would end the stream, again and again."""

    async def script(task, context):
        return pb.Outcome(triage=TriageResult(analysis="x" * 9000))

    outcome = await run(script)
    assert outcome.failure.reason == FailureReason.FAILURE_REASON_AGENT_ERROR
    assert "triage.analysis" in outcome.failure.message


async def test_an_outcome_that_is_too_large_becomes_a_failure(run) -> None:
    """A change that fits into no message is reported as such."""

    async def script(task, context):
        outcome = pb.Outcome()
        outcome.change_set.base_sha, outcome.change_set.digest = "0" * 40, "0" * 64
        outcome.change_set.files.add(path="a.bin", content=bytes(25 << 20))
        return outcome

    assert "bytes" in (await run(script)).failure.message


async def test_the_scratch_folder_is_private_and_goes_with_the_task(run, make_outcome) -> None:
    """A task finds an empty folder of its own, which is gone afterwards even if the task failed."""
    seen = []

    async def script(task, context):
        seen.append(context.scratch)
        (context.scratch / "left").write_text("x")
        assert context.scratch.stat().st_mode & 0o077 == 0
        raise AgentError("no", reason=FailureReason.FAILURE_REASON_NO_CHANGE)

    await run(script)
    assert not seen[0].exists()
