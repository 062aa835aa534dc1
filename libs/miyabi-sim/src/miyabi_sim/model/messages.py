"""The Messages API's shapes: a request's checks, the answer, its usage (docs.anthropic.com/en/api/messages)."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping, Sequence
from typing import Any

from miyabi_sim.model.caching import LIFETIMES, MAX_MARKS, marks_in, tokens
from miyabi_sim.model.scenarios import Block, text_of


class BadRequestError(ValueError):
    """The request is not what the API takes; the message names the field."""


def check(request: Any) -> None:
    """Refuse what the real API refuses.

    Raises:
        BadRequestError: a field is missing or wrong, roles do not alternate, or a tool result answers no tool use.
    """
    if not isinstance(request, dict):
        raise BadRequestError("the body must be an object")
    if not isinstance(request.get("model"), str):
        raise BadRequestError("model: field required")
    if not isinstance(request.get("max_tokens"), int) or request["max_tokens"] < 1:
        raise BadRequestError("max_tokens: must be an integer of at least 1")
    messages = request.get("messages")
    if not isinstance(messages, list) or not messages:
        raise BadRequestError("messages: at least one message is required")
    if messages[0].get("role") != "user":
        raise BadRequestError("messages.0.role: first message must use the user role")
    _check_tool_results(messages)
    if (marks := marks_in(request)) > MAX_MARKS:
        raise BadRequestError(f"A maximum of {MAX_MARKS} blocks with cache_control may be provided. Found {marks}.")
    _check_marks(messages)


def _check_marks(messages: Sequence[Mapping[str, Any]]) -> None:
    """Refuse marks where the API takes none: on empty text, on thinking, with another lifetime."""
    for position, message in enumerate(messages):
        for block in message["content"] if isinstance(message.get("content"), list) else ():
            mark = block.get("cache_control")
            if mark and block.get("type") in {"thinking", "redacted_thinking"}:
                raise BadRequestError(f"messages.{position}: cache_control cannot be set for thinking blocks")
            if mark and block.get("type") == "text" and not block.get("text"):
                raise BadRequestError(f"messages.{position}: cache_control cannot be set for empty text blocks")
            if mark and mark.get("ttl", "5m") not in LIFETIMES:
                raise BadRequestError(f"messages.{position}: cache_control.ttl must be one of {', '.join(LIFETIMES)}")


def _check_tool_results(messages: Sequence[Mapping[str, Any]]) -> None:
    """Make sure that each tool use is answered by the message behind it, and by nothing else."""
    awaited: set[str] = set()
    for position, message in enumerate(messages):
        content = message.get("content")
        blocks = content if isinstance(content, list) else []
        results = {block.get("tool_use_id") for block in blocks if block.get("type") == "tool_result"}
        if results != awaited:
            raise BadRequestError(f"messages.{position}: tool_use ids without tool_result, or the reverse")
        awaited = {block["id"] for block in blocks if block.get("type") == "tool_use"}


def content_blocks(blocks: Sequence[Block]) -> list[dict[str, Any]]:
    """Return the answer's content."""
    return [
        {"type": "text", "text": block["text"]}
        if "text" in block
        else {
            "type": "tool_use",
            "id": f"toolu_{secrets.token_hex(12)}",
            "name": block["tool"],
            "input": block["input"],
        }
        for block in blocks
        if "stop" not in block
    ]


def stop_reason(blocks: Sequence[Block]) -> str:
    """Return why the answer ended: as its turn says, else for its tool calls, else because it was done."""
    said = next((str(block["stop"]) for block in blocks if "stop" in block), "")
    return said or ("tool_use" if any("tool" in block for block in blocks) else "end_turn")


def written_inputs(blocks: Sequence[Block]) -> dict[int, str]:
    """Return what is sent in the place of a tool's input, by the position of its block: what was cut, or is no JSON."""
    sent = [block for block in blocks if "stop" not in block]
    return {position: str(block["written"]) for position, block in enumerate(sent) if "written" in block}


def output_tokens(content: Sequence[Mapping[str, Any]]) -> int:
    """Count the answer's tokens."""
    text = "".join(block["text"] if block["type"] == "text" else json.dumps(block["input"]) for block in content)
    return tokens(text)


def too_long(usage: Mapping[str, int], window: int) -> str:
    """Return the API's words on a prompt that does not fit into the model's window; empty where it fits."""
    prompt = sum(usage.values())
    return f"prompt is too long: {prompt} tokens > {window} maximum" if window and prompt > window else ""


def count(request: Mapping[str, Any]) -> int:
    """Count the prompt's tokens for `/v1/messages/count_tokens`."""
    return tokens(text_of(request.get("system", "")) + json.dumps(request["messages"]))
