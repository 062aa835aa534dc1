"""The short form of the fuzz run: the parsers of our HTTP surfaces and of Redis, on bytes that are nearly right."""

from __future__ import annotations

import pytest
import targets_dashboard
import targets_gateway
import targets_http
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from shapes import mutated

MODULES = (targets_http, targets_dashboard, targets_gateway)
SEEDS = {name: seeds for module in MODULES for name, seeds in module.SEEDS.items()}
TARGETS = {name: target for module in MODULES for name, target in module.TARGETS.items()}


@pytest.mark.parametrize("name", sorted(TARGETS))
@settings(max_examples=150, deadline=2000, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(data=st.data())
def test_parser_ends_in_its_one_error(name: str, data: st.DataObject) -> None:
    """Whatever a parser is given, it ends within two seconds in a value that holds, or in its one error."""
    TARGETS[name](data.draw(mutated(SEEDS[name])))


@pytest.mark.parametrize("name", sorted(TARGETS))
def test_seeds_are_read(name: str) -> None:
    """Each target takes its own seeds; a seed that stands for nothing would begin no search."""
    assert SEEDS[name]
    for seed in SEEDS[name]:
        TARGETS[name](seed)
