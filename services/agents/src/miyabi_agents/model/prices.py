"""What model calls cost, by the price table."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from miyabi.common.v1.usage_pb2 import Usage
from miyabi_core.logging import get_logger

#: Characters that make up a token at least, for an estimate that is never too low for English text and code.
CHARACTERS_PER_TOKEN = 2.5

_LOG = get_logger(__name__)


@dataclass(frozen=True)
class Price:
    """US dollars per million tokens, which is micro-dollars per token."""

    input: float
    output: float
    cache_write: float
    cache_read: float
    long_above: int = 0  #: prompt tokens beyond which a call costs more; 0: never
    long_factor: float = 1.0

    def factor(self, prompt_tokens: float) -> float:
        """Return how much more a call with such a prompt costs."""
        return self.long_factor if self.long_above and prompt_tokens > self.long_above else 1.0


@cache
def raw_table() -> dict[str, Any]:
    """Read the table of models as it is written."""
    raw: dict[str, Any] = yaml.safe_load(Path(__file__).with_name("prices.yaml").read_text(encoding="utf-8"))
    return raw


@cache
def _table() -> dict[str, Price]:
    """Read the price table."""
    raw, table = raw_table(), {}
    for name, entry in raw["models"].items():
        given, long = entry["input"], entry.get("long_prompt", {})
        table[name] = Price(
            input=given,
            output=entry["output"],
            cache_write=given * raw["cache_write_factor"],
            cache_read=given * entry.get("cache_read_factor", raw["cache_read_factor"]),
            long_above=long.get("above", 0),
            long_factor=long.get("factor", 1.0),
        )
    return table


@cache
def price_of(model: str) -> Price:
    """Return the price of a model; one that is not listed counts as the dearest, and the log says so once."""
    fitting = [name for name in _table() if model.startswith(name)]
    if fitting:
        return _table()[max(fitting, key=len)]
    dearest = max(_table(), key=lambda name: _table()[name].output)
    _LOG.warning("model.price_unknown", model=model, priced_as=dearest)
    return _table()[dearest]


def is_listed(model: str) -> bool:
    """Tell whether a model has a price of its own."""
    return any(model.startswith(name) for name in _table())


def usage_of(model: str, raw: Any) -> Usage:
    """Return what a call used and cost, from the API's `usage`."""
    price = price_of(model)
    written, read = raw.cache_creation_input_tokens or 0, raw.cache_read_input_tokens or 0
    cost = (
        raw.input_tokens * price.input
        + raw.output_tokens * price.output
        + written * price.cache_write
        + read * price.cache_read
    )
    return Usage(
        input_tokens=raw.input_tokens,
        output_tokens=raw.output_tokens,
        cache_write_tokens=written,
        cache_read_tokens=read,
        cost_usd_micros=round(cost * price.factor(raw.input_tokens + written + read)),
        calls=1,
    )


def most(model: str, *, prompt_characters: int, max_tokens: int) -> int:
    """Return the most that a call can cost, in micro-dollars: what is reserved before it."""
    price = price_of(model)
    prompt = prompt_characters / CHARACTERS_PER_TOKEN
    return round((prompt * price.cache_write + max_tokens * price.output) * price.factor(prompt))


def answer_for(micros: int, model: str, *, prompt_characters: int) -> int:
    """Return how many tokens of an answer an amount pays for beside the prompt; below 0: not even the prompt."""
    price = price_of(model)
    prompt = prompt_characters / CHARACTERS_PER_TOKEN
    # Half a micro-dollar less, since `most` rounds.
    return math.floor(((micros - 0.5) / price.factor(prompt) - prompt * price.cache_write) / price.output)


def most_tokens(*, prompt_characters: int, max_tokens: int) -> int:
    """Return the most tokens that a call can use."""
    return int(prompt_characters / CHARACTERS_PER_TOKEN) + 1 + max_tokens


def total_tokens(usage: Usage) -> int:
    """Return tokens of all kinds."""
    return usage.input_tokens + usage.output_tokens + usage.cache_write_tokens + usage.cache_read_tokens
