"""A task's conversations with the model: one forced tool call, or a loop of tools to a finish."""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import anthropic
import httpx2
import jsonschema

from miyabi.common.v1.usage_pb2 import Budget, Usage
from miyabi_agents.errors import ModelAnswerError, ModelUnavailableError
from miyabi_agents.model import prices
from miyabi_agents.model.budget import BudgetKeeper
from miyabi_core.text import encodable, shortened

if TYPE_CHECKING:
    from miyabi_agents.ports import Invocation, ProgressSink

#: Longest answer, in tokens, where the budget pays for it.
MAX_TOKENS = 8192
#: Answers of one conversation; a change that takes more is going in circles.
MAX_TURNS = 40
#: A tool's result is cut here, so that one large file does not fill the context.
MAX_RESULT_CHARACTERS = 40_000
#: How often an answer is asked for whose stream breaks; before its first byte the client repeats by itself.
BROKEN_STREAMS = 3
#: Separates the text of a broken answer from that of its repeat.
BROKEN_MARK = "\n[the connection broke; asking again]\n"
#: How often the model is told that its answer cannot be used.
REPAIRS = 2

#: Blocks of an answer that are sent back, with their fields. Thinking goes back as it came: the API checks it.
_KEPT = {
    "text": {"type", "text"},
    "tool_use": {"type", "id", "name", "input"},
    "thinking": {"type", "thinking", "signature"},
    "redacted_thinking": {"type", "data"},
}

#: Runs a tool; raises ValueError with a sentence for the model where the call cannot be done.
ToolHandler = Callable[[Mapping[str, Any]], Awaitable[str]]
#: Returns the tool and the input that a call means, which the model may know under other names.
Translate = Callable[[str, Mapping[str, Any]], tuple[str, Mapping[str, Any]]]


