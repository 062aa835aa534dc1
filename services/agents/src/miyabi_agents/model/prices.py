"""What model calls cost, by the price table."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from miyabi.common.v1.usage_pb2 import Usage
from miyabi_core.logging import get_logger

#: Characters that make up a token at least, for an estimate that is never too low for English text and code.
CHARACTERS_PER_TOKEN = 3

_LOG = get_logger(__name__)


@dataclass(frozen=True)
class Price:
    """US dollars per million tokens, which is micro-dollars per token."""

    input: float
    output: float
    cache_write: float
    cache_read: float


@cache
def _table() -> dict[str, Price]:
    """Read the price table."""
    raw: dict[str, Any] = yaml.safe_load(Path(__file__).with_name("prices.yaml").read_text(encoding="utf-8"))
    write, read = raw["cache_write_factor"], raw["cache_read_factor"]
    return {
        name: Price(entry["input"], entry["output"], entry["input"] * write, entry["input"] * read)
        for name, entry in raw["models"].items()
    }


@cache
def price_of(model: str) -> Price:
    """Return the price of a model; one that is not listed counts as the dearest, and the log says so once."""
    fitting = [name for name in _table() if model.startswith(name)]
    if fitting:
        return _table()[max(fitting, key=len)]
    dearest = max(_table(), key=lambda name: _table()[name].output)
    _LOG.warning("model.price_unknown", model=model, priced_as=dearest)
    return _table()[dearest]


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
        cost_usd_micros=round(cost),
        calls=1,
    )


def most(model: str, *, prompt_characters: int, max_tokens: int) -> int:
    """Return the most that a call can cost, in micro-dollars: what is reserved before it."""
    price = price_of(model)
    return round(prompt_characters / CHARACTERS_PER_TOKEN * price.cache_write + max_tokens * price.output)


def most_tokens(*, prompt_characters: int, max_tokens: int) -> int:
    """Return the most tokens that a call can use."""
    return prompt_characters // CHARACTERS_PER_TOKEN + 1 + max_tokens


def total_tokens(usage: Usage) -> int:
    """Return tokens of all kinds."""
    return usage.input_tokens + usage.output_tokens + usage.cache_write_tokens + usage.cache_read_tokens
