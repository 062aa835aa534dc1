"""The prompt cache as the API documents it: what of a prompt is written, read, and billed as neither.

Source: https://platform.claude.com/docs/en/build-with-claude/prompt-caching.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

#: Characters that make up a token, roughly; real tokenisers differ by text.
CHARACTERS_PER_TOKEN = 4
#: Marks that one request may have.
MAX_MARKS = 4
#: Blocks before a mark in which an entry is looked for, the marked one counted.
LOOKED_BACK = 20
#: Seconds that an entry lives after it was written or read last, by the `ttl` of its mark.
LIFETIMES = {"5m": 300.0, "1h": 3600.0}
#: Fewest tokens of a prefix that is cached, by the longest beginning of the model's name that fits.
MINIMUM = {
    "claude-fable-5": 512,
    "claude-opus-5": 512,
    "claude-opus-4": 1024,
    "claude-opus-4-5": 4096,
    "claude-opus-4-6": 4096,
    "claude-opus-4-7": 4096,
    "claude-opus-4-8": 1024,
    "claude-sonnet": 1024,
    "claude-haiku-4-5": 4096,
}
#: Fewest tokens for a model that is not listed: the most that any model takes.
LARGEST_MINIMUM = 4096


def tokens(text: str) -> int:
    """Count a text's tokens, roughly, at least one."""
    return max(1, len(text) // CHARACTERS_PER_TOKEN)


def minimum_of(model: str) -> int:
    """Return the fewest tokens that a model caches."""
    fitting = [name for name in MINIMUM if model.startswith(name)]
    return MINIMUM[max(fitting, key=len)] if fitting else LARGEST_MINIMUM


@dataclass(frozen=True)
class _Place:
    """The end of one block of a prompt: the digest of all up to it, its tokens, and its mark's lifetime; 0: no mark."""

    digest: str
    tokens: int
    lifetime: float


@dataclass(frozen=True)
class Counted:
    """What of one prompt is cached.

    Args:
        usage: The input fields of the API's `usage`.
        kept: Digests of entries that live on when the answer begins, with their lifetimes in seconds.
    """

    usage: Mapping[str, int]
    kept: Mapping[str, float]


@dataclass
class PromptCache:
    """Entries by the digest of their prefix, of all models.

    Args:
        clock: Seconds; default: of this process.
    """

    clock: Callable[[], float] = time.monotonic
    _until: dict[str, float] = field(default_factory=dict)

    def count(self, request: Mapping[str, Any]) -> Counted:
        """Count a prompt; nothing is kept until `keep`: an entry is there once the answer to its request begins."""
        places = list(_places(request))
        total = places[-1].tokens if places else 0
        now = self.clock()
        marked = [index for index, place in enumerate(places) if place.lifetime]
        found = [
            places[before]
            for index in marked
            for before in range(max(0, index + 1 - LOOKED_BACK), index + 1)
            if self._until.get(places[before].digest, now) > now
        ]
        read = max(found, key=lambda place: place.tokens, default=None)
        minimum = minimum_of(request["model"])
        large = [places[index] for index in marked if places[index].tokens >= minimum]
        count = read.tokens if read else 0
        written = max(0, max((place.tokens for place in large), default=0) - count)
        # A read begins the lifetime anew; what lies before it is part of it, as far as it is marked here.
        kept = {place.digest: place.lifetime for place in large}
        if read is not None:
            kept.setdefault(read.digest, LIFETIMES["5m"])
        usage = {
            "input_tokens": total - count - written,
            "cache_creation_input_tokens": written,
            "cache_read_input_tokens": count,
        }
        return Counted(usage, kept)

    def keep(self, counted: Counted) -> None:
        """Keep what a prompt wrote and read."""
        now = self.clock()
        for digest, lifetime in counted.kept.items():
            self._until[digest] = max(self._until.get(digest, now), now + lifetime)


def marks_in(request: Mapping[str, Any]) -> int:
    """Count the marks of a request."""
    return sum(not isinstance(part, str) and bool(part.get("cache_control")) for *_, part in _parts(request))


def _places(request: Mapping[str, Any]) -> Iterator[_Place]:
    """Yield the end of each block, in the order in which prompts are cached: tools, system, messages.

    Each model has entries of its own. What a tool is to be called is part of the messages: another choice leaves the
    entries of tools and system as they are.
    """
    running, total, level = hashlib.sha256(request["model"].encode()), 0, ""
    for at, role, part in _parts(request):
        if at != level and at == "messages":
            running.update(json.dumps(request.get("tool_choice"), sort_keys=True).encode())
        level = at
        mark = None if isinstance(part, str) else part.get("cache_control")
        text = json.dumps(part if mark is None else {key: part[key] for key in part if key != "cache_control"})
        running.update(f"\0{at}\0{role}\0{text}".encode())
        total += tokens(text)
        yield _Place(running.hexdigest(), total, LIFETIMES[mark.get("ttl", "5m")] if mark else 0.0)


def _parts(request: Mapping[str, Any]) -> Iterator[tuple[str, str, Any]]:
    """Yield the blocks of a prompt with the level that they are on and whose message they are of; text is a block."""
    for tool in request.get("tools") or ():
        yield "tools", "", tool
    for block in _blocks(request.get("system") or []):
        yield "system", "", block
    for message in request["messages"]:
        for block in _blocks(message["content"]):
            yield "messages", message["role"], block


def _blocks(content: Any) -> list[Any]:
    """Return a content as blocks."""
    return [content] if isinstance(content, str) else content