class ModelSession:
    """Calls for one task: streamed, timed, counted, within the budget.

    Args:
        client: The process's client.
        progress: Learns of every call and of streamed text.
        budget: Most that the task may spend.
        cheap_model: For steps that are not strong.
        strong_model: For changes and tests.
    """

    def __init__(
        self,
        client: anthropic.AsyncAnthropic,
        *,
        progress: ProgressSink,
        budget: Budget,
        cheap_model: str,
        strong_model: str,
    ) -> None:
        self._client = client
        self._progress = progress
        self._keeper = BudgetKeeper(budget)
        self._models = {False: cheap_model, True: strong_model}

    @property
    def usage(self) -> Usage:
        """What the calls so far used, failed ones too."""
        return self._keeper.usage

    async def call_tool(
        self, *, step: str, system: str, prompt: str, tool: Mapping[str, Any], strong: bool = False
    ) -> dict[str, Any]:
        """Ask for one call of *tool* and return its checked input; text around it is streamed as *step*.

        Raises:
            ModelAnswerError: the input does not fit the tool's schema after repeats.
            ModelUnavailableError: the API refused or could not be reached.
            BudgetError: the budget does not pay for the call.
        """
        messages: list[dict[str, Any]] = [_user(prompt)]
        problem = ""
        for _ in range(1 + REPAIRS):
            choice = {"type": "tool", "name": tool["name"]}
            answer = await self._send(step, system, messages, tools=[tool], choice=choice, strong=strong)
            uses = [block for block in answer.content if block.type == "tool_use" and block.name == tool["name"]]
            if not uses:
                problem = f"you did not call {tool['name']}"
                messages += [_assistant(answer), _user(f"Please call {tool['name']}.")]
                continue
            problem = schema_problem(tool, uses[0].input)
            if not problem:
                return dict(uses[0].input)
            messages += [_assistant(answer), _results([(use.id, problem, True) for use in _uses(answer)])]
        raise ModelAnswerError(f"the model's {tool['name']} cannot be used: {problem}")

    async def run_tools(
        self,
        *,
        step: str,
        system: str,
        prompt: str,
        tools: Sequence[Mapping[str, Any]],
        handlers: Mapping[str, ToolHandler],
        finish: str,
        translate: Translate = lambda name, given: (name, given),
        strong: bool = True,
    ) -> dict[str, Any]:
        """Let the model use *tools* until it calls *finish*; returns that call's checked input.

        Args:
            step: Under which its text is streamed.
            system: The system prompt.
            prompt: The first message.
            tools: What is offered.
            handlers: What runs each of them.
            finish: The tool that ends the conversation.
            translate: Takes calls under names that are not offered; by default none.
            strong: Which model.

        Raises:
            ModelAnswerError: it never finished.
            ModelUnavailableError: the API refused or could not be reached.
            BudgetError: the budget does not pay for the next call.
        """
        by_name = {tool["name"]: tool for tool in tools}
        messages: list[dict[str, Any]] = [_user(prompt)]
        silent = 0
        for _ in range(MAX_TURNS):
            answer = await self._send(step, system, messages, tools=list(tools), choice=None, strong=strong)
            messages.append(_assistant(answer))
            uses = _uses(answer)
            silent = 0 if uses else silent + 1
            if silent > REPAIRS:
                raise ModelAnswerError(f"the model stopped without calling {finish}: {shortened(_text(answer), 300)}")
            results = []
            for use in uses:
                name, given = translate(use.name, use.input)
                problem = schema_problem(by_name.get(name), given)
                if name == finish and not problem:
                    return dict(given)
                results.append((use.id, *await self._run_tool(handlers, name, given, problem)))
            messages.append(_results(results) if uses else _user(f"Go on, and call {finish} when you are done."))
        raise ModelAnswerError(f"the model did not call {finish} within {MAX_TURNS} answers")

    async def _run_tool(
        self, handlers: Mapping[str, ToolHandler], name: str, given: Mapping[str, Any], problem: str
    ) -> tuple[str, bool]:
        """Run one tool; returns the result's text and whether it is an error."""
        if problem:
            return problem, True
        async with self._progress.invocation(name, detail=shortened(json.dumps(given), 500)) as invocation:
            try:
                return shortened(await handlers[name](given), MAX_RESULT_CHARACTERS), False
            except ValueError as error:
                invocation.failed(str(error))
                return shortened(str(error), MAX_RESULT_CHARACTERS), True

    async def _send(
        self,
        step: str,
        system: str,
        messages: list[dict[str, Any]],
        *,
        tools: list[Mapping[str, Any]],
        choice: dict[str, str] | None,
        strong: bool,
    ) -> Any:
        """Send a conversation and stream its answer; a stream that breaks is asked for again."""
        request: dict[str, Any] = {
            "model": self._models[strong],
            "system": [{"type": "text", "text": system, "cache_control": {"type": "ephemeral"}}],
            "messages": _cached(messages),
            "tools": tools,
            **({"tool_choice": choice} if choice else {}),
        }
        for _ in range(BROKEN_STREAMS):
            try:
                answer = await self._attempt(step, request)
            except (httpx2.HTTPError, anthropic.APIConnectionError, _UnreadableAnswerError) as error:
                lost = error
                await self._progress.text(step, BROKEN_MARK)
                continue
            if answer.stop_reason == "refusal":
                raise ModelAnswerError("the model refused to answer")
            return answer
        if isinstance(lost, _UnreadableAnswerError):
            raise ModelAnswerError("the model's answer cannot be read") from lost
        raise ModelUnavailableError(f"the model API could not be reached: {type(lost).__name__}") from lost

    async def _attempt(self, step: str, request: dict[str, Any]) -> Any:
        """Make one call within the budget; it is timed and counted whatever becomes of it."""
        model = request["model"]
        characters = len(json.dumps([request["system"], request["messages"], request["tools"]]))
        longest = self._keeper.longest_answer(model, prompt_characters=characters, most=MAX_TOKENS)
        request = {**request, "max_tokens": longest}
        with self._keeper.reserved(model, prompt_characters=characters, max_tokens=longest):
            async with self._progress.invocation("model.messages", detail=f"{step}: {model}") as invocation:
                try:
                    return await self._stream(step, invocation, request)
                except anthropic.APIStatusError as error:
                    raise _unavailable(error) from error

    async def _stream(self, step: str, invocation: Invocation, request: dict[str, Any]) -> Any:
        """Stream an answer; text goes out as it comes."""
        used, begun = Usage(calls=1), False
        try:
            async with self._client.messages.stream(**request) as stream:
                async for event in stream:
                    begun = begun or event.type == "message_start"
                    if begun:
                        used = prices.usage_of(request["model"], stream.current_message_snapshot.usage)
                    if event.type == "text":
                        invocation.first_text()
                        await self._progress.text(step, event.text)
                return _encodable(await stream.get_final_message())
        except ValueError as error:
            # Halves of surrogate pairs in a tool's input, JSON that is none: the client does not foresee them.
            raise _UnreadableAnswerError from error
        finally:
            invocation.used(used, model=request["model"])
            self._keeper.count(used)


