"""What model calls cost, by the price table."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from miyabi.common.v1.usage_pb2 import Usage

#: Characters that make up a token at least, for an estimate that is never too low for English text and code.
CHARACTERS_PER_TOKEN = 3


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


def price_of(model: str) -> Price:
    """Return the price of a model; one that is not listed costs as much as the dearest."""
    fitting = [name for name in _table() if model.startswith(name)]
    if fitting:
        return _table()[max(fitting, key=len)]
    return max(_table().values(), key=lambda price: price.output)


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


def total_tokens(usage: Usage) -> int:
    """Return tokens of all kinds."""
    return usage.input_tokens + usage.output_tokens + usage.cache_write_tokens + usage.cache_read_tokens
