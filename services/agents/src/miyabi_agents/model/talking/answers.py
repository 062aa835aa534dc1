"""An answer of the model as we read it, and the messages that we send back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import jsonschema

from miyabi_core.text import encodable, shortened

#: Blocks of an answer that are sent back, with their fields. Thinking goes back as it came: the API checks it.
_KEPT = {
    "text": {"type", "text"},
    "tool_use": {"type", "id", "name", "input"},
    "thinking": {"type", "thinking", "signature"},
    "redacted_thinking": {"type", "data"},
}
#: Marks the end of a prefix of the prompt; a request may have four (platform.claude.com, “Prompt caching”).
_MARK = {"type": "ephemeral"}
#: Blocks before a mark in which the API looks for what is cached (the same page).
LOOKED_BACK = 20
#: Ends of an answer that was not at its end.
CUT = frozenset({"max_tokens", "model_context_window_exceeded"})


@dataclass(frozen=True)
class Answer:
    """One answer.

    Args:
        message: As the client put it together.
        broken: Ids of tool calls whose input did not come whole: they are not run, whatever of them can be read.
    """

    message: Any
    broken: frozenset[str] = frozenset()

    @property
    def stop(self) -> str:
        """Why it ended, in the API's words; words that are not known yet too."""
        return str(self.message.stop_reason)

    @property
    def is_cut(self) -> bool:
        """Whether it ended before it was complete."""
        return self.stop in CUT or bool(self.broken)

    @property
    def uses(self) -> list[Any]:
        """Its tool calls."""
        return [block for block in self.message.content if block.type == "tool_use"]

    @property
    def text(self) -> str:
        """Its text."""
        return " ".join(block.text for block in self.message.content if block.type == "text").strip()

    @property
    def prompt_tokens(self) -> int:
        """What the prompt took, as the API counted it."""
        usage = self.message.usage
        cached = (usage.cache_creation_input_tokens or 0) + (usage.cache_read_input_tokens or 0)
        return int(usage.input_tokens + cached)

    @property
    def output_tokens(self) -> int:
        """What the answer took."""
        return int(self.message.usage.output_tokens)


def user_message(text: str) -> dict[str, Any]:
    """Return a message of ours."""
    return {"role": "user", "content": [{"type": "text", "text": encodable(text)}]}


def said_message(text: str) -> dict[str, Any]:
    """Return a message of the model that consists of text."""
    return {"role": "assistant", "content": [{"type": "text", "text": encodable(text)}]}


def assistant_message(answer: Answer, *, whole: bool = False) -> dict[str, Any]:
    """Return the model's message, to be sent back.

    Args:
        answer: What came.
        whole: Keep every block: a paused turn goes on only from all of it.
    """
    blocks = [block for block in answer.message.content if block.type != "text" or block.text]
    if whole:
        content = [block.model_dump(exclude_none=True) for block in blocks]
    else:
        content = [block.model_dump(include=_KEPT[block.type]) for block in blocks if block.type in _KEPT]
    return {"role": "assistant", "content": content or [{"type": "text", "text": "(nothing)"}]}


def results_message(results: Sequence[tuple[str, str, bool]]) -> dict[str, Any]:
    """Return the results of all tool calls of one answer, each with its id and whether it failed."""
    content = [
        {"type": "tool_result", "tool_use_id": use, "content": text or "(nothing)", "is_error": failed}
        for use, text, failed in results
    ]
    return {"role": "user", "content": encodable(content)}


def kept(text: str) -> dict[str, Any]:
    """Return a text of the system prompt with a mark: all up to it is read from the prompt cache the next time."""
    return {"type": "text", "text": text, "cache_control": _MARK}


def cached(messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Mark the end of the conversation, so that the next turn reads it from the prompt cache.

    The API looks for what is cached in the last blocks before a mark only: where a turn has more of them, with many
    calls side by side say, its beginning is marked too.
    """
    *_, before, last = [0, *(place for place, message in enumerate(messages) if message["role"] == "user")]
    fresh = sum(len(message["content"]) for message in messages[before + 1 :])
    ends = {last, before} if fresh >= LOOKED_BACK else {last}
    return [_marked(message) if place in ends else message for place, message in enumerate(messages)]


def _marked(message: dict[str, Any]) -> dict[str, Any]:
    """Return a message of ours with a mark at its end."""
    *before, final = message["content"]
    return {**message, "content": [*before, {**final, "cache_control": _MARK}]}


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
