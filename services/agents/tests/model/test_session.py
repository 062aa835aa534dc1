"""Conversations with the model over real HTTP: streamed, repaired, repeated, counted and kept within the budget."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest

from miyabi.common.v1.usage_pb2 import Budget
from miyabi.coordinator.v1.dispatch_service_pb2 import LeaseReference
from miyabi_agents.dispatch.progress import TaskProgress
from miyabi_agents.errors import BudgetError, ModelAnswerError, ModelUnavailableError
from miyabi_agents.model import ModelClient, prices
from miyabi_agents.model.budget import LEAST_ANSWER
from miyabi_agents.model.pace import Patience
from miyabi_agents.model.talking.conversation import MAX_TOKENS
from miyabi_agents.settings import AgentsSettings
from miyabi_sim.model.dials import Fault, ModelDials
from miyabi_sim.model.scenarios import Scenario, Scenarios
from miyabi_sim.model.server import SimulatedModel

TOOL = {
    "name": "record",
    "description": "Record.",
    "input_schema": {
        "type": "object",
        "properties": {"size": {"type": "integer", "minimum": 1}},
        "required": ["size"],
    },
}
READ = {
    "name": "read",
    "description": "Read.",
    "input_schema": {"type": "object", "properties": {"path": {"type": "string"}}, "required": ["path"]},
}
GOOD = {"tool": "record", "input": {"size": 3}}
#: Repeats as in earnest, hardly any time between them.
QUICK = Patience(first_wait=timedelta(milliseconds=1))
PROMPT = {"step": "analysis", "system": "You are careful.", "prompt": "acme/toy#7: how large?"}


class Talk:
    """A session at a simulated model, and what it reported."""

    def __init__(self, model, session, sent) -> None:
        self.model = model
        self.session = session
        self.sent = sent

    @property
    def calls(self):
        """Reports of model calls."""
        return [entry.tool_invocation for entry in self.sent if entry.tool_invocation.tool == "model.messages"]

    @property
    def text(self) -> str:
        """Streamed text."""
        return "".join(entry.text_delta.text for entry in self.sent)


@asynccontextmanager
async def talk(*turns, budget=None, faults=(), **options):
    """Open a session whose model says *turns*."""
    scenarios = Scenarios([Scenario("scripted", turns)])
    async with SimulatedModel(scenarios, dials=ModelDials(faults=list(faults), **options)) as model:
        settings = AgentsSettings(anthropic_api_key="test-key", anthropic_base_url=model.url, model_calls_min=4)
        client = ModelClient(settings, patience=QUICK)
        sent = []
        progress = TaskProgress(LeaseReference(task="t", fencing_token=1), lambda message, _: sent.append(message))
        try:
            yield Talk(model, client.session(progress=progress, budget=budget or Budget()), sent)
        finally:
            await client.close()


async def test_without_a_key_there_is_no_session() -> None:
    """No key, no session: agents go by rules then."""
    client = ModelClient(AgentsSettings(anthropic_api_key=None))
    assert client.session(progress=TaskProgress(LeaseReference(), print), budget=Budget()) is None
    await client.close()


async def test_an_answer_streams_as_text_and_comes_back_as_checked_input() -> None:
    """Text around the forced call streams piece by piece; the call is reported with usage, cost and first text."""
    async with talk([{"text": "It is rather small."}, GOOD]) as seen:
        assert await seen.session.call_tool(**PROMPT, tool=TOOL) == {"size": 3}
        assert seen.text == "It is rather small."
        assert len([entry for entry in seen.sent if entry.HasField("text_delta")]) > 2
        (call,) = seen.calls
        assert call.succeeded
        assert call.model == call.detail.split(": ")[1] == "claude-haiku-4-5"
        assert call.usage.output_tokens > 0
        assert call.usage.cost_usd_micros > 0
        assert call.time_to_first_text.ToTimedelta() <= call.duration.ToTimedelta()
        assert seen.session.usage == call.usage
        assert seen.model.requests[0]["tool_choice"] == {"type": "tool", "name": "record"}


@pytest.mark.parametrize("bad", [{"tool": "record", "input": {"size": "big"}}, {"text": "I would rather not."}])
async def test_an_unusable_answer_is_told_what_is_wrong_and_repaired(bad) -> None:
    """Wrong input and a missing call are answered by a sentence; the next answer counts."""
    async with talk([bad], [GOOD]) as seen:
        assert await seen.session.call_tool(**PROMPT, tool=TOOL) == {"size": 3}
        assert len(seen.calls) == seen.session.usage.calls == 2


async def test_an_answer_that_stays_unusable_is_an_error() -> None:
    """After the repeats the error says what was wrong."""
    bad = [{"tool": "record", "input": {"size": 0}}]
    async with talk(bad, bad, bad, bad) as seen:
        with pytest.raises(ModelAnswerError, match="size"):
            await seen.session.call_tool(**PROMPT, tool=TOOL)


async def test_what_is_cut_or_called_otherwise_is_said() -> None:
    """A result that is too long says how much is left out; a foreign argument is named with those that there are."""
    strict = {**READ, "input_schema": {**READ["input_schema"], "additionalProperties": False}}
    turns = [
        [{"tool": "look", "input": {"path": "long"}}, {"tool": "read", "input": {"path": "x", "lines": 3}}],
        [GOOD],
    ]

    async def read(given) -> str:
        return given["path"] * 20_000

    async with talk(*turns) as seen:
        await seen.session.run_tools(
            **PROMPT,
            tools=[strict, TOOL],
            handlers={"read": read},
            finish="record",
            translate=lambda name, given: ("read" if name == "look" else name, given),
        )
        last = seen.model.requests[-1]["messages"][-1]["content"]
        assert [(entry["is_error"], len(entry["content"]) <= 40_000) for entry in last] == [(False, True), (True, True)]
        assert last[0]["content"].endswith("characters left out)")
        assert last[1]["content"] == "lines: is no argument of this tool; it takes path"


async def test_tools_run_until_the_finish() -> None:
    """Each call is answered, a failed one as an error the model can mend, and the finish ends the conversation."""
    turns = [
        [{"tool": "read", "input": {"path": "gone"}}, {"tool": "read", "input": {}}],
        [{"tool": "unknown", "input": {}}],
        [{"tool": "read", "input": {"path": "here"}}],
        [{"text": "Done."}],
        [GOOD],
    ]

    async def read(given) -> str:
        if given["path"] == "gone":
            raise ValueError("there is no such file")
        return "content"

    async with talk(*turns) as seen:
        finished = await seen.session.run_tools(**PROMPT, tools=[READ, TOOL], handlers={"read": read}, finish="record")
        assert finished == {"size": 3}
        last = seen.model.requests[-1]["messages"]
        results = [block for message in last for block in message["content"] if block["type"] == "tool_result"]
        assert [(entry["is_error"], entry["content"]) for entry in results] == [
            (True, "there is no such file"),
            (True, "path: is missing"),
            (True, "there is no such tool"),
            (False, "content"),
        ]
        assert {call.tool for call in (entry.tool_invocation for entry in seen.sent) if call.tool} == {
            "model.messages",
            "read",
            "unknown",
        }


async def test_a_conversation_reads_its_own_beginning_from_the_cache() -> None:
    """Tools and system prompt are read from the cache from the second answer on; each turn marks its own end."""

    async def read(given) -> str:
        return "x" * 4000

    turns = [[{"tool": "read", "input": {"path": "a"}}], [{"tool": "read", "input": {"path": "b"}}], [GOOD]]
    async with talk(*turns) as seen:
        long = {**PROMPT, "system": "You are careful. " * 300}
        await seen.session.run_tools(**long, tools=[READ, TOOL], handlers={"read": read}, finish="record")
        first, *later = (call.usage for call in seen.calls)
        assert first.cache_read_tokens == 0
        assert all(usage.cache_read_tokens > 0 for usage in later)
        for request in seen.model.requests:
            blocks = [block for message in request["messages"] for block in message["content"]]
            marks = ["cache_control" in block for block in blocks]
            assert marks == [False] * (len(blocks) - 1) + [True]
            assert "cache_control" in request["system"][-1]


async def test_a_model_that_only_talks_is_an_error() -> None:
    """A conversation that never finishes ends by itself."""
    async with talk(*[[{"text": "Hm."}]] * 10) as seen:
        with pytest.raises(ModelAnswerError, match="without calling record"):
            await seen.session.run_tools(**PROMPT, tools=[TOOL], handlers={}, finish="record")


async def test_a_busy_model_is_asked_again() -> None:
    """Refusals for load are repeated by the client."""
    async with talk([GOOD], faults=[Fault("rate_limited", retry_after_seconds=0.01)]) as seen:
        assert await seen.session.call_tool(**PROMPT, tool=TOOL) == {"size": 3}
        assert len(seen.model.requests) == 2


async def test_a_stream_that_breaks_is_asked_for_again() -> None:
    """A connection that dies in the middle of an answer costs one more call, which is counted with its prompt."""
    async with talk([{"text": "It is small."}, GOOD], faults=[Fault("dropped")]) as seen:
        assert await seen.session.call_tool(**PROMPT, tool=TOOL) == {"size": 3}
        broken, whole = seen.calls
        assert not broken.succeeded
        assert whole.succeeded
        assert seen.session.usage.calls == 2
        used = [call.usage for call in (broken, whole)]
        assert all(usage.input_tokens + usage.cache_write_tokens + usage.cache_read_tokens > 0 for usage in used)


async def test_a_model_out_of_reach_is_an_error_of_its_own() -> None:
    """Streams that go on breaking are the model API's failure, which a later attempt may mend."""
    async with talk([GOOD], faults=[Fault("dropped", count=9)]) as seen:
        with pytest.raises(ModelUnavailableError) as caught:
            await seen.session.call_tool(**PROMPT, tool=TOOL)
        assert caught.value.retryable
        assert seen.session.usage.calls == 3


