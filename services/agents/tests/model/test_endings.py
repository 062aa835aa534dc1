"""Each way in which an answer can end has one consequence, and each that is no good ends in one named way."""

from __future__ import annotations

import pytest

from miyabi_agents.errors import ModelAnswerError, ModelUnavailableError
from miyabi_sim.model.dials import Fault

TOOL = {
    "name": "record",
    "description": "Record.",
    "input_schema": {"type": "object", "properties": {"size": {"type": "integer"}}, "required": ["size"]},
}
WRITE = {
    "name": "write",
    "description": "Write.",
    "input_schema": {"type": "object", "properties": {"text": {"type": "string"}}, "required": ["text"]},
}
GOOD = {"tool": "record", "input": {"size": 3}}
PROMPT = {"step": "change", "system": "You are careful.", "prompt": "acme/toy#7: how large?"}
#: A call of which only the begin came, and the end of the answer that cut it.
CUT_CALL = {"tool": "write", "input": {"text": "a"}, "written": '{"text": "a half of a fi'}
CUT, FULL, PAUSED = {"stop": "max_tokens"}, {"stop": "model_context_window_exceeded"}, {"stop": "pause_turn"}


async def run(seen, written):
    """Run a conversation that can write and record; what is written is noted."""

    async def write(given) -> str:
        if given["text"] == "bad":
            raise ValueError("text: is bad")
        written.append(given["text"])
        return f"wrote {given['text']}"

    return await seen.session.run_tools(**PROMPT, tools=[WRITE, TOOL], handlers={"write": write}, finish="record")


@pytest.mark.parametrize(
    ("first", "told"),
    [
        ([{"text": "Let me th"}, CUT], "cut off"),
        ([CUT_CALL, CUT], "smaller steps"),
        ([CUT_CALL, FULL], "smaller steps"),
        ([CUT_CALL], "smaller steps"),
        ([{"text": "I fill it."}, FULL], "cut off"),
        ([], "empty"),
        ([{"text": "Done, I think."}], "call record"),
        ([{"text": "Hm."}, {"stop": "stop_sequence"}], "call record"),
        ([{"text": "Hm."}, {"stop": "a_reason_of_tomorrow"}], "call record"),
    ],
    ids=["text cut", "call cut", "call at the window", "call cut unsaid", "text at the window", "empty", "no finish",
         "stop sequence", "unknown"],
)  # fmt: skip
async def test_an_answer_that_is_no_end_is_told_so_and_the_conversation_goes_on(talk, first, told) -> None:
    """The model is told what was wrong; a call that did not come whole is never run."""
    async with talk(first, [GOOD]) as seen:
        written = []
        assert await run(seen, written) == {"size": 3}
        assert written == []
        assert told in seen.told[-1]
        assert len(seen.model.requests) == 2


async def test_a_paused_turn_goes_on_by_itself(talk) -> None:
    """What came so far is sent back as it is, with no word of ours, and the next answer counts."""
    async with talk([{"text": "Searching."}, PAUSED], [GOOD]) as seen:
        assert await run(seen, []) == {"size": 3}
        assert [message["role"] for message in seen.model.requests[-1]["messages"]] == ["user", "assistant"]


async def test_after_an_answer_that_was_cut_off_the_next_may_be_longer(talk) -> None:
    """Twice as long each time, and as before once an answer came whole."""
    async with talk([CUT_CALL, CUT], [{"tool": "write", "input": {"text": "a"}}], [GOOD]) as seen:
        await run(seen, [])
        assert [request["max_tokens"] for request in seen.model.requests] == [8192, 16384, 8192]


async def test_a_whole_call_before_the_cut_one_is_run(talk) -> None:
    """Of calls side by side each counts for itself; all are answered in one message."""
    first = [{"tool": "write", "input": {"text": "whole"}}, CUT_CALL, CUT]
    async with talk(first, [GOOD]) as seen:
        written = []
        await run(seen, written)
        assert written == ["whole"]
        answers = seen.model.requests[-1]["messages"][-1]["content"]
        assert [answer["is_error"] for answer in answers] == [False, True]


async def test_calls_side_by_side_are_answered_in_one_message_also_when_one_fails(talk) -> None:
    """The API takes nothing else: each call has its result behind it."""
    texts = ["one", "bad", "three"]
    async with talk([{"tool": "write", "input": {"text": text}} for text in texts], [GOOD]) as seen:
        await run(seen, [])
        answers = seen.model.requests[-1]["messages"][-1]["content"]
        assert [answer["content"] for answer in answers] == ["wrote one", "text: is bad", "wrote three"]


@pytest.mark.parametrize(
    ("turn", "words"),
    [
        ([{"text": "I will not."}, {"stop": "refusal"}], "refused to answer: I will not."),
        ([{"text": "Wait."}, PAUSED], "paused 6 times in a row"),
        ([{"text": "So long"}, CUT], "cut off in the middle 3 times in a row"),
        ([CUT_CALL, CUT], "cut off in the middle 3 times in a row"),
        ([{"text": "So long"}, FULL], "cut off at the end of its window 3 times in a row"),
        ([], "without calling record: its answers were empty"),
        ([{"text": "Done."}], "without calling record: Done."),
        ([{"text": "Done."}, {"stop": "a_reason_of_tomorrow"}], "it stopped for a_reason_of_tomorrow"),
        ([{"tool": "write", "input": {}, "written": "{]"}], "cannot be read"),
    ],
    ids=["refusal", "pauses", "text cut", "call cut", "window", "empty", "no finish", "unknown", "no JSON"],
)
async def test_what_repeats_ends_in_one_named_way(talk, turn, words) -> None:
    """Whatever the model says for ever, the conversation ends, and the error says why."""
    async with talk(*[turn] * 12) as seen:
        with pytest.raises(ModelAnswerError, match=words):
            await run(seen, [])


@pytest.mark.parametrize("fault", ["dropped", "ended"])
async def test_a_connection_lost_in_the_middle_is_asked_again_and_in_the_end_named(talk, fault) -> None:
    """Whether it breaks or merely ends, half an answer is none."""
    async with talk([{"text": "It is small."}, GOOD], faults=[Fault(fault)]) as seen:
        assert await run(seen, []) == {"size": 3}
        assert [call.succeeded for call in seen.calls] == [False, True]
    async with talk([GOOD], faults=[Fault(fault, count=9)]) as seen:
        with pytest.raises(ModelUnavailableError, match="could not be reached"):
            await run(seen, [])
        assert len(seen.calls) == 3


@pytest.mark.parametrize(
    ("turn", "words"),
    [
        ([{"text": "No."}, {"stop": "refusal"}], "refused"),
        ([{"tool": "record", "input": {"size": 1}, "written": '{"si'}, CUT], "did not come whole|cut off"),
        ([{"text": "So long"}, CUT], "you did not call record|cut off"),
        ([], "you did not call record"),
    ],
)
async def test_a_forced_call_ends_in_the_same_ways(talk, turn, words) -> None:
    """A single forced call is taken no other way."""
    async with talk(*[turn] * 9) as seen:
        with pytest.raises(ModelAnswerError, match=words):
            await seen.session.call_tool(**PROMPT, tool=TOOL)
