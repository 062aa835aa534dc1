"""A conversation that goes in circles is told so once, then stopped with what repeated and what was spent."""

from __future__ import annotations

import re
from datetime import timedelta
from itertools import count

import pytest

from miyabi.common.v1.usage_pb2 import Budget
from miyabi.coordinator.v1.state_pb2 import FailureReason
from miyabi_agents.errors import BudgetError, NoProgressError
from miyabi_agents.model import BrakeLimits, Shown, steps_for
from miyabi_core.proto_time import now


def tool(name):
    """Return a tool that takes anything."""
    return {"name": name, "description": name, "input_schema": {"type": "object"}}


TOOLS = [tool("read"), tool("edit"), tool("test"), tool("done")]
PROMPT = {"step": "change", "system": "You are careful.", "prompt": "acme/toy#7"}
DONE = [{"tool": "done", "input": {}}]


def call(name, **given):
    """Return a turn of one call."""
    return [{"tool": name, "input": given}]


async def converse(seen, **options):
    """Run a conversation that can read, edit and test."""
    seconds = count()

    async def read(given) -> str:
        if given.get("path") == "gone":
            raise ValueError("path: there is no such file")
        return f"the text of {given.get('path')}"

    async def test(given) -> Shown:
        return Shown(f"1 failed in {next(seconds)} s", red=frozenset({given.get("red", "tests/test_a.py::test_a")}))

    async def edit(given) -> str:
        return f"changed {given['n']}"

    return await seen.session.run_tools(
        **PROMPT,
        tools=TOOLS,
        handlers={"read": read, "edit": edit, "test": test},
        finish="done",
        changing=frozenset({"edit"}),
        **options,
    )


#: Turns that go in circles, for ever, and what is said of them.
CIRCLES = {
    "same call": ([call("read", path="a")], 'read {"path": "a"} had the same result 3 times'),
    "same call among others": (
        [call("read", path="a"), call("read", path="b"), call("read", path="c")],
        'read {"path": "a"} had the same result 3 times',
    ),
    "same tests": ([call("test")], "test {} had the same result 3 times"),
    "there and back again": (
        [call("edit", n="a to b"), call("edit", n="b to a")],
        'edit {"n": "a to b"} had the same result 3 times',
    ),
    "same error": (
        [call("read", path="gone", n=1), call("read", path="gone", n=2), call("read", path="gone", n=3)],
        "the error “path: there is no such file” came 3 times",
    ),
    "no such tool": ([call("look", n=1), call("see", n=2), call("view", n=3)], "there is no such tool” came 3 times"),
}


@pytest.mark.parametrize(("turns", "words"), CIRCLES.values(), ids=CIRCLES)
async def test_what_goes_in_circles_is_stopped_within_three_repeats(talk, turns, words) -> None:
    """The reason names what repeated and what was spent; before that the model was told once."""
    async with talk(*turns * 20) as seen:
        with pytest.raises(NoProgressError) as caught:
            await converse(seen)
        error = caught.value
        assert words in str(error)
        used = seen.session.usage
        assert f"{used.calls} calls, " in str(error)
        assert f"${used.cost_usd_micros / 1e6:.4f} were spent" in str(error)
        assert error.reason == FailureReason.FAILURE_REASON_NO_PROGRESS
        assert words.replace("3 times", "2 times") in str(seen.model.requests)
        assert used.calls <= 3 * len(turns)


async def test_a_change_begins_the_count_anew(talk) -> None:
    """Reading again what was changed is no circle."""
    turns = [turn for n in range(6) for turn in (call("read", path="a"), call("edit", n=n))]
    async with talk(*turns, DONE) as seen:
        assert await converse(seen) == {}


@pytest.mark.parametrize("again", [call("read", path="gone"), call("read", path="a"), call("look")])
async def test_calls_side_by_side_count_once(talk, again) -> None:
    """What one answer does three times over it did not know the outcome of."""
    async with talk(again * 3, DONE) as seen:
        assert await converse(seen) == {}
        assert "Careful" not in str(seen.model.requests)