class _UnreadableAnswerError(Exception):
    """An answer came that is no answer: it is asked for again, as after a broken stream."""


def _encodable(answer: Any) -> Any:
    """Replace halves of surrogate pairs in an answer, which neither our messages nor files can carry.

    Raises:
        ValueError: a tool's input is nested too deeply.
    """
    for block in answer.content:
        if block.type == "text":
            block.text = encodable(block.text)
        elif block.type == "tool_use":
            block.input = encodable(block.input)
    return answer


def schema_problem(tool: Mapping[str, Any] | None, value: Any) -> str:
    """Return what is wrong with a tool's input, in one sentence for the model; empty where nothing is."""
    if tool is None:
        return "there is no such tool"
    validator = jsonschema.Draft202012Validator(tool["input_schema"])
    error = next(iter(sorted(validator.iter_errors(value), key=str)), None)
    if error is None:
        return ""
    where = ".".join(map(str, error.path))
    if error.validator == "required":
        missing = next(name for name in error.validator_value if name not in error.instance)
        return f"{where + '.' if where else ''}{missing}: is missing"
    if error.validator == "additionalProperties":
        known = error.schema["properties"]
        foreign = next(name for name in error.instance if name not in known)
        return f"{where + '.' if where else ''}{foreign}: is no argument of this tool; it takes {', '.join(known)}"
    return f"{where or 'input'}: {shortened(error.message, 300)}"


def _unavailable(error: anthropic.APIStatusError) -> ModelUnavailableError:
    """Say that the API refused, and when to ask again."""
    after = error.response.headers.get("retry-after", "")
    wait = timedelta(seconds=float(after)) if re.fullmatch(r"[0-9]{1,6}(\.[0-9]+)?", after) else None
    return ModelUnavailableError(f"the model API answered {error.status_code}", retry_after=wait)


def _uses(answer: Any) -> list[Any]:
    """Return an answer's tool calls."""
    return [block for block in answer.content if block.type == "tool_use"]


def _text(answer: Any) -> str:
    """Return an answer's text."""
    return " ".join(block.text for block in answer.content if block.type == "text")


def _user(text: str) -> dict[str, Any]:
    """Return a message of ours."""
    return {"role": "user", "content": [{"type": "text", "text": encodable(text)}]}


def _assistant(answer: Any) -> dict[str, Any]:
    """Return the model's message, to be sent back."""
    kept = [block for block in answer.content if block.type in _KEPT and (block.type != "text" or block.text)]
    content = [block.model_dump(include=_KEPT[block.type]) for block in kept]
    return {"role": "assistant", "content": content or [{"type": "text", "text": "(nothing)"}]}


def _results(results: Sequence[tuple[str, str, bool]]) -> dict[str, Any]:
    """Return the results of tool calls."""
    content = [
        {"type": "tool_result", "tool_use_id": use, "content": text or "(nothing)", "is_error": failed}
        for use, text, failed in results
    ]
    return {"role": "user", "content": encodable(content)}


def _cached(messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Mark the end of the conversation, so that the next turn reads it from the prompt cache."""
    last = messages[-1]
    marked = {**last["content"][-1], "cache_control": {"type": "ephemeral"}}
    return [*messages[:-1], {**last, "content": [*last["content"][:-1], marked]}]
