"""What the model's own runs are good for, through every process: a wrong change is mended at once, circles end soon."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
import yaml
from running_system import System, running_system
from test_batches import events_of, explain, request
from toy_repository import REPOSITORY, make_toy

from miyabi.common.v1.task_kind_pb2 import TaskKind
from miyabi.coordinator.v1 import coordinator_service_pb2 as pb
from miyabi.coordinator.v1.event_pb2 import BatchEvent
from miyabi.coordinator.v1.state_pb2 import FailureReason, RunState

#: The issue that is mended on the way, and the one on which the model goes in circles.
MENDED, CIRCLES = 1, 2


def call(tool: str, **given: Any) -> list[dict[str, Any]]:
    """Return a turn of one call."""
    return [{"tool": tool, "input": given}]


def edit(old: str, new: str) -> list[dict[str, Any]]:
    """Return a turn that edits the function of the issue that is mended."""
    old_text, new_text = f"    return {old}\n", f"    return {new}\n"
    return call("edit_file", path="items/item_0001.py", old_str=old_text, new_str=new_text)


def scripts() -> list[dict[str, Any]]:
    """Return what the model does in place of the toy's own scenarios."""
    test = (
        "import unittest\n\nfrom items.item_0001 import item_0001\n\n\nclass ItemTests(unittest.TestCase):\n"
        '    def test_item(self):\n        """It adds 1."""\n        self.assertEqual(1, item_0001(0))\n'
    )
    finish = call("finish_change", summary="item_0001 adds 1 now.", changed_expectations=[])
    run = call("run_tests", targets=["tests/test_item_0001.py"])
    create = call("create_file", path="tests/test_item_0001.py", content=test)
    mended = [create, edit("value", "value + 2"), run, edit("value + 2", "value + 1"), run, finish]
    return [
        {"name": name, "when": {"tool": "finish_change", "contains": [f"{REPOSITORY}#{number}\n"]}, "turns": turns}
        for name, number, turns in (
            ("mended", MENDED, mended),
            ("circles", CIRCLES, [call("read_file", path="items/gone.py")] * 20),
        )
    ]


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def looping(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A running system whose model does not get everything right at once."""
    folder: Path = tmp_path_factory.mktemp("loop")
    toy = make_toy(folder / "toy")
    # The first scenario that fits is played, and files are read in the order of their names.
    (toy.scenarios / "0-loop.yaml").write_text(yaml.safe_dump(scripts(), sort_keys=False))
    async with running_system(folder, toy=toy) as running:
        yield running


def invocations(events: list[BatchEvent], tool: str) -> list[BatchEvent]:
    """Return the reports of calls of a tool while the change was made."""
    kind = TaskKind.TASK_KIND_IMPLEMENT
    return [event for event in events if event.tool_invocation.tool == tool and event.task_kind == kind]


async def test_a_wrong_change_is_mended_in_one_round(looping: System) -> None:
    """The model runs the tests, sees them fail, mends, and the issue ends with a pull request without a fix round."""
    events = await events_of(looping, request(MENDED))
    (result,) = events[-1].batch_finished.results
    assert result.state == RunState.RUN_STATE_SUCCEEDED, explain(events)
    assert result.pull_request_url
    assert (result.tests_failed_before, result.tests_passed_after) == (1, 1)
    assert len(invocations(events, "run_tests")) == 2
    run = (await looping.stub.GetIssueRun(pb.GetIssueRunRequest(name=f"{events[0].batch}/runs/{MENDED}"))).run
    assert run.fix_rounds == 0
    answer = await looping.stub.ListModelCalls(
        pb.ListModelCallsRequest(parent=f"{events[0].batch}/runs/{MENDED}", task="implement", page_size=100)
    )
    change = [entry for entry in answer.model_calls if entry.step == "change"]
    assert [entry.number for entry in answer.model_calls] == list(range(1, len(answer.model_calls) + 1))
    results = [block for entry in change for message in entry.messages for block in message.blocks]
    seen = [block.text for block in results if block.type == "tool_result" and " in " in block.text]
    assert "1 failed in " in seen[0]
    assert "1 passed in " in seen[-1]


async def test_circles_end_with_their_reason_and_spend(looping: System) -> None:
    """Within three repeats of each model, with what repeated and what it cost in the result; nothing is written."""
    events = await events_of(looping, request(CIRCLES))
    (result,) = events[-1].batch_finished.results
    assert (result.state, result.failure_reason) == (
        RunState.RUN_STATE_FAILED,
        FailureReason.FAILURE_REASON_NO_PROGRESS,
    ), explain(events)
    assert "came 3 times" in result.failure_message
    assert "tokens and $" in result.failure_message
    assert result.cost_usd_micros > 0
    assert not result.pull_request_url
    asked = [event.tool_invocation.model for event in invocations(events, "model.messages")]
    assert max(asked.count(model) for model in set(asked)) <= 3