async def test_no_change_for_too_long_is_stopped(talk) -> None:
    """Reading on and on comes to no change."""
    async with talk(*[call("read", path=str(n)) for n in range(40)]) as seen:
        with pytest.raises(NoProgressError, match="it changed no file in 10 answers"):
            await converse(seen, limits=BrakeLimits(idle=10))
        assert len(seen.model.requests) == 10
        assert "No file was changed in 8 answers" in str(seen.model.requests[-1])


async def test_the_same_tests_red_after_five_changes_are_stopped(talk) -> None:
    """Another change that mends nothing is not waited for; tests that change their mind are."""
    turns = [turn for n in range(9) for turn in (call("edit", n=n), call("test", n=n))]
    async with talk(*turns) as seen:
        red = "after 5 changes the same tests are still red: tests/test_a.py::test_a"
        with pytest.raises(NoProgressError, match=re.escape(red)) as caught:
            await converse(seen)
        assert "Red tests: tests/test_a.py::test_a" in caught.value.learnt
    turns = [turn for n in range(9) for turn in (call("edit", n=n), call("test", red=f"test_{n}"))]
    async with talk(*turns, DONE) as seen:
        assert await converse(seen) == {}


async def test_the_answers_are_as_many_as_the_size_allows(talk) -> None:
    """A small change may take fewer answers than a large one; the model is told before the end."""
    async with talk(*[call("edit", n=n) for n in range(99)]) as seen:
        with pytest.raises(NoProgressError, match="it did not call done within 25 answers"):
            await converse(seen, limits=BrakeLimits(steps=steps_for("XS")))
        assert len(seen.model.requests) == 25
        assert "5 answers are left" in str(seen.model.requests[-1])
    assert [steps_for(size) for size in ("S", "M", "XL", "")] == [30, 40, 80, 40]


async def test_time_that_comes_to_an_end_is_told(talk) -> None:
    """One sentence, once."""
    turns = [call("edit", n=n) for n in range(6)]
    async with talk(*turns, DONE, deadline=now() + timedelta(milliseconds=1)) as seen:
        await converse(seen)
        assert str(seen.model.requests[-1]).count("Most of the time is gone") == 1


async def test_money_that_comes_to_an_end_is_told(talk) -> None:
    """Before the call that is not paid for, while there is still something to be done."""
    turns = [call("edit", n=n, text="x " * 4000) for n in range(12)]
    async with talk(*turns, budget=Budget(tokens=60_000)) as seen:
        with pytest.raises(BudgetError):
            await converse(seen)
        assert str(seen.model.requests[-1]).count("Most of the budget is spent") == 1


async def test_what_an_unended_conversation_learnt_is_told(talk) -> None:
    """However it ended: what was red, the last error, the last words; one that came to its end tells nothing."""
    turns = [
        [{"text": "The sum is wrong, I think."}, *call("edit", n=1)], call("test", red="tests/test_a.py::test_sum"),
        call("read", path="gone"), call("edit", n=2, text="x " * 40_000),
    ]  # fmt: skip
    async with talk(*turns, *turns, budget=Budget(tokens=30_000)) as seen:
        assert seen.session.learnt == ""
        with pytest.raises(BudgetError):
            await converse(seen)
        learnt = seen.session.learnt
    assert learnt.startswith(
        "In “change”: An attempt before this one was stopped after 4 answers and 2 changes of files."
    )
    for words in ("path: there is no such file", "Red tests: tests/test_a.py::test_sum", "The sum is wrong, I think."):
        assert words in learnt
    async with talk(call("edit", n=1), DONE) as seen:
        await converse(seen)
        assert seen.session.learnt == ""


async def test_what_was_learnt_is_kept_for_the_next_attempt(talk) -> None:
    """Why it was stopped and its last error."""
    async with talk(*[call("read", path="gone")] * 5) as seen:
        with pytest.raises(NoProgressError) as caught:
            await converse(seen)
        assert "An attempt before this one was stopped" in caught.value.learnt
        assert 'Its last error was: read {"path": "gone"}: path: there is no such file' in caught.value.learnt
