"""Stores of environments, each with a folder of its own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from services.agents.tests.environments.shop import Shop


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    """Give a store below a folder of the test."""
    return Shop(tmp_path)


@pytest.fixture
def open_shop(tmp_path: Path) -> Callable[..., Shop]:
    """Give a maker of stores that share one folder, as agents of one machine do."""
    return lambda **settings: Shop(tmp_path, **settings)
