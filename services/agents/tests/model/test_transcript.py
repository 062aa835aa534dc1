"""Every call of the model is recorded: what it added, what came back, what it cost; bounded, and without secrets."""

from __future__ import annotations

import json
from contextlib import suppress

import protovalidate
import pytest

from miyabi.common.v1.usage_pb2 import Budget
from miyabi_agents.errors import AgentError, BudgetError, ModelUnavailableError
from miyabi_agents.model import Tier
from miyabi_agents.model.transcript import MAX_BLOCK_CHARACTERS, MAX_CALL_BYTES
from miyabi_core.interceptors.validation import violations_of
from miyabi_sim.model.dials import Fault

TOOLS = [{"name": name, "description": name, "input_schema": {"type": "object"}} for name in ("read", "done")]
DONE = [{"text": "That is it."}, {"tool": "done", "input": {}}]
SECRET = "sk-ant-api03-" + "a1B2" * 12


def calls_of(seen):
    """Return the recorded calls."""
    return [entry.model_call for entry in seen.sent if entry.HasField("model_call")]


async def converse(seen, *, text="some text", prompt="acme/toy#7", **options):
    """Run a conversation that reads."""

    async def read(given) -> str:
        if given.get("path") == "gone":
            raise ValueError("path: there is no such file")
        return text

    return await seen.session.run_tools(
        step="change", system="You are careful.", prompt=prompt, tools=TOOLS, handlers={"read": read}, finish="done",
        **options,
    )  # fmt: skip


def texts_of(call):
    """Return what a call sent, text by text."""
    return [block.text for message in call.messages for block in message.blocks]


async def test_a_conversation_is_recorded_once(talk) -> None:
    """Each call has what it adds to the one before, its answer, tier, usage, times, and the prefix by its digest."""
    turns = [[{"text": "Let me see."}, {"tool": "read", "input": {"path": name}}] for name in ("a", "gone")]
    async with talk(*turns, DONE) as seen:
        await converse(seen, tier=Tier.DEEP)
        calls, invocations = calls_of(seen), seen.calls
        usage = seen.session.usage
        first_request = seen.model.requests[0]
    assert [(call.number, call.attempt, call.continues, call.earlier_messages) for call in calls] == [
        (1, 1, 0, 0), (2, 1, 1, 1), (3, 1, 2, 3),
    ]  # fmt: skip
    assert texts_of(calls[0]) == ["acme/toy#7"]
    assert texts_of(calls[1]) == ["Let me see.", '{"path": "a"}', "some text"]
    results = [block for message in calls[2].messages for block in message.blocks if block.type == "tool_result"]
    assert [(block.text, block.is_error) for block in results] == [("path: there is no such file", True)]
    assert [(block.type, block.tool, block.text) for block in calls[0].answer] == [
        ("text", "", "Let me see."), ("tool_use", "read", '{"path": "a"}'),
    ]  # fmt: skip
    assert [(call.stop_reason, call.tier, call.step, call.error) for call in calls] == [
        ("tool_use", "deep", "change", "")
    ] * 3
    assert sum(call.usage.cost_usd_micros for call in calls) == usage.cost_usd_micros
    assert [call.model for call in calls] == [entry.model for entry in invocations]
    assert all(call.HasField("start_time") and call.HasField("time_to_first_text") for call in calls)
    assert all(call.time_to_first_text.ToTimedelta() <= call.duration.ToTimedelta() for call in calls)
    assert len({call.prefix.digest for call in calls}) == 1
    assert list(calls[0].prefix.tools) == ["read", "done"]
    assert calls[0].prefix.characters >= len(json.dumps(first_request["tools"]))
    assert "You are careful." not in str(calls)


