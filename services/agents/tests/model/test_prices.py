"""What calls cost."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from anthropic._data import DEPRECATED_MODELS

from miyabi_agents.model import prices
from miyabi_agents.settings import AgentsSettings


def usage(**fields: int) -> SimpleNamespace:
    """Return usage as the API reports it."""
    names = ("input_tokens", "output_tokens", "cache_creation_input_tokens", "cache_read_input_tokens")
    return SimpleNamespace(**{name: fields.get(name, 0) for name in names})


def test_a_million_tokens_cost_what_the_table_says() -> None:
    """Cache writes cost a quarter more than input, cache reads a tenth of it."""
    million = 1_000_000
    cost = {
        name: prices.usage_of("claude-sonnet-4-6", usage(**{name: million})).cost_usd_micros / million
        for name in ("input_tokens", "output_tokens", "cache_creation_input_tokens", "cache_read_input_tokens")
    }
    assert list(cost.values()) == pytest.approx([3.0, 15.0, 3.75, 0.3])


def test_the_longest_name_that_fits_counts() -> None:
    """A newer model of a family is not priced as its older namesake."""
    assert prices.price_of("claude-opus-4-5").output == 25
    assert prices.price_of("claude-opus-4-8").output == 25
    assert prices.price_of("claude-opus-4-1").output == 75
    assert prices.price_of("claude-sonnet-5-5").cache_read == pytest.approx(0.1)


def test_a_long_prompt_makes_the_whole_call_dearer() -> None:
    """Where a model has a second price band, cached tokens count towards its threshold."""
    short = prices.usage_of("claude-haiku-5-5", usage(input_tokens=50_000, cache_read_input_tokens=50_000))
    long = prices.usage_of("claude-haiku-5-5", usage(input_tokens=50_001, cache_read_input_tokens=50_000))
    assert (short.cost_usd_micros, long.cost_usd_micros) == (5_500, 27_500)


def test_an_unknown_model_is_priced_as_the_dearest() -> None:
    """A budget holds even for a model without a price."""
    assert prices.price_of("something-new") == prices.price_of("claude-opus-4-1")


def test_the_reservation_is_never_below_the_cost() -> None:
    """The most that a call can cost covers a prompt of three characters a token that is all written to the cache."""
    used = usage(cache_creation_input_tokens=1000, output_tokens=500)
    for model in ("claude-haiku-4-5", "claude-opus-4-1"):
        most = prices.most(model, prompt_characters=3000, max_tokens=500)
        assert prices.usage_of(model, used).cost_usd_micros <= most


def test_the_default_models_are_neither_deprecated_nor_without_a_price() -> None:
    """What an agent asks without being told otherwise has a future and a price of its own."""
    settings = AgentsSettings()
    for model in settings.models:
        assert model not in DEPRECATED_MODELS
        assert prices.is_listed(model)
    assert not prices.is_listed("something-new")
