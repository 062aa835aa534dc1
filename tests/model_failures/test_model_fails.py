"""When the model fails: what becomes of a batch through the real coordinator, agent and client of the model API.

The model server is the simulated one, GitHub is left out: the tasks talk to the model and do nothing else.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from miyabi.common.v1.task_kind_pb2 import TaskKind
from miyabi.coordinator.v1 import coordinator_service_pb2 as pb
from miyabi.coordinator.v1.coordinator_service_pb2_grpc import CoordinatorServiceStub
from miyabi.coordinator.v1.dispatch_service_pb2 import Lease, Outcome
from miyabi.coordinator.v1.dispatch_service_pb2_grpc import DispatchServiceStub
from miyabi.coordinator.v1.event_pb2 import BatchFinished
from miyabi.coordinator.v1.result_pb2 import TriageResult
from miyabi.coordinator.v1.state_pb2 import PIPELINE_TRIAGE, FailureReason, RunState
from miyabi.github_gateway.v1 import github_gateway_service_pb2_grpc as gateway_grpc
from miyabi_agents.dispatch.client import AttachClient
from miyabi_agents.dispatch.runner import TaskRunner
from miyabi_agents.environments import EnvironmentStore
from miyabi_agents.feedback import Limits, Slots
from miyabi_agents.model import ModelClient
from miyabi_agents.model.pace import Patience
from miyabi_agents.ports import TaskContext
from miyabi_agents.sandbox import ProcessSandbox
from miyabi_agents.settings import AgentsSettings
from miyabi_agents.workspace import GitWorkspaces
from miyabi_coordinator.app import running
from miyabi_coordinator.settings import CoordinatorSettings
from miyabi_coordinator.testing import REPOSITORY, MemoryGateway
from miyabi_core.channel import open_channel
from miyabi_core.store.valkey import EmbeddedValkey
from miyabi_core.testing import running_server
from miyabi_sim.model import Fault, ModelDials, Scenarios, SimulatedModel

TOOL: dict[str, Any] = {"name": "record_triage", "description": "Record.", "input_schema": {"type": "object"}}
#: Repeats as in earnest, hardly any time between them.
QUICK = Patience(first_wait=timedelta(milliseconds=5), longest_wait=timedelta(milliseconds=40))
#: A batch, and how often each of its issues asks the model.
ISSUES, CALLS = 6, 3
#: How many refusals stand for all that will ever come.
FOR_EVER = 10**9
PACKAGE = "miyabi.coordinator.v1"


class Asking:
    """Asks the model so many times, and nothing else."""

    kind = "asking"
    capabilities = frozenset({TaskKind.TASK_KIND_TRIAGE})

    async def run(self, task: Lease, context: TaskContext) -> Outcome:
        """Ask one after the other."""
        del task
        assert context.model is not None
        for number in range(CALLS):
            prompt = f"Question {number}."
            await context.model.call_tool(step="analysis", system="Be brief.", prompt=prompt, tool=TOOL)
        return Outcome(triage=TriageResult(type="bug", analysis="asked"))


@dataclass
class System:
    """A running system and its model server."""

    model: SimulatedModel
    operators: Any
    agent: ModelClient

    async def batch(self, *, timeout: float = 60.0, **fields: Any) -> BatchFinished:
        """Run a batch to its end; it must not take longer than *timeout* seconds."""
        numbers = range(1, ISSUES + 1)
        request = pb.SubmitBatchRequest(
            repository=REPOSITORY, issue_numbers=numbers, pipeline=PIPELINE_TRIAGE, concurrency=ISSUES, **fields
        )
        events = []
        async for response in self.operators.SubmitBatch(request, timeout=timeout):
            events.extend(response.events)
        return events[-1].batch_finished


@asynccontextmanager
async def running_system(
    folder: Path, dials: ModelDials, *, patience: Patience = QUICK, **settings: Any
) -> AsyncIterator[System]:
    """Start a store, a gateway from memory, a coordinator, a model server and an agent."""
    async with AsyncExitStack() as block:
        enter = block.enter_async_context
        valkey = await enter(EmbeddedValkey(folder / "valkey", appendfsync="no"))
        model = await enter(SimulatedModel(Scenarios(), dials=dials))
        gateway: Any = MemoryGateway(dict.fromkeys(range(1, ISSUES + 1), ""))
        add = gateway_grpc.add_GitHubGatewayServiceServicer_to_server
        address = await enter(running_server((add, gateway, "miyabi.github_gateway.v1.GitHubGatewayService")))
        settled = CoordinatorSettings(redis_url=valkey.url, address="127.0.0.1:0", gateway=address, **settings)
        port = await enter(running(settled))
        channel = await enter(open_channel(f"127.0.0.1:{port}", service=f"{PACKAGE}.DispatchService"))
        operators = await enter(open_channel(f"127.0.0.1:{port}", service=f"{PACKAGE}.CoordinatorService"))
        agent = await enter(_agent(folder / "agent", model, channel, patience))
        yield System(model, CoordinatorServiceStub(operators), agent)


@asynccontextmanager
async def _agent(folder: Path, model: SimulatedModel, channel: Any, patience: Patience) -> AsyncIterator[ModelClient]:
    """Run an agent for the length of the block."""
    settings = AgentsSettings(
        agent_id="agent-1", data_dir=folder, slots=ISSUES, drain=timedelta(0), anthropic_api_key="test-key",
        anthropic_base_url=model.url,
    )  # fmt: skip
    models, sandbox = ModelClient(settings, patience=patience), ProcessSandbox(unsafe=True)
    runner = TaskRunner(
        agents={TaskKind.TASK_KIND_TRIAGE: Asking()},
        github=gateway_grpc.GitHubGatewayServiceStub(channel),
        models=models,
        workspaces=GitWorkspaces(settings.git_url, settings.data_dir),
        sandbox=sandbox,
        environments=EnvironmentStore(settings, sandbox),
        settings=settings,
    )
    limits = Limits(models.pace, Slots(least=1, most=ISSUES), base_url=settings.anthropic_base_url)
    stop = asyncio.Event()
    running_agent = asyncio.create_task(AttachClient(DispatchServiceStub(channel), runner, limits=limits).run(stop))
    try:
        yield models
    finally:
        stop.set()
        running_agent.cancel()
        await asyncio.gather(running_agent, return_exceptions=True)
        await models.close()


def reasons(finished: BatchFinished) -> set[str]:
    """Return why runs failed, each reason once; those that did well have none."""
    return {FailureReason.Name(result.failure_reason)[15:] for result in finished.results}


@pytest.mark.parametrize(
    "faults",
    [
        [Fault("rate_limited", count=60, retry_after_seconds=0.02)],
        [Fault("rate_limited", count=30, retry_after_seconds=None)],
        [Fault("overloaded", count=60)],
        [Fault("internal", count=4)],
        [Fault("dropped", count=2)],
        [Fault("ended", count=2)],
        [Fault("overloaded", count=9), Fault("dropped"), Fault("internal", count=3), Fault("rate_limited", count=9)],
    ],
    ids=["429 retry-after", "429", "529", "500", "connection lost", "stream ends", "one after the other"],
)
async def test_what_passes_fails_no_run(tmp_path, faults):
    """Every issue is asked to its end, in the attempt that met the failure, and what it cost is told."""
    async with running_system(tmp_path, ModelDials(faults=faults)) as system:
        finished = await system.batch()
        assert {RunState.RUN_STATE_SUCCEEDED} == {result.state for result in finished.results}
        assert finished.spent.calls >= ISSUES * CALLS
        assert system.model.load.answered >= ISSUES * CALLS
        assert system.agent.pace.under_way == 0


@pytest.mark.slow
@pytest.mark.timeout(150)
@pytest.mark.parametrize("kind", ["rate_limited", "overloaded"])
async def test_a_minute_of_refusals_fails_no_run_and_hangs_none(tmp_path, kind):
    """Slow, since a minute is a minute: with the patience as delivered, all are done soon after it."""
    fault = Fault(kind, count=FOR_EVER, retry_after_seconds=None)
    dials = ModelDials(faults=[fault])
    async with running_system(tmp_path, dials, patience=Patience()) as system:
        batch = asyncio.create_task(system.batch(timeout=120.0))
        done, _ = await asyncio.wait([batch], timeout=60.0)
        assert not done
        assert system.model.load.answered == 0
        fault.count = 0
        async with asyncio.timeout(30):
            finished = await batch
        assert {RunState.RUN_STATE_SUCCEEDED} == {result.state for result in finished.results}
        steps = (await system.operators.ListLimitSteps(pb.ListLimitStepsRequest())).steps
        assert min(step.limit for step in steps) == 1, "it was left alone as far as may be"


@pytest.mark.parametrize(
    ("faults", "reason"),
    [
        ([Fault("overloaded", count=FOR_EVER)], "MODEL_UNAVAILABLE"),
        ([Fault("rate_limited", count=FOR_EVER, retry_after_seconds=None)], "MODEL_UNAVAILABLE"),
        ([Fault("internal", count=FOR_EVER)], "MODEL_UNAVAILABLE"),
        ([Fault("dropped", count=FOR_EVER)], "MODEL_UNAVAILABLE"),
        ([Fault("invalid", count=FOR_EVER)], "MODEL_UNAVAILABLE"),
    ],
    ids=["529", "429", "500", "connection lost", "400"],
)
async def test_what_does_not_pass_ends_every_run_with_one_reason(tmp_path, faults, reason):
    """None hangs: patience is bounded, and so are the attempts of a task."""
    patience = Patience(
        busy=timedelta(seconds=0.2), first_wait=timedelta(milliseconds=5), longest_wait=timedelta(milliseconds=50)
    )
    async with running_system(tmp_path, ModelDials(faults=faults), patience=patience) as system:
        finished = await system.batch()
    assert reasons(finished) == {reason}
    assert {RunState.RUN_STATE_FAILED} == {result.state for result in finished.results}
    assert all(result.failure_message for result in finished.results)


async def test_an_api_that_is_gone_for_good_costs_what_was_spent_before(tmp_path):
    """Each issue was asked once before the server went: that money is told, with one reason."""
    dials = ModelDials()
    async with running_system(tmp_path, dials) as system:
        await system.batch()
        spent_once = (await system.batch(request_id="01ARZ3NDEKTSV4RRFFQ69G5FAA", overrule=[4])).spent
        batch = asyncio.create_task(system.batch(request_id="01ARZ3NDEKTSV4RRFFQ69G5FAB", overrule=[4]))
        answered = system.model.load.answered
        while system.model.load.answered < answered + 2:
            await asyncio.sleep(0.005)
        await system.model.stop()
        finished = await batch
    assert "MODEL_UNAVAILABLE" in reasons(finished)
    assert reasons(finished) <= {"MODEL_UNAVAILABLE", "UNSPECIFIED"}
    assert 0 < finished.spent.cost_usd_micros < spent_once.cost_usd_micros
    assert finished.spent.cost_usd_micros == sum(result.cost_usd_micros for result in finished.results)


async def test_an_api_that_never_begins_an_answer_ends_with_the_deadline(tmp_path):
    """Every run ends within the attempts that it has, each bounded by the task's deadline."""
    deadline = timedelta(seconds=1)
    async with running_system(tmp_path, ModelDials(600.0), task_deadline=deadline) as system:
        finished = await system.batch(timeout=45.0)
    assert reasons(finished) == {"DEADLINE"}


async def test_a_budget_that_is_spent_ends_the_run_with_its_spend(tmp_path):
    """One reason, and no more than the budget."""
    async with running_system(tmp_path, ModelDials()) as system:
        finished = await system.batch(issue_budget={"tokens": 300})
    assert reasons(finished) == {"BUDGET_EXHAUSTED"}
    assert all(result.failure_message for result in finished.results)