async def test_a_refused_request_says_its_status() -> None:
    """A status that no repeat mends ends the call at once."""
    async with talk([GOOD]) as seen:
        seen.model.dials.faults.append(Fault("invalid", count=9))
        with pytest.raises(ModelUnavailableError, match="400"):
            await seen.session.call_tool(**PROMPT, tool=TOOL)
        assert [call.succeeded for call in seen.calls] == [False]


@pytest.mark.parametrize("budget", [Budget(usd_micros=1000), Budget(tokens=500)])
async def test_a_call_that_could_break_the_budget_is_not_made(budget) -> None:
    """The most that a call can use is compared with what is left, before it is made."""
    async with talk([GOOD], budget=budget) as seen:
        with pytest.raises(BudgetError):
            await seen.session.call_tool(**PROMPT, tool=TOOL)
        assert not seen.model.requests


@pytest.mark.parametrize(
    "budget", [Budget(usd_micros=40_000), Budget(tokens=2_500), Budget(usd_micros=20_000, tokens=9_000)]
)
async def test_a_small_budget_asks_for_shorter_answers(budget) -> None:
    """Where the longest answer is not paid for the model is asked for one that is, and the call stays within it."""
    async with talk([GOOD], budget=budget) as seen:
        assert await seen.session.call_tool(**PROMPT, tool=TOOL) == {"size": 3}
        (request,) = seen.model.requests
        assert LEAST_ANSWER <= request["max_tokens"] < MAX_TOKENS
        characters = len(json.dumps([request["system"], request["messages"], request["tools"]]))
        options = {"prompt_characters": characters, "max_tokens": request["max_tokens"]}
        assert prices.most(request["model"], **options) <= (budget.usd_micros or 1 << 40)
        assert prices.most_tokens(**options) <= (budget.tokens or 1 << 40)


