"""Records every call of a model: what was asked behind the prefix, what came back, what it cost; without secrets."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from miyabi.common.v1.usage_pb2 import Usage
from miyabi.coordinator.v1.transcript_pb2 import ModelCall, PromptPrefix, TranscriptBlock, TranscriptMessage
from miyabi_agents.model.tiers import Tier
from miyabi_core.logging import redact_text
from miyabi_core.proto_time import now, to_duration, to_timestamp
from miyabi_core.text import both_ends, exact, first, shortened, without_surrogates

#: Characters of one text: a whole result of a tool, or a large file that is created.
MAX_BLOCK_CHARACTERS = 60_000
#: Bytes of one call: some ten of these, and a page of calls still fits into what clients take.
MAX_CALL_BYTES = 512 << 10
#: Texts are never cut to fewer characters than that: they would say nothing.
LEAST_CHARACTERS = 200
#: Blocks of one message or answer, and messages of one call, as the interface takes them.
MAX_ITEMS = 1000
#: Tools that a prefix names, as the interface takes them.
MAX_TOOLS = 100
#: Longest step, model, stop reason and error, as the interface takes them.
MAX_STEP, MAX_NAME, MAX_STOP, MAX_ERROR = 500, 200, 100, 2000
#: Fields of a part of an answer that are recorded; a signature or what is encrypted says nothing to a reader.
_FIELDS = ("type", "name", "input", "text", "thinking")


@dataclass
class Transcript:
    """The calls of one task.

    A request is recorded as what it adds to the request before of the same step, so that a conversation of many turns
    is recorded once and not once a turn. Of that request digests are kept, no texts.

    Args:
        attempt: Of the task, from 1.
    """

    attempt: int = 0
    _number: int = 0
    _before: dict[str, tuple[int, list[str]]] = field(default_factory=dict)

    def begin(self, step: str, request: Mapping[str, Any], *, tier: Tier) -> CallRecord:
        """Begin the record of a call that goes out now."""
        self._number += 1
        messages = request["messages"]
        digests = [_digest(_unmarked(message)) for message in messages]
        number, known = self._before.get(step, (0, []))
        same = next((at for at, pair in enumerate(zip(known, digests, strict=False)) if pair[0] != pair[1]), None)
        same = min(len(known), len(digests)) if same is None else same
        self._before[step] = (self._number, digests)
        call = ModelCall(
            attempt=self.attempt,
            number=self._number,
            step=shortened(exact(step), MAX_STEP),
            model=shortened(request["model"], MAX_NAME),
            tier=tier.name.lower(),
            start_time=to_timestamp(now()),
            max_tokens=request["max_tokens"],
            prefix=_prefix(request),
            continues=number if same else 0,
            earlier_messages=same,
        )
        return CallRecord(call, list(messages[same:]))


@dataclass
class CallRecord:
    """A call that is under way."""

    call: ModelCall
    new: Sequence[Mapping[str, Any]]
    _began: float = field(default_factory=time.monotonic)

    def first_text(self) -> None:
        """Note when the first text came; later calls change nothing."""
        if not self.call.HasField("time_to_first_text"):
            self.call.time_to_first_text.CopyFrom(self._since())

    def failed(self, error: BaseException) -> None:
        """Note why there is no whole answer."""
        words = str(error) or type(error).__name__
        self.call.error = shortened(_clean(words), MAX_ERROR)

    def ended(self, used: Usage, message: Any) -> ModelCall:
        """Return the finished record.

        Args:
            used: What it used, as far as the API said.
            message: What came back as the client put it together, also of an answer that broke; None: nothing did.
        """
        call = self.call
        call.duration.CopyFrom(self._since())
        call.usage.CopyFrom(used)
        if message is not None and message.stop_reason and not call.error:
            call.stop_reason = shortened(exact(message.stop_reason), MAX_STOP)
        answer = [_fields(block) for block in message.content] if message is not None else []
        _fill(call, self.new, answer)
        return call

    def _since(self) -> Any:
        """Return the time since it began."""
        return to_duration(timedelta(seconds=time.monotonic() - self._began))


def _fill(call: ModelCall, messages: Sequence[Mapping[str, Any]], answer: Sequence[Mapping[str, Any]]) -> None:
    """Put messages and answer into a call; where they are too long, every text is cut to the same length."""
    sent, unsent = first(messages, MAX_ITEMS)
    came, uncome = first(answer, MAX_ITEMS)
    characters = MAX_BLOCK_CHARACTERS
    while True:
        call.ClearField("messages")
        call.ClearField("answer")
        call.messages.extend(_message(message, characters) for message in sent)
        call.answer.extend(_block(block, characters) for block in came)
        if call.ByteSize() <= MAX_CALL_BYTES or characters <= LEAST_CHARACTERS:
            break
        characters //= 2
    if characters < MAX_BLOCK_CHARACTERS:
        call.left_out.append(f"Texts of more than {characters:,} characters are cut in their middle.")
    if unsent or uncome:
        call.left_out.append(f"{unsent:,} messages and {uncome:,} parts of the answer are left out.")
    if call.ByteSize() > MAX_CALL_BYTES:
        call.ClearField("messages")
        call.ClearField("answer")
        call.left_out.append(f"Messages and answer are left out: together they are more than {MAX_CALL_BYTES:,} bytes.")


def _message(message: Mapping[str, Any], characters: int) -> TranscriptMessage:
    """Return a message of a request."""
    blocks, more = first(message["content"], MAX_ITEMS - 1)
    kept = [_block(block, characters) for block in blocks]
    if more:
        kept.append(TranscriptBlock(type="text", text=f"[{more:,} parts more are left out]"))
    return TranscriptMessage(role=message["role"], blocks=kept)


def _block(block: Mapping[str, Any], characters: int) -> TranscriptBlock:
    """Return a part of a message."""
    kind = str(block.get("type", ""))
    match kind:
        case "tool_use":
            text = _text_of(block["input"])
        case "tool_result":
            text = _text_of(block["content"])
        case "thinking":
            text = str(block["thinking"])
        case _:
            text = str(block.get("text", ""))
    return TranscriptBlock(
        type=shortened(exact(kind), MAX_STOP),
        tool=shortened(exact(str(block.get("name", ""))), MAX_STEP) if kind == "tool_use" else "",
        text=both_ends(_clean(text), characters),
        is_error=bool(block.get("is_error", False)),
    )


def _fields(block: Any) -> dict[str, Any]:
    """Return what is recorded of a part of an answer."""
    return {name: getattr(block, name) for name in _FIELDS if hasattr(block, name)}


def _text_of(content: Any) -> str:
    """Return a text as it is, anything else as JSON; a model may nest a tool's input as deep as it likes."""
    if isinstance(content, str):
        return content
    try:
        return json.dumps(content, ensure_ascii=False)
    except (ValueError, RecursionError):
        return "[nested too deeply to be shown]"


def _clean(text: str) -> str:
    """Return a text without secrets, and without what no message can carry."""
    return redact_text(without_surrogates(text))


def _prefix(request: Mapping[str, Any]) -> PromptPrefix:
    """Return what stands for tools and system prompt."""
    shared = json.dumps([request["tools"], request["system"]], ensure_ascii=False, sort_keys=True)
    names, _ = first([shortened(str(tool["name"]), MAX_NAME) for tool in request["tools"]], MAX_TOOLS)
    return PromptPrefix(digest=_digest(shared), characters=len(shared), tools=names)


def _unmarked(message: Mapping[str, Any]) -> str:
    """Return a message without the marks of the prompt cache, which move on with every turn."""
    content = message["content"]
    blocks = [{key: value for key, value in block.items() if key != "cache_control"} for block in content]
    return json.dumps([message["role"], blocks], sort_keys=True)


def _digest(text: str) -> str:
    """Return the SHA-256 of a text."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
