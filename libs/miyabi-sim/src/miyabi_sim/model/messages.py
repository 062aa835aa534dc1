"""The Messages API's shapes: a request's checks, the answer, its usage (docs.anthropic.com/en/api/messages)."""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Mapping, Sequence
from typing import Any

from miyabi_sim.model.scenarios import Block, text_of

#: Characters that make up a token, roughly; real tokenisers differ by text.
CHARACTERS_PER_TOKEN = 4


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


def tokens(text: str) -> int:
    """Count a text's tokens, roughly, at least one."""
    return max(1, len(text) // CHARACTERS_PER_TOKEN)


def input_usage(request: Mapping[str, Any], cached: set[str]) -> dict[str, int]:
    """Count the prompt's tokens; prefixes up to a `cache_control` mark are cached and read again later.

    *cached* holds the digests of prefixes that were seen; new ones are added.
    """
    prefix, total, marks = "", 0, list[tuple[str, int]]()
    for part in _parts(request):
        content = (
            {key: value for key, value in part.items() if key != "cache_control"} if isinstance(part, dict) else part
        )
        text = json.dumps(content, sort_keys=True)
        prefix += text
        total += tokens(text)
        if isinstance(part, dict) and part.get("cache_control"):
            marks.append((hashlib.sha256(prefix.encode()).hexdigest(), total))
    read = max((count for digest, count in marks if digest in cached), default=0)
    written = max((count for _, count in marks), default=0) - read
    cached.update(digest for digest, _ in marks)
    return {
        "input_tokens": total - read - written,
        "cache_creation_input_tokens": written,
        "cache_read_input_tokens": read,
    }


def _parts(request: Mapping[str, Any]) -> list[Any]:
    """Return the pieces of a prompt in the order in which they are cached: tools, system, messages."""
    system = request.get("system") or []
    parts: list[Any] = [*request.get("tools", ()), *([system] if isinstance(system, str) else system)]
    for message in request["messages"]:
        content = message["content"]
        parts.extend([content] if isinstance(content, str) else content)
    return parts


def too_long(usage: Mapping[str, int], window: int) -> str:
    """Return the API's words on a prompt that does not fit into the model's window; empty where it fits."""
    prompt = sum(usage.values())
    return f"prompt is too long: {prompt} tokens > {window} maximum" if window and prompt > window else ""


def count(request: Mapping[str, Any]) -> int:
    """Count the prompt's tokens for `/v1/messages/count_tokens`."""
    return tokens(text_of(request.get("system", "")) + json.dumps(request["messages"]))