async def test_an_answer_that_breaks_is_recorded_too(talk) -> None:
    """A refused request, one that broke in the middle and its repeat are three calls; the error is told."""
    turns = [[{"text": "A long answer that breaks."}, {"tool": "done", "input": {}}]]
    faults = [Fault("overloaded"), Fault("dropped")]
    async with talk(*turns, faults=faults) as seen:
        await converse(seen)
        refused, broken, whole = calls_of(seen)
    assert "Overloaded" in refused.error
    assert (len(refused.answer), refused.stop_reason) == (0, "")
    assert (bool(broken.error), broken.stop_reason) == (True, "")
    assert texts_of(broken) == []
    assert broken.earlier_messages == 1
    assert (whole.error, whole.stop_reason) == ("", "tool_use")


async def test_no_call_is_recorded_that_did_not_go_out(talk) -> None:
    """What the budget does not pay for was never sent."""
    async with talk(DONE, budget=Budget(tokens=10)) as seen:
        with pytest.raises(BudgetError):
            await converse(seen)
        assert calls_of(seen) == []


async def test_an_api_that_is_away_is_recorded(talk) -> None:
    """Each try has its error."""
    async with talk(DONE) as seen:
        await seen.model.stop()
        with pytest.raises(ModelUnavailableError):
            await converse(seen)
        assert [bool(call.error) for call in calls_of(seen)] == [True] * 5


async def test_secrets_are_redacted(talk) -> None:
    """In the task, in what a tool shows, in what the model writes and in its calls."""
    turns = [[{"text": f"The key is {SECRET}."}, {"tool": "read", "input": {"path": SECRET}}], DONE]
    async with talk(*turns) as seen:
        await converse(seen, text=f"KEY={SECRET}", prompt=f"Use {SECRET}")
        recorded = str(calls_of(seen))
    assert SECRET not in recorded
    assert recorded.count("[redacted]") == 6


async def test_long_calls_are_cut_and_say_so(talk) -> None:
    """One text is cut in its middle and says how much; many together are cut until they fit, which is said too."""
    many = [{"tool": "read", "input": {"path": str(number)}} for number in range(40)]
    async with talk(many[:1], many, DONE) as seen:
        await converse(seen, text="word " * 7500)
        one, some, last = calls_of(seen)
        assert all(call.ByteSize() <= MAX_CALL_BYTES for call in (one, some, last))
        assert list(one.left_out) == []
        assert list(some.left_out) == []
        assert "are cut in their middle" in last.left_out[0]
        shown = [block.text for message in last.messages for block in message.blocks if block.type == "tool_result"]
        assert len(shown) == 40
        assert all("left out" in text for text in shown)
    async with talk(DONE) as seen:
        await converse(seen, prompt="word " * MAX_BLOCK_CHARACTERS)
        (text,) = texts_of(calls_of(seen)[0])
        assert len(text) <= MAX_BLOCK_CHARACTERS
        assert "left out" in text


@pytest.mark.parametrize(
    "given", ['{"path": "\\ud800"}', '{"a":' * 2000 + "1" + "}" * 2000, '{"path": ', "\x00\x1b[2J"]
)
async def test_whatever_a_model_sends_can_be_recorded(talk, given) -> None:
    """Halves of characters, deep nesting, what is no JSON: the record is one that the interface takes."""
    turn = [{"text": "Look:\x1b[2J"}, {"tool": "read", "input": {}, "written": given}]
    async with talk(turn, turn, turn, DONE, DONE) as seen:
        with suppress(AgentError):
            await converse(seen)
        calls = calls_of(seen)
    validator = protovalidate.Validator()
    assert [entry for call in calls for entry in violations_of(validator, call)] == []
    assert len(calls) >= 3


async def test_names_are_bounded(talk) -> None:
    """A step that names a long path is shortened as the interface wants it."""
    async with talk(DONE) as seen:
        await seen.session.run_tools(
            step="tests of " + "a/" * 4000, system="s", prompt="p", tools=TOOLS, handlers={}, finish="done"
        )
        (call,) = calls_of(seen)
        assert len(call.step) <= 500
