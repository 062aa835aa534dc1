"""The simulated model ends its answers, breaks them and refuses prompts as the real API does."""

from __future__ import annotations

import json
from typing import Any

import aiohttp
import pytest

from miyabi_sim.model.dials import Fault, ModelDials
from miyabi_sim.model.scenarios import Scenario, ScenarioError, Scenarios
from miyabi_sim.model.server import SimulatedModel

ASKED = {"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "word " * 400}]}


async def ask(*blocks: dict[str, Any], stream: bool = False, **dials: Any) -> tuple[int, Any]:
    """Return status and answer of a model that says these blocks; of a stream, the events."""
    scenarios = Scenarios([Scenario("only", [list(blocks)])])
    async with (
        SimulatedModel(scenarios, dials=ModelDials(**dials)) as model,
        aiohttp.ClientSession(headers={"x-api-key": "k"}) as session,
        session.post(f"{model.url}/v1/messages", json={**ASKED, "stream": stream}) as answer,
    ):
        if not stream:
            return answer.status, await answer.json()
        lines = (await answer.text()).splitlines()
        return answer.status, [json.loads(line.removeprefix("data: ")) for line in lines if line.startswith("data: ")]


@pytest.mark.parametrize(
    ("blocks", "reason"),
    [
        ([{"text": "a"}], "end_turn"),
        ([{"tool": "t", "input": {}}], "tool_use"),
        ([{"text": "a"}, {"stop": "max_tokens"}], "max_tokens"),
        ([{"tool": "t", "input": {}}, {"stop": "pause_turn"}], "pause_turn"),
        ([{"stop": "refusal"}], "refusal"),
    ],
)
async def test_an_answer_ends_for_the_reason_of_its_turn(blocks, reason) -> None:
    """As its scenario says, else for its tool calls, else because it was done; the reason is no block of it."""
    status, message = await ask(*blocks)
    assert (status, message["stop_reason"]) == (200, reason)
    assert len(message["content"]) == len([block for block in blocks if "stop" not in block])


async def test_the_input_of_a_call_may_be_cut_or_no_json() -> None:
    """What is streamed is what was written, whatever it is."""
    _, events = await ask({"text": "a"}, {"tool": "t", "input": {}, "written": '{"a": "b'}, stream=True)
    pieces = [event["delta"]["partial_json"] for event in events if "partial_json" in event.get("delta", {})]
    assert "".join(pieces) == '{"a": "b'


async def test_a_stream_may_end_in_the_middle() -> None:
    """The connection is closed in good order, and the message has no end."""
    _, events = await ask({"text": "a long text"}, stream=True, faults=[Fault("ended")])
    assert [event["type"] for event in events] == ["message_start", "ping", "content_block_start"]


async def test_a_prompt_that_does_not_fit_is_refused_in_the_apis_words() -> None:
    """Every prompt is counted; one beyond the window gets 400."""
    status, message = await ask({"text": "a"}, window_tokens=400)
    assert (status, message["error"]["type"]) == (400, "invalid_request_error")
    assert message["error"]["message"] == "prompt is too long: 500 tokens > 400 maximum"
    assert (await ask({"text": "a"}, window_tokens=600))[0] == 200


def test_a_scenario_may_say_how_an_answer_ends(tmp_path) -> None:
    """`stop` and `written` are read from files too; a block of nothing is refused by name."""
    file = tmp_path / "one.yaml"
    file.write_text("- turns: [[{tool: t, input: {a: 1}, written: '{'}, {stop: max_tokens}]]\n")
    (scenario,) = Scenarios.load(file).entries
    assert scenario.turns == [[{"tool": "t", "input": {"a": 1}, "written": "{"}, {"stop": "max_tokens"}]]
    file.write_text("- turns: [[{nothing: 1}]]\n")
    with pytest.raises(ScenarioError, match="needs text, tool or stop"):
        Scenarios.load(file)
