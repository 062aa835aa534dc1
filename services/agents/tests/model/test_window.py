"""Conversations never outgrow the model's window, whatever is read in them."""

from __future__ import annotations

from itertools import pairwise

import pytest

from miyabi_agents.errors import ModelAnswerError
from miyabi_agents.model.limits import limits_of
from miyabi_sim.model.scenarios import Scenario

READ = {
    "name": "read",
    "description": "Read.",
    "input_schema": {"type": "object", "properties": {"path": {"type": "string"}}, "required": ["path"]},
}
DONE = {"name": "done", "description": "Done.", "input_schema": {"type": "object", "properties": {}}}
PROMPT = {"step": "change", "system": "You are careful.", "prompt": "acme/toy#7: the task"}
WINDOW = 20_000
SETTINGS = {"model_window_tokens": WINDOW}
SUMMARY = Scenario("summary", [[{"text": "Read many files; none was wrong."}]], contains=["You sum up"])


async def converse(seen, size):
    """Run a conversation whose reads are so large."""

    async def read(given) -> str:
        return f"{given['path']}: " + "x y " * (size // 4)

    return await seen.session.run_tools(**PROMPT, tools=[READ, DONE], handlers={"read": read}, finish="done")


def reads(number, *, note=""):
    """Return turns that each read another file."""
    return [
        [{"text": f"Next{note}."}, {"tool": "read", "input": {"path": f"f{position}"}}] for position in range(number)
    ]


async def test_a_long_conversation_keeps_to_a_small_window(talk) -> None:
    """Twenty-five results of 8,000 characters go through a window that takes less than half of them at once."""
    async with talk(*reads(25), [{"tool": "done", "input": {}}], settings=SETTINGS, window_tokens=WINDOW) as seen:
        await converse(seen, 8_000)
        assert max(seen.model.prompt_tokens) <= WINDOW
        last = seen.model.requests[-1]["messages"]
        assert last[0]["content"][0]["text"] == PROMPT["prompt"]
        lines = [block["content"] for message in last for block in message["content"] if block["type"] == "tool_result"]
        assert lines[0] == '(here were 8,004 characters: read {"path": "f0"}; call it again to see them)'
        assert all(len(line) > 8_000 for line in lines[-2:])


async def test_the_conversation_is_cut_rarely_so_that_the_cache_is_of_use(talk) -> None:
    """Between two cuts each prompt begins as the one before it; a cut frees half of the room."""
    async with talk(*reads(25), [{"tool": "done", "input": {}}], settings=SETTINGS, window_tokens=WINDOW) as seen:
        await converse(seen, 4_000)
        requests = [plain(request["messages"]) for request in seen.model.requests]
        kept = [after[: len(before)] == before for before, after in pairwise(requests)]
        assert kept.count(False) == len(seen.calls_of("model.cut"))
        assert 1 <= kept.count(False) <= 5


async def test_what_no_line_can_shorten_is_summed_up_by_the_fast_model(talk) -> None:
    """Where calls themselves are what is long, a summary takes their place, and the newest part stays."""
    turns = [[{"tool": "read", "input": {"path": f"f{n}", "why": "long words " * 300}}] for n in range(30)]
    window = 12_000
    async with talk(
        *turns, scenarios=[SUMMARY], settings={"model_window_tokens": window}, window_tokens=window
    ) as seen:
        await stopped_somehow(seen)
        assert max(seen.model.prompt_tokens) <= window
        summed = [request for request in seen.model.requests if not request["tools"]]
        assert {request["model"] for request in summed} == {"claude-haiku-4-5"}
        after = next(request for request in seen.model.requests if "What I did so far" in str(request["messages"]))
        assert after["messages"][0]["content"][0]["text"] == PROMPT["prompt"]
        assert "none was wrong" in after["messages"][1]["content"][0]["text"]


async def stopped_somehow(seen):
    """Run a conversation to whatever end: its script does not know where it is after a summary."""
    with pytest.raises(Exception, match=r"came no further|without calling"):
        await converse(seen, 100)


async def test_the_apis_own_word_on_a_prompt_counts(talk) -> None:
    """A server that takes less than is known of it refuses once, and the conversation is cut."""
    async with talk(*reads(8), [{"tool": "done", "input": {}}], window_tokens=WINDOW) as seen:
        await converse(seen, 16_000)
        refused = [call for call in seen.calls if not call.succeeded]
        assert len(refused) == len(seen.calls_of("model.cut")) >= 1


async def test_a_task_that_does_not_fit_is_named(talk) -> None:
    """A first message that is too long for the window is never cut: it ends the conversation with its reason."""
    async with talk([{"tool": "done", "input": {}}], settings=SETTINGS, window_tokens=WINDOW) as seen:
        with pytest.raises(ModelAnswerError, match="does not fit into the model's window of 20000 tokens"):
            await seen.session.run_tools(
                step="change", system="", prompt="word " * 40_000, tools=[DONE], handlers={}, finish="done"
            )
        assert not seen.model.requests


def test_a_model_that_is_not_known_has_the_smallest_window() -> None:
    """What is not listed is not trusted with more than any that is."""
    smallest = limits_of("something-new")
    assert (smallest.window, smallest.max_output) == (200_000, 32_000)
    assert limits_of("claude-sonnet-4-6").window == 1_000_000
    assert limits_of("claude-sonnet-4-5").window == 200_000


def plain(messages):
    """Return messages without the marks of the cache."""
    return [
        [{key: value for key, value in block.items() if key != "cache_control"} for block in message["content"]]
        for message in messages
    ]
