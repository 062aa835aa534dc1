"""Prompts are cached as the API documents it: by model, from a least size on, up to marks, for five minutes."""

from __future__ import annotations

from typing import Any

import aiohttp
import pytest

from miyabi_sim.model.caching import PromptCache, minimum_of, tokens
from miyabi_sim.model.dials import Fault, ModelDials
from miyabi_sim.model.scenarios import Scenario, Scenarios
from miyabi_sim.model.server import SimulatedModel

MARK = {"cache_control": {"type": "ephemeral"}}
#: More than any model's least size.
LONG = "x" * 20_000
TOOL = {"name": "t", "description": "d", "input_schema": {"type": "object"}}


def text(words: str, **more: Any) -> dict[str, Any]:
    """Return a block."""
    return {"type": "text", "text": words, **more}


SYSTEM = (text(LONG, **MARK),)


def prompt(*, model="claude-sonnet-4-6", tools=(TOOL,), system=SYSTEM, said="Hi.", **more) -> dict:
    """Return a request."""
    messages = [{"role": "user", "content": said if isinstance(said, list) else [text(said)]}]
    return {"model": model, "tools": list(tools), "system": list(system), "messages": messages, **more}


def usage(cache: PromptCache, request) -> tuple[int, int, int]:
    """Return what a prompt is counted as: neither, written, read; what it leaves is kept."""
    counted = cache.count(request)
    cache.keep(counted)
    found = counted.usage
    return found["input_tokens"], found["cache_creation_input_tokens"], found["cache_read_input_tokens"]


def test_a_prefix_is_written_once_and_read_again() -> None:
    """What comes behind the mark is paid as it is; the sum is the whole prompt."""
    cache = PromptCache()
    fresh, written, read = usage(cache, prompt())
    assert (written > 5_000, read) == (True, 0)
    assert usage(cache, prompt(said="Hi." + 40 * "y")) == (fresh + 10, 0, written)


def test_each_model_has_its_own() -> None:
    """What one wrote, another does not read."""
    cache = PromptCache()
    usage(cache, prompt())
    assert usage(cache, prompt(model="claude-opus-4-8"))[2] == 0


@pytest.mark.parametrize(
    ("model", "least"),
    [("claude-opus-5", 512), ("claude-sonnet-4-6", 1024), ("claude-haiku-4-5-20251001", 4096), ("unknown", 4096)],
)
def test_a_short_prefix_is_not_cached(model, least) -> None:
    """Below the model's least size nothing is written, and no error comes."""
    assert minimum_of(model) == least
    short, long = ([text("x" * 4 * size, **MARK)] for size in (least - 100, least))
    assert usage(PromptCache(), prompt(model=model, tools=(), system=short))[1] == 0
    assert usage(PromptCache(), prompt(model=model, tools=(), system=long))[1] >= least


def test_what_changes_takes_along_what_is_behind_it() -> None:
    """Tools come before the system prompt, this before the messages; another choice of a tool touches these alone."""
    cache = PromptCache()
    marked = [text("Hi.", **MARK)]
    _, whole, _ = usage(cache, prompt(said=marked))
    assert usage(cache, prompt(said=marked)) == (0, 0, whole)
    chosen = usage(cache, prompt(said=marked, tool_choice={"type": "tool", "name": "t"}))
    assert (chosen[2], sum(chosen)) == (whole - tokens('{"type": "text", "text": "Hi."}'), whole)
    assert usage(cache, prompt(said=marked, tools=({**TOOL, "description": "other"},)))[2] == 0


def test_the_longest_of_several_prefixes_is_read() -> None:
    """Up to four marks; where the last differs, what is before it is read all the same."""
    cache = PromptCache()
    first, second = ([text(LONG, **MARK), text(LONG + end, **MARK)] for end in "ab")
    _, written, _ = usage(cache, prompt(system=first))
    _, more, read = usage(cache, prompt(system=second))
    assert 0 < read < written
    assert more + read == written


def test_it_looks_back_twenty_blocks_from_a_mark() -> None:
    """What was written farther before the mark is not found."""
    cache = PromptCache()
    begin = [text(LONG)]
    usage(cache, prompt(tools=(), system=(), said=[{**begin[0], **MARK}]))
    near, far = ([*begin, *[text("more")] * count, text("end", **MARK)] for count in (18, 19))
    assert usage(cache, prompt(tools=(), system=(), said=near))[2] > 0
    fresh = PromptCache()
    usage(fresh, prompt(tools=(), system=(), said=[{**begin[0], **MARK}]))
    assert usage(fresh, prompt(tools=(), system=(), said=far))[2] == 0


def test_an_entry_lives_five_minutes_after_its_last_use() -> None:
    """Each read begins the time anew."""
    now = [0.0]
    cache = PromptCache(clock=lambda: now[0])
    _, written, _ = usage(cache, prompt())
    for moment, read in ((299.0, written), (598.0, written), (898.0, 0)):
        now[0] = moment
        assert usage(cache, prompt())[2] == read


def test_an_hour_is_an_hour() -> None:
    """A mark may ask for it."""
    now = [0.0]
    cache = PromptCache(clock=lambda: now[0])
    long = [text(LONG, cache_control={"type": "ephemeral", "ttl": "1h"})]
    usage(cache, prompt(system=long))
    now[0] = 3599.0
    assert usage(cache, prompt(system=long))[2] > 0


async def answered(model: SimulatedModel, request) -> tuple[int, Any]:
    """Return status and answer."""
    async with (
        aiohttp.ClientSession(headers={"x-api-key": "k"}) as session,
        session.post(f"{model.url}/v1/messages", json={"max_tokens": 9, **request}) as answer,
    ):
        return answer.status, await answer.json()


async def test_a_refused_request_writes_nothing() -> None:
    """An entry is there once an answer begins."""
    scenarios = Scenarios([Scenario("only", [[{"text": "a"}]])])
    async with SimulatedModel(scenarios, dials=ModelDials(faults=[Fault("overloaded")])) as model:
        assert (await answered(model, prompt()))[0] == 529
        _, message = await answered(model, prompt())
        assert message["usage"]["cache_read_input_tokens"] == 0
        assert model.usages == [{key: message["usage"][key] for key in model.usages[0]}]


@pytest.mark.parametrize(
    ("request_", "words"),
    [
        (prompt(system=[text("a", **MARK)] * 5), "A maximum of 4 blocks with cache_control may be provided. Found 5."),
        (prompt(said=[text("", **MARK)]), "messages.0: cache_control cannot be set for empty text blocks"),
        (
            prompt(said=[text("a", cache_control={"type": "ephemeral", "ttl": "2h"})]),
            "messages.0: cache_control.ttl must be one of 5m, 1h",
        ),
    ],
    ids=["five marks", "empty text", "lifetime"],
)
async def test_marks_are_refused_where_the_api_refuses_them(request_, words) -> None:
    """With 400 and the field's name."""
    async with SimulatedModel(Scenarios()) as model:
        status, message = await answered(model, request_)
        assert (status, message["error"]["message"]) == (400, words)
