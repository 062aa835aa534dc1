"""Takes what is old out of a conversation, so that it stays one that the API takes."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from miyabi_agents.model.talking.answers import said_message, user_message
from miyabi_core.text import both_ends, shortened

#: The newest messages with results, which are never taken out: the model works with them.
NEWEST = 2
#: Characters of a call that the line in the place of its result shows.
_SHOWN = 200
#: Results shorter than the line that would take their place stay.
_WORTH = 400
#: Characters of a result in the text that a summary is made from.
_TOLD = 1500

Message = dict[str, Any]


def without_old_results(messages: Sequence[Message], *, saving: int) -> tuple[list[Message], int]:
    """Replace the oldest results of tools by a line that says what was there.

    Calls and results stay pairs; the first message and the newest results stay as they are.

    Args:
        messages: The conversation.
        saving: Characters to save; no more is replaced than that takes.

    Returns:
        The conversation, and how many results were replaced.
    """
    calls = {block["id"]: block for message in messages for block in message["content"] if block["type"] == "tool_use"}
    old = [position for position, message in enumerate(messages) if position and _has_results(message)][:-NEWEST]
    changed, replaced = list(messages), 0
    for position in old:
        content = []
        for block in changed[position]["content"]:
            size, kept = len(json.dumps(block)), block
            if block["type"] == "tool_result" and size > _WORTH and saving > 0:
                kept = {**block, "content": _line(calls.get(block["tool_use_id"], {}), block)}
                saving -= size - len(json.dumps(kept))
                replaced += 1
            content.append(kept)
        changed[position] = {**changed[position], "content": content}
    return changed, replaced


def tail_of(messages: Sequence[Message]) -> int:
    """Return where the newest part begins: an answer whose calls, and all after it, have their results behind them."""
    starts = [
        position
        for position, message in enumerate(messages)
        if position and message["role"] == "assistant" and messages[position - 1]["role"] == "user"
    ]
    return starts[-NEWEST] if len(starts) >= NEWEST else (starts[0] if starts else len(messages))


def told(messages: Sequence[Message], *, characters: int) -> str:
    """Return messages as a text to be summarised, its middle left out where it is too long."""
    lines = [line for message in messages for line in _told(message)]
    return both_ends("\n".join(lines), characters)


def summed_up(messages: Sequence[Message], start: int, summary: str) -> list[Message]:
    """Put a summary in the place of all between the first message and the newest part."""
    words = f"What I did so far, in short:\n{summary}"
    go_on = "The earlier part of this conversation was taken out for room. Files can be read again. Go on."
    return [messages[0], said_message(words), user_message(go_on), *messages[start:]]


def with_shorter_results(messages: Sequence[Message], *, longest: int) -> list[Message]:
    """Cut every result that is left to a length; its begin and its end stay, and what is left out is said."""
    return [
        {
            **message,
            "content": [
                {**block, "content": both_ends(block["content"], longest)} if block["type"] == "tool_result" else block
                for block in message["content"]
            ],
        }
        for message in messages
    ]


def results_of(messages: Sequence[Message]) -> list[str]:
    """Return every result that is left."""
    return [block["content"] for entry in messages for block in entry["content"] if block["type"] == "tool_result"]


def _has_results(message: Mapping[str, Any]) -> bool:
    """Tell whether a message holds results of tools."""
    return any(block["type"] == "tool_result" for block in message["content"])


def _line(call: Mapping[str, Any], result: Mapping[str, Any]) -> str:
    """Return the line in the place of a result."""
    shown = shortened(json.dumps(call.get("input", {}), ensure_ascii=False), _SHOWN)
    size = len(result["content"])
    return f"(here were {size:,} characters: {call.get('name', 'a tool')} {shown}; call it again to see them)"


def _told(message: Mapping[str, Any]) -> list[str]:
    """Return a message as lines."""
    lines = []
    for block in message["content"]:
        if block["type"] == "text":
            lines.append(f"{message['role']}: {block['text']}")
        elif block["type"] == "tool_use":
            lines.append(f"call: {block['name']} {shortened(json.dumps(block['input'], ensure_ascii=False), _TOLD)}")
        elif block["type"] == "tool_result":
            lines.append(f"{'error' if block['is_error'] else 'result'}: {shortened(block['content'], _TOLD)}")
    return lines