async def test_conversations_side_by_side_share_the_budget() -> None:
    """Of four calls at once only those run that the budget pays for together; what is unused is given back."""
    # One call at its most: about 8,400 tokens; what is left after two does not pay for the shortest answer.
    async with talk([GOOD], budget=Budget(tokens=17_500), first_token_seconds=0.1) as seen:
        answers = await asyncio.gather(
            *(seen.session.call_tool(**PROMPT, tool=TOOL) for _ in range(4)), return_exceptions=True
        )
        assert sum(isinstance(answer, BudgetError) for answer in answers) == 2
        assert await seen.session.call_tool(**PROMPT, tool=TOOL) == {"size": 3}


async def test_sessions_of_one_client_stream_at_the_same_time() -> None:
    """Eight answers that each take a while take together hardly longer than one."""
    async with talk([{"text": "word " * 8}, GOOD], token_seconds=0.02) as seen:
        began = asyncio.get_running_loop().time()
        await asyncio.gather(*(seen.session.call_tool(**PROMPT, tool=TOOL) for _ in range(8)))
        together = asyncio.get_running_loop().time() - began
        alone = sum(call.duration.ToTimedelta().total_seconds() for call in seen.calls)
        assert together < alone / 3


async def test_requests_hold_the_key_nowhere() -> None:
    """The key travels in its header only, and no report quotes it."""
    async with talk([GOOD]) as seen:
        await seen.session.call_tool(**PROMPT, tool=TOOL)
        assert "test-key" not in json.dumps(seen.model.requests)
        assert "test-key" not in str(seen.sent)


async def test_half_of_a_surrogate_pair_ends_at_the_sessions_edge() -> None:
    """What UTF-8 cannot carry is replaced in text and in progress; in a tool's input it is a named error, never a crash."""
    async with talk([{"text": "half \ud800 a pair"}, GOOD]) as spoken:
        assert await spoken.session.call_tool(**PROMPT, tool=TOOL) == {"size": 3}
    assert "half \ufffd a pair" in spoken.text
    async with talk([{"tool": "record", "input": {"size": 3, "note": "a\udfffb"}}]) as spoken:
        with pytest.raises(ModelAnswerError, match="cannot be read"):
            await spoken.session.call_tool(**PROMPT, tool=TOOL)
    assert len(spoken.calls) == 3
