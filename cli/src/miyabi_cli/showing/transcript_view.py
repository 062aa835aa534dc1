"""Shows calls of a model: what it was asked beyond the call before, what it answered, what that took and cost."""

from __future__ import annotations

from collections.abc import Iterable

from rich.console import Console

from miyabi.coordinator.v1.transcript_pb2 import ModelCall, TranscriptBlock
from miyabi_cli.showing.results import USD_MICROS
from miyabi_cli.terminal import TerminalText, joined, ours, say, shown
from miyabi_core.text import Untrusted, shortened, split_lines

#: Digits of a digest that tell a prefix from every other of a run.
DIGEST_DIGITS = 12
#: Words for parts of a message and of an answer, where there is a better one than the API's.
_KINDS = {"tool_use": "calls", "tool_result": "result", "text": "says", "thinking": "thinks"}


def show_call(console: Console, call: ModelCall) -> None:
    """Print one call: its heading, what was sent behind the prefix, the answer, and what of it is not here."""
    task = call.task.rpartition("/tasks/")[2]
    heading = ours(", attempt {}, call {}", call.attempt, call.number, style="bold")
    say(console, shown(Untrusted(task), style="bold"), heading, ours(": "), shown(Untrusted(call.step)))
    _field(console, ours("model"), joined(shown(Untrusted(call.model)), ours(" as "), shown(Untrusted(call.tier))))
    _field(console, ours("time"), _time(call))
    _field(console, ours("spent"), _spent(call))
    end = shown(Untrusted(call.error), style="red") if call.error else shown(Untrusted(call.stop_reason))
    _field(console, ours("error") if call.error else ours("ended by"), end)
    if call.HasField("prefix"):
        _field(console, ours("prefix"), _prefix(call))
    if call.earlier_messages:
        words = ours("begins with {} messages of call {}", call.earlier_messages, call.continues)
        _field(console, ours("request"), words)
    for message in call.messages:
        for block in message.blocks:
            _block(console, message.role, block)
    for block in call.answer:
        _block(console, "answer", block)
    for note in call.left_out:
        _field(console, ours("left out"), shown(Untrusted(note), style="yellow"))


def show_sum(console: Console, calls: Iterable[ModelCall], *, gone: int) -> None:
    """Print what all calls took together, and how many more there were."""
    there = list(calls)
    cost = sum(call.usage.cost_usd_micros for call in there) / USD_MICROS
    failed = sum(bool(call.error) for call in there)
    say(console, ours("calls: {}, without a whole answer: {}, ${:.4f}", len(there), failed, cost))
    if gone:
        say(console, ours("older calls that were removed, since newer ones took their room: {}", gone, style="yellow"))


def _field(console: Console, name: TerminalText, value: TerminalText) -> None:
    """Print one line of a heading."""
    say(console, ours("  "), name, ours(": "), value)


def _time(call: ModelCall) -> TerminalText:
    """Return when a call began and how long it took."""
    begin = call.start_time.ToDatetime().isoformat(sep=" ", timespec="milliseconds")
    took = ours(" UTC, {:.3f} s", call.duration.ToTimedelta().total_seconds())
    if not call.HasField("time_to_first_text"):
        return joined(shown(Untrusted(begin)), took, ours(", no text"))
    text = ours(", first text after {:.3f} s", call.time_to_first_text.ToTimedelta().total_seconds())
    return joined(shown(Untrusted(begin)), took, text)


def _spent(call: ModelCall) -> TerminalText:
    """Return the tokens and the money of a call."""
    used = call.usage
    tokens = ours(
        "{:,} tokens in, {:,} from the cache, {:,} into it, {:,} of {:,} out; ",
        used.input_tokens, used.cache_read_tokens, used.cache_write_tokens, used.output_tokens, call.max_tokens,
    )  # fmt: skip
    return joined(tokens, ours("${:.4f}", used.cost_usd_micros / USD_MICROS))


def _prefix(call: ModelCall) -> TerminalText:
    """Return what stands for tools and system prompt."""
    prefix = call.prefix
    digest = shown(Untrusted(prefix.digest[:DIGEST_DIGITS]))
    tools = shown(Untrusted(", ".join(prefix.tools) or "no tools"))
    return joined(ours("{:,} characters, ", prefix.characters), digest, ours(", "), tools)


def _block(console: Console, who: str, block: TranscriptBlock) -> None:
    """Print one part, line by line below who says it."""
    kind = _KINDS.get(block.type, block.type)
    failed = ours(" (failed)", style="red") if block.is_error else ours("")
    words = shortened(f"{who} {kind} {block.tool}".rstrip(), 1000)
    say(console, ours("  "), shown(Untrusted(words), style="bold"), failed)
    for line in split_lines(block.text):
        say(console, ours("  | ", style="dim"), shown(Untrusted(line)))
