"""What is exported of a batch: one trace an issue with every hop, and the metrics that the documentation lists."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import nullcontext

import pytest
import pytest_asyncio
from running_system import running_system
from toy_repository import REPOSITORY
from traces.collector import running_collector
from traces.receiver import Received, ReceivedSpan, telemetry_receiver

from miyabi.coordinator.v1 import coordinator_service_pb2 as pb
from miyabi.coordinator.v1.state_pb2 import Pipeline, RunState
from miyabi_core.ids import new_ulid
from scripts.docs.reference.metrics import described

#: What each kind of task is shown as.
TASKS = {f"task {kind}" for kind in ("TRIAGE", "PLAN", "IMPLEMENT", "VERIFY", "REVIEW", "DOCUMENT", "PULL_REQUEST")}


#: A mark of what goes through a real collector.
BUILT = pytest.mark.slow("a collector is built from source, which costs minutes once")


@pytest_asyncio.fixture(scope="module", params=["straight", pytest.param("through_a_collector", marks=BUILT)])
async def received(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Received]:
    """What two issues of one batch left when the system had ended: as it was sent, and as a collector passed it on."""
    folder = tmp_path_factory.mktemp("traced")
    async with telemetry_receiver() as receiver:
        straight = request.param == "straight"
        way = nullcontext(receiver.settings) if straight else running_collector(folder, receiver.settings)
        async with way as settings, running_system(folder, settings=settings) as system:
            batch = pb.SubmitBatchRequest(
                repository=REPOSITORY, issue_numbers=[1, 2], pipeline=Pipeline.PIPELINE_FIX, request_id=new_ulid()
            )
            events = [event async for event in system.client.submit(batch)]
            states = [result.state for result in events[-1].batch_finished.results]
            assert states == [RunState.RUN_STATE_SUCCEEDED] * 2
        yield receiver


def trace_of(received: Received, issue: int) -> list[ReceivedSpan]:
    """Return the spans of an issue's trace."""
    (root,) = [
        span for span in received.spans if span.name == "issue" and span.attributes["miyabi.issue.number"] == issue
    ]
    return [span for span in received.spans if span.trace == root.trace]


@pytest.mark.parametrize("issue", [1, 2])
def test_an_issue_is_one_trace_without_orphans(received: Received, issue: int) -> None:
    """Every span of the trace but its root has a parent in it, which began no later."""
    spans = trace_of(received, issue)
    by_id = {span.span: span for span in spans}
    assert len(by_id) == len(spans)
    assert [span.name for span in spans if not span.parent] == ["issue"]
    assert [span.name for span in spans if span.parent and span.parent not in by_id] == []
    early = [span.name for span in spans if span.parent and span.start < by_id[span.parent].start - 5_000_000]
    assert early == []


def test_every_hop_is_in_the_trace(received: Received) -> None:
    """Waits and attempts by the coordinator, tools and model calls by the agent, calls at the gateway."""
    spans = trace_of(received, 1)
    assert {span.service for span in spans} == {"miyabi-coordinator", "miyabi-agents", "miyabi-github-gateway"}
    names = {span.name for span in spans}
    assert names >= TASKS
    assert {name.replace("task", "wait") for name in TASKS} <= names
    assert "execute_tool git.push" in names
    assert "miyabi.github_gateway.v1.GitHubGatewayService/CreatePullRequest" in names
    chats = [span for span in spans if span.name.startswith("chat ")]
    assert chats
    assert all(span.attributes["gen_ai.operation.name"] == "chat" for span in chats)
    assert all(span.attributes["gen_ai.usage.input_tokens"] > 0 for span in chats)


def test_the_documentation_lists_what_is_exported(received: Received) -> None:
    """Each metric that a service exports is in the documentation by its name, and each one there is exported."""
    assert set(received.metrics) == {
        "miyabi-coordinator", "miyabi-agents", "miyabi-github-gateway", "miyabi-dashboard",
    }  # fmt: skip
    exported, listed = set().union(*received.metrics.values()), {name for name, *_ in described()}
    differences = {"only exported": sorted(exported - listed), "only listed": sorted(listed - exported)}
    assert differences == {"only exported": [], "only listed": []}, json.dumps(differences, indent=1)
